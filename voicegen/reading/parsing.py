"""What a model wrote, sorted as it comes: answer, reasoning, tool calls.

    parser = template.parser()
    for token in generated:
        for delta in parser.feed(token): ...
        if parser.stopped: break
    for delta in parser.finish(cut=not parser.stopped): ...

`TextParser` does the same for a server that sends text in place of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from voicegen.protocols import Delta
from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import CALL, parse_json_calls
from voicegen.reading.detokenizer import IncrementalDecoder
from voicegen.reading.harmony import (
    BARE_HEADERS,
    HARMONY_STOPS,
    HARMONY_TOKENS,
    BareHarmonyGrammar,
    HarmonyGrammar,
    bare_channel,
    may_be_bare,
)
from voicegen.reading.markers import Control, MarkerScanner
from voicegen.reading.tagged import REASONING_TAGS, Markers, TaggedGrammar
from voicegen.records import ToolCall

_HARMONY_OPENINGS = (*HARMONY_TOKENS, "to=functions.")


class Grammar(Protocol):
    """The grammar of one chat format."""

    answer_begun: bool
    answer_was_reasoning: bool  # set by a step that shows that all of the answer so far was reasoning
    began: Beginning  # what the reply has shown of how this model's replies begin
    in_doubt: bool  # whether it was cut before it had shown whether its text, given as reasoning, is the answer

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended: nothing that comes now is part of it."""
        ...

    @property
    def in_reasoning(self) -> bool:
        """Whether a cut here would leave reasoning and no answer."""
        ...

    def control(self, marker: Control, /) -> Iterator[Delta]:
        """Takes a marker of the format."""
        ...

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between markers."""
        ...

    def end(self, cut: bool, /) -> Iterator[Delta]:
        """Takes the end of the stream; `cut`: the budget ended it."""
        ...

    def force_answer(self) -> str:
        """What to feed to the model so that an answer begins; empty when nothing can."""
        ...


class _Parser:
    """What has been read so far; the part that the token parser and the text parser share."""

    def __init__(self, machine: Grammar) -> None:
        self._machine = machine
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self.retracted = False  # what was given as answer was reasoning after all; `answer` and `reasoning` are right

    @property
    def began(self) -> Beginning:
        """What the reply has shown of how this model's replies begin."""
        return self._machine.began

    @property
    def in_doubt(self) -> bool:
        """Whether the reply was cut before it had shown whether its text, given as reasoning, is the answer."""
        return self._machine.in_doubt

    @property
    def answer(self) -> str:
        """The answer so far, as written."""
        return "".join(self._answer)

    @property
    def reasoning(self) -> str | None:
        """The reasoning so far, or None where there was none."""
        return "".join(self._reasoning) or None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The whole calls so far, with ids `call_0`, `call_1` ... where the model gives none."""
        return tuple(self._calls)

    @property
    def answer_begun(self) -> bool:
        """Whether the model has come to its answer."""
        return self._machine.answer_begun

    @property
    def cut_in_reasoning(self) -> bool:
        """Whether a reply that ends here ended inside its reasoning: no answer, and no tool call either."""
        return self._machine.in_reasoning and not self._calls

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended. Generation should stop here, also where no stop token came."""
        return self._machine.stopped

    def _take(self, events: Iterable[str | Control]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            deltas += [self._keep(delta) for delta in self._step(event)]
            if self._machine.answer_was_reasoning:
                self._retract()
        return deltas

    def _end(self, cut: bool) -> list[Delta]:
        return [self._keep(delta) for delta in self._machine.end(cut)]

    def _step(self, event: str | Control) -> Iterator[Delta]:
        return self._machine.control(event) if isinstance(event, Control) else self._machine.text(event)

    def _retract(self) -> None:
        """A prompt opened the reasoning, against all that was known of the model: what came was not the answer."""
        self._machine.answer_was_reasoning = False
        self._reasoning, self._answer = self._answer, []
        self.retracted = True

    def _keep(self, delta: Delta) -> Delta:
        if delta.tool_call is not None:
            call = delta.tool_call
            call = call if call.id else ToolCall(call.name, call.arguments, id=f"call_{len(self._calls)}")
            self._calls.append(call)
            return Delta(tool_call=call)
        (self._answer if delta.channel == "answer" else self._reasoning).append(delta.text)
        return delta


class TokenParser(_Parser):
    """Reads one reply token by token. Cheap to make: one per reply."""

    def __init__(
        self,
        machine: Grammar,
        decoder: IncrementalDecoder,
        controls: Mapping[int, str],
        text_markers: Iterable[str],
        tags: Iterable[str],
        encode: Callable[[str], list[int]],
    ) -> None:
        """`controls` names the tokens that are markers; `text_markers` and `tags` those that no single token spells."""
        super().__init__(machine)
        self._decoder = decoder
        self._controls = controls
        self._scanner = MarkerScanner(text_markers, tags)
        self._encode = encode

    def feed(self, token: int) -> list[Delta]:
        """What `token` adds. A stop token may be fed or left out."""
        name = self._controls.get(token)
        if name is None:
            return self._take(self._scanner.feed(self._decoder.add(token)))
        return self._flush() + self._take([Control(name)])

    def finish(self, cut: bool = False) -> list[Delta]:
        """The stream is over, by a stop or by a cut: what was still held."""
        return self._flush() + self._end(cut)

    def force_answer_tokens(self) -> list[int]:
        """Tokens that make the model begin its answer where it stands; empty when this format has none.

        Feed them to the model and, one by one, to this parser, then go on generating with the same cache.
        """
        text = self._machine.force_answer()
        return self._encode(text) if text else []

    def _flush(self) -> list[Delta]:
        rest = self._decoder.flush()
        deltas = self._take(self._scanner.feed(rest)) if rest else []
        held = self._scanner.flush()
        return deltas + (self._take([held]) if held else [])


class TextParser(_Parser):
    """Reads one reply from pieces of text, whose format shows at its beginning: harmony, tags around it, or plain."""

    def __init__(self, begins: Beginning = Beginning.UNKNOWN) -> None:
        """`begins` says what text before any marker is."""
        markers = Markers(thinks=True, call=CALL, begins=begins)
        super().__init__(TaggedGrammar(markers, parse_json_calls))
        self._scanner = MarkerScanner(markers.exact, REASONING_TAGS)
        self._opening: str | None = ""  # text held until it shows the format; None once that is known

    def feed(self, text: str) -> list[Delta]:
        """What `text` adds."""
        if self._opening is not None:
            text = self._decide(self._opening + text)
        return self._take(self._scanner.feed(text)) if text else []

    def finish(self, cut: bool = False) -> list[Delta]:
        """The stream is over, by a stop or by a cut: what was still held."""
        held = (self._opening or "") + self._scanner.flush()
        self._opening = None
        return (self._take([held]) if held else []) + self._end(cut)

    def _decide(self, text: str) -> str:
        """Chooses the grammar; gives the text that is still to be read, or nothing while more of it is needed."""
        start = text.lstrip()
        if start.startswith(_HARMONY_OPENINGS):
            self._machine = HarmonyGrammar()
            self._scanner = MarkerScanner({*HARMONY_TOKENS, *HARMONY_STOPS})
        elif channel := bare_channel(start):
            self._machine = BareHarmonyGrammar(channel)
            self._scanner = MarkerScanner(BARE_HEADERS)
            text = start.removeprefix(channel)
        elif may_be_bare(start) or any(opening.startswith(start) for opening in _HARMONY_OPENINGS):
            self._opening = text
            return ""
        self._opening = None
        return text
