"""The harmony format of gpt-oss, read as it is generated: a state machine over control tokens and text.

A reply is a chain of messages, each a header and content:

    <|start|>assistant<|channel|>analysis<|message|>...<|end|>
    <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>
    <|start|>assistant<|channel|>final<|message|>...<|return|>

The generation prompt ends with `<|start|>assistant`, so a reply begins inside the first header. Only `final` without a
recipient is the answer. A recipient may stand before or after the channel, in any channel. Everything else that the
assistant writes in messages (`analysis`, a preamble in `commentary`, a message without a channel) counts as reasoning:
it is never shown as the answer. Muse's dialect has recipients in place of channels: `to=self` is reasoning, `to=user`
the answer. Text that stands in no message is the answer, as llama.cpp's server gives it behind
`<|end|>`. A message by another role ends the reply for good: what the model makes up after it is never read.

Source: the harmony format guide and the parser of github.com/openai/harmony (openai-harmony 0.0.8), which is the judge
in the tests. Differences, all on purpose: `final <|constrain|>json` is an answer (the judge takes the content type for
a recipient), `<|endoftext|>` ends a message, a second `<|start|>` begins a header anew, also in an answer, a header may
lack its `<|start|>`, text between messages is the answer, nothing follows `<|return|>` or another role's turn, and
`functions.NAME` behind `<|constrain|>` is a recipient.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import call_arguments, malformed_text
from voicegen.reading.known_markers import (
    CALL_END,
    CHANNEL,
    END,
    HARMONY_STOPS,
    HARMONY_TOKENS,
    MESSAGE,
    MESSAGE_END,
    START,
    TURN_MARKS,
)
from voicegen.reading.marker_scanner import Control
from voicegen.records import Delta, ToolCall

_FORCE_ANSWER = f"{CHANNEL}final{MESSAGE}"
_PEOPLE = frozenset({"user", "assistant", "system", "developer", "all", "self"})


class _State(Enum):
    HEADER = auto()
    CONTENT = auto()
    BETWEEN = auto()
    UNMARKED = auto()  # in text that stands in no message
    OVER = auto()


class HarmonyGrammar:
    """Takes the controls and text of one reply and gives what they mean."""

    def __init__(self, stops: frozenset[str] = TURN_MARKS, answer_begun: bool = False, unmarked: str = "") -> None:
        """Starts in the first header.

        Args:
            stops: what ends the reply outside of messages.
            answer_begun: whether text before the first marker was given as the answer.
            unmarked: text before the first marker of which the rest of the reply must show whether it is the answer.
        """
        self.answer_begun = answer_begun
        self.answer_was_reasoning = False
        self.began = Beginning.UNKNOWN  # markers say all
        self.in_doubt = False
        self.stopped = False
        self._state = _State.HEADER
        self._stops = stops
        self._reasoning_begun = self._is_answer = False
        self._tool: str | None = None
        self._unmarked = unmarked
        self._open_header()

    def control(self, marker: Control) -> Iterator[Delta]:
        """Takes a marker; one without a meaning inside content is part of the text, as for the judge."""
        marker = Control(END, marker.text) if marker.name == MESSAGE_END else marker
        name = marker.name
        if self._state is _State.CONTENT and not (self._is_answer and name == START):
            yield from self._control_in_content(marker)
        elif self._state is _State.OVER:
            return
        elif name in self._stops:
            yield from self._stop(name)
        elif name == START:
            self._open_header()
        elif name in HARMONY_TOKENS:
            if self._state is not _State.HEADER:
                self._open_header()
            yield from self._control_in_header(name)
        else:
            yield from self.text(marker.text)

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between markers."""
        if self._state is _State.HEADER:
            self._header[self._section] += text
        elif self._state is _State.CONTENT:
            yield from self._content(text)
        elif self._state is _State.UNMARKED or (self._state is _State.BETWEEN and text.strip() and not self.stopped):
            yield from self._unmarked_text(text)

    def end(self, _cut: bool, /) -> Iterator[Delta]:
        """The stream is over, cut or not. A call that is whole is made; one that was cut is dropped."""
        if self._state is _State.CONTENT and self._tool is not None and _is_whole_object(self._call_text):
            yield from self._close_message()
        yield from self._settle(Beginning.ANSWER)

    @property
    def in_reasoning(self) -> bool:
        """Whether no answer has begun, nor a call: a reply that is cut here can still be made to answer."""
        in_call = self._state is _State.CONTENT and self._tool is not None
        return not self.answer_begun and not in_call

    def force_answer(self) -> str:
        """The text that, fed to the model now, starts the final channel; empty when an answer or a call has begun."""
        if not self.in_reasoning:
            return ""
        if self._state is _State.CONTENT:
            return f"{END}{START}assistant{_FORCE_ANSWER}"
        if self._state in (_State.BETWEEN, _State.UNMARKED):
            return f"{START}assistant{_FORCE_ANSWER}"
        untouched = self._section == "role" and self._header["role"].strip() in ("", "assistant")
        return _FORCE_ANSWER if untouched else f"{MESSAGE}{END}{START}assistant{_FORCE_ANSWER}"

    def _open_header(self) -> None:
        self._state = _State.HEADER
        self._header = {"role": "", "channel": "", "more": ""}
        self._section = "role"

    def _stop(self, name: str) -> Iterator[Delta]:
        """Ends the reply; but after a call there may be another."""
        self.stopped = True
        self._state = _State.BETWEEN if name == CALL_END else _State.OVER
        yield from self._settle(Beginning.ANSWER)

    def _settle(self, unmarked: Beginning) -> Iterator[Delta]:
        """Says what the text was that came before the first marker."""
        text, self._unmarked = self._unmarked, ""
        if text and unmarked is Beginning.ANSWER:
            self.answer_begun = True
            yield Delta(text=text)
        elif text:
            self._reasoning_begun = True
            yield Delta(text=text, channel="reasoning")
        self.began = unmarked if text else self.began

    def _control_in_header(self, name: str) -> Iterator[Delta]:
        if name == MESSAGE:
            yield from self._open_message()
        elif name == END:
            self._state = _State.BETWEEN
        elif name == CHANNEL and self._section == "role":
            self._section = "channel"
        else:  # <|constrain|>, a second channel: what follows names neither role nor channel
            self._section = "more"

    def _control_in_content(self, marker: Control) -> Iterator[Delta]:
        if marker.name == END:
            yield from self._close_message()
        elif marker.name in HARMONY_STOPS:
            yield from self._close_message()
            yield from self._stop(marker.name)
        else:
            yield from self._content(marker.text)

    def _open_message(self) -> Iterator[Delta]:
        role, channel, more = (self._header[section].split() for section in ("role", "channel", "more"))
        recipient = _recipient(role + channel + more) or next((word for word in more if _names_tool(word)), None)
        if role and not role[0].startswith("to=") and role[0] != "assistant":
            yield from self._stop(MESSAGE)
            return
        yield from self._settle(Beginning.REASONING)
        self._tool = recipient if recipient is not None and recipient not in _PEOPLE else None
        self._is_answer = (channel[:1], recipient) in ((["final"], None), ([], "user"))
        self._call_text = ""
        self._state = _State.CONTENT
        if self._tool is None:
            yield from self._separate_from_the_last()

    def _unmarked_text(self, text: str) -> Iterator[Delta]:
        if self._state is not _State.UNMARKED:
            text = text.lstrip()
            yield from self._settle(Beginning.REASONING)
            self._state, self._is_answer = _State.UNMARKED, True
            yield from self._separate_from_the_last()
        yield Delta(text=text)

    def _separate_from_the_last(self) -> Iterator[Delta]:
        """Two messages of the same kind are two lines."""
        if self._is_answer:
            if self.answer_begun:
                yield Delta(text="\n")
            self.answer_begun = True
        else:
            if self._reasoning_begun:
                yield Delta(text="\n", channel="reasoning")
            self._reasoning_begun = True

    def _content(self, text: str) -> Iterator[Delta]:
        if self._tool is not None:
            self._call_text += text
        elif text:
            yield Delta(text=text, channel="answer" if self._is_answer else "reasoning")

    def _close_message(self) -> Iterator[Delta]:
        self._state = _State.BETWEEN
        if self._tool is not None:
            call = ToolCall(name=self._tool.removeprefix("functions."), arguments=call_arguments(self._call_text))
            yield Delta(tool_call=call)


def _recipient(words: list[str]) -> str | None:
    return next((word.removeprefix("to=") for word in words if word.startswith("to=")), None)


def _names_tool(word: str) -> bool:
    """Whether a word behind `<|constrain|>`, where a content type belongs, is a recipient that lacks its `to=`."""
    return word.startswith("functions.")


def _is_whole_object(text: str) -> bool:
    return bool(text.strip()) and malformed_text(call_arguments(text)) is None
