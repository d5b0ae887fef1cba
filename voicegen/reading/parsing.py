"""What a model wrote, sorted as it comes: answer, reasoning, tool calls.

    parser = template.parser()
    for token in generated:
        for delta in parser.feed(token): ...
        if parser.stopped: break
    for delta in parser.finish(cut=not parser.stopped): ...

`TextParser` does the same for text, such as a server sends: the same reply gives the same, in tokens or in text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, Self

from voicegen.reading.bare_harmony import BARE_MARKERS, BARE_OPENINGS, BareHarmonyGrammar, bare_opening
from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import CALL, parse_json_calls
from voicegen.reading.detokenizer import IncrementalDecoder
from voicegen.reading.harmony import HarmonyGrammar
from voicegen.reading.headings import FORCED_ANSWER, answer_heading, begins_reasoning
from voicegen.reading.known_markers import END, HARMONY_TOKENS, THINK, Markers
from voicegen.reading.marker_scanner import Control, MarkerScanner
from voicegen.reading.stops import StopFinder
from voicegen.reading.tagged import ParseCalls, TaggedGrammar
from voicegen.records import Delta, ToolCall

_RECIPIENT = "to="  # begins a header of harmony, and no answer


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
    """What has been read so far, and the choice of the grammar, which a reply shows by its opening or its markers."""

    def __init__(self, markers: Markers, parse_calls: ParseCalls, scanner: MarkerScanner) -> None:
        self._markers = markers
        self._tagged = TaggedGrammar(markers, parse_calls)
        self._grammar: Grammar = HarmonyGrammar() if markers.harmony else self._tagged
        self._scanner = scanner
        self._opening: str | None = ""  # text held until it shows the grammar; None once that is known
        self._headed: int | None = None  # of what is held, a reasoning below a heading, the length that was given
        self._expects_harmony = markers.harmony  # until the reply has shown what it is
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCall] = []
        self.retracted = False  # what was given as answer was reasoning after all; `answer` and `reasoning` are right
        self._stops = StopFinder()

    def stopping_at(self, strings: Sequence[str]) -> Self:
        """Ends the answer before the first of these strings in it; reasoning may hold them."""
        self._stops = StopFinder(strings)
        return self

    @property
    def began(self) -> Beginning:
        """What the reply has shown of how this model's replies begin."""
        return self._grammar.began

    @property
    def in_doubt(self) -> bool:
        """Whether the reply was cut before it had shown whether its text, given as reasoning, is the answer."""
        return self._grammar.in_doubt

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
        return self._grammar.answer_begun

    @property
    def cut_in_reasoning(self) -> bool:
        """Whether a reply that ends here ended inside its reasoning: no answer, and no tool call either."""
        return (self._grammar.in_reasoning or self._headed is not None) and not self._calls

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended. Generation should stop here, also where no stop token came."""
        return self._grammar.stopped or self._stops.found

    @property
    def found_stop(self) -> bool:
        """Whether one of the strings of `stopping_at` ended the answer."""
        return self._stops.found

    def _read(self, text: str) -> list[Delta]:
        """Takes text, in which markers may be spelled out."""
        if self._opening is not None:
            text = self._decide(self._opening + text)
            if self._headed is not None:
                return self._below_heading()
        return self._take(self._scanner.feed(text)) if text else []

    def _flush(self) -> list[Delta]:
        """Takes what was held for a marker that never came, and for an opening that showed no grammar."""
        headed = self._below_heading(over=True) if self._headed is not None else []
        opening, self._opening = self._opening or "", None
        if opening.strip() and _RECIPIENT.startswith(opening.strip()):
            self._expects_harmony = False  # a header that was cut, of a model that writes such
        held = opening + self._scanner.flush()
        return headed + (self._take([held]) if held else [])

    def _end(self, cut: bool) -> list[Delta]:
        if cut and self._headed is not None:
            return self._give_headed(len(self._opening or ""))
        deltas = self._flush() + self._kept(self._grammar.end(cut))
        rest = self._stops.flush()
        self._answer.append(rest)
        return [*deltas, Delta(rest)] if rest else deltas

    def _decide(self, text: str) -> str:
        """Chooses the grammar; gives the text that is still to be read, or nothing while more of it is needed."""
        start = text.lstrip()
        self._opening = None
        if opening := bare_opening(start):
            self._use(BareHarmonyGrammar(opening))
            self._scanner = MarkerScanner(BARE_MARKERS)
            return start.removeprefix(opening)
        if start.startswith(_RECIPIENT):
            self._use(HarmonyGrammar(self._markers.stops), self._markers.harmonys)
        elif (headed := self._is_headed(text)) is not False:
            self._opening, self._headed = text, (self._headed or 0) if headed else None
            return ""
        elif any(opening.startswith(start) for opening in (*BARE_OPENINGS, _RECIPIENT)):
            self._opening = text
            return ""
        return text

    def _is_headed(self, text: str) -> bool | None:
        """Whether `text`, from the reply's beginning, is a reasoning below a heading; None where more must tell."""
        return False if self._markers.begins is Beginning.REASONING else begins_reasoning(text)

    def _below_heading(self, over: bool = False) -> list[Delta]:
        """What is known once the heading of the answer has come, a marker, or the end of the text."""
        text = self._opening or ""
        heading = answer_heading(text, over)
        marked = self._scanner.holds_one(text[: heading.end()] if heading else text)
        if heading is None and not (marked or over):
            return []
        if heading and not marked:
            deltas, rest = self._give_headed(heading.start()), text[heading.end() :].lstrip()
        elif self._headed:
            deltas, rest = self._give_headed(len(text)), ""
        else:
            deltas, rest = [], text
        self._opening = self._headed = None
        return deltas + self._take(self._scanner.feed(rest))

    def _give_headed(self, end: int) -> list[Delta]:
        """Gives what is held up to `end` as reasoning."""
        begin, self._headed = self._headed or 0, end
        text = (self._opening or "")[begin:end].strip()
        return [self._keep(Delta(text, channel="reasoning"))] if text else []

    def _take(self, events: Iterable[str | Control]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            deltas += self._suit_grammar(event)
            deltas += self._kept(self._step(event))
        return deltas

    def _kept(self, deltas: Iterator[Delta]) -> list[Delta]:
        kept = []
        for delta in deltas:
            self._retract()
            kept.append(self._keep(delta))
        self._retract()
        return kept

    def _step(self, event: str | Control) -> Iterator[Delta]:
        return self._grammar.control(event) if isinstance(event, Control) else self._grammar.text(event)

    def _suit_grammar(self, event: str | Control) -> list[Delta]:
        """A marker of harmony changes the grammar wherever it stands, but in a reasoning or a call between tags."""
        marker = event.name if isinstance(event, Control) and event.name in HARMONY_TOKENS else None
        if self._expects_harmony and (isinstance(event, Control) or event.strip()):
            self._use(self._grammar if marker else self._tagged, self._markers.harmonys if marker else None)
        if marker is None or marker in self._markers.stops or self._grammar is not self._tagged:
            return []
        return self._turn_to_harmony(marker) if self._tagged.outside_reasoning else []

    def _turn_to_harmony(self, marker: str) -> list[Delta]:
        held = self._tagged.take_held()
        unmarked = held if marker == END else ""  # a message that ends here may have been one of reasoning
        said = [self._keep(Delta(text=held))] if held and not unmarked else []
        begun = self._tagged.answer_begun or bool(said)
        self._use(HarmonyGrammar(self._markers.stops, begun, unmarked), self._markers.harmonys)
        return said

    def _use(self, grammar: Grammar, markers: frozenset[str] | None = None) -> None:
        """Goes on in `grammar`, with only these markers to be looked for."""
        self._grammar, self._expects_harmony = grammar, False
        if markers is not None:
            self._scanner.keep(markers)

    def _retract(self) -> None:
        """Where a prompt opened the reasoning, against all that was known of the model, what came was no answer."""
        if not self._grammar.answer_was_reasoning:
            return
        self._grammar.answer_was_reasoning = False
        self._reasoning, self._answer = [*self._answer, self._stops.flush()], []
        self.retracted = True

    def _keep(self, delta: Delta) -> Delta:
        if self._stops.found:
            return Delta()
        if delta.tool_call is not None:
            call = delta.tool_call
            call = call if call.id else ToolCall(call.name, call.arguments, id=f"call_{len(self._calls)}")
            self._calls.append(call)
            return Delta(tool_call=call)
        if delta.channel == "reasoning":
            self._reasoning.append(delta.text)
            return delta
        self._answer.append(self._stops.feed(delta.text))
        return Delta(self._answer[-1])


class TokenParser(_Parser):
    """Reads one reply token by token. Cheap to make: one per reply."""

    def __init__(
        self,
        markers: Markers,
        parse_calls: ParseCalls,
        decoder: IncrementalDecoder,
        controls: Mapping[int, str],
        encode: Callable[[str], list[int]],
    ) -> None:
        """`controls` names the tokens that spell a marker, or nothing: `""`. Any other special token is text."""
        scanner = MarkerScanner(markers.exact.difference(controls.values()), markers.tags)
        super().__init__(markers, parse_calls, scanner)
        self._decoder = decoder
        self._controls = controls
        self._encode = encode

    def feed(self, token: int) -> list[Delta]:
        """What `token` adds. A stop token may be fed or left out."""
        name = self._controls.get(token)
        if name is None:
            return self._read(self._decoder.add(token))
        return self._flushed() + self._take([Control(name)]) if name else []

    def finish(self, cut: bool = False) -> list[Delta]:
        """The stream is over, by a stop or by a cut: what was still held."""
        rest = self._decoder.flush()
        return (self._read(rest) if rest else []) + self._end(cut)

    def force_answer_tokens(self) -> list[int]:
        """Tokens that make the model begin its answer where it stands; empty when this format has none.

        Feed them to the model and, one by one, to this parser, then go on generating with the same cache.
        """
        knows_format = self._markers.harmony or self._grammar is self._tagged
        text = self._grammar.force_answer() if knows_format else ""
        text = FORCED_ANSWER if self._headed is not None else text
        return self._encode(text) if text else []

    def _flushed(self) -> list[Delta]:
        rest = self._decoder.flush()
        return (self._read(rest) if rest else []) + self._flush()


class TextParser(_Parser):
    """Reads one reply from pieces of text."""

    def __init__(self, begins: Beginning = Beginning.UNKNOWN, markers: Markers | None = None) -> None:
        """Knows nothing of the model but what text before any marker is; or all that its `markers` say."""
        own = None if begins is Beginning.REASONING else THINK
        markers = markers or Markers(own=own, call=CALL, begins=begins)
        super().__init__(markers, parse_json_calls, MarkerScanner(markers.exact, markers.tags))

    def feed(self, text: str) -> list[Delta]:
        """What `text` adds."""
        return self._read(text)

    def finish(self, cut: bool = False) -> list[Delta]:
        """The stream is over, by a stop or by a cut: what was still held."""
        return self._end(cut)
