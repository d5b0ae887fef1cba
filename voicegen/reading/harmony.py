"""The harmony format of gpt-oss, read as it is generated: a state machine over control tokens and text.

A reply is a chain of messages, each a header and content:

    <|start|>assistant<|channel|>analysis<|message|>...<|end|>
    <|start|>assistant<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>
    <|start|>assistant<|channel|>final<|message|>...<|return|>

The generation prompt ends with `<|start|>assistant`, so a reply begins inside the first header. Only `final` without a
recipient is the answer. A recipient may stand before or after the channel, in any channel. Everything else that the
assistant writes (`analysis`, a preamble in `commentary`, a message without a channel) counts as reasoning: it is never
shown as the answer. Messages by another role end the reply.

Source: the harmony format guide and the parser of github.com/openai/harmony (openai-harmony 0.0.8), which is the judge
in the tests. Differences, all on purpose: `final <|constrain|>json` is an answer (the judge takes the content type for
a recipient), `<|endoftext|>` ends a message, a second `<|start|>` begins a header anew, a header may lack its
`<|start|>`, text between messages is skipped, and `functions.NAME` behind `<|constrain|>` is a recipient.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from voicegen.protocols import Delta
from voicegen.reading.beginning import Beginning
from voicegen.reading.calls import call_arguments, malformed_text
from voicegen.reading.markers import Control
from voicegen.records import ToolCall

START, END, MESSAGE, CHANNEL = "<|start|>", "<|end|>", "<|message|>", "<|channel|>"
RETURN, CALL, CONSTRAIN, END_OF_TEXT = "<|return|>", "<|call|>", "<|constrain|>", "<|endoftext|>"

HARMONY_TOKENS = (START, END, MESSAGE, CHANNEL, RETURN, CALL, CONSTRAIN)
HARMONY_STOPS = (RETURN, CALL, END_OF_TEXT)  # `<|end|>` only ends a message: the answer may come after it

BARE_HEADERS: Final = {f"assistant{channel}": channel for channel in ("analysis", "commentary", "final")}
"""What is left of a header where a server leaves special tokens out, and the channel that it names."""

_BARE_OPENINGS = ("analysis", "commentary")
_OPENS_A_TEXT = "\"'“‘«([{<*_`#$¿¡"
_FORCE_ANSWER = f"{CHANNEL}final{MESSAGE}"
_PEOPLE = frozenset({"user", "assistant", "system", "developer", "all"})


class _State(Enum):
    HEADER = auto()
    CONTENT = auto()
    BETWEEN = auto()


class HarmonyGrammar:
    """Takes the controls and text of one reply and gives what they mean."""

    def __init__(self) -> None:
        self.answer_begun = False
        self.answer_was_reasoning = False
        self.began = Beginning.UNKNOWN  # markers say all
        self.in_doubt = False
        self.stopped = False
        self._state = _State.HEADER
        self._reasoning_begun = False
        self._open_header()

    def control(self, marker: Control) -> Iterator[Delta]:
        """Takes a control token; one without a meaning inside content is part of the text, as for the judge."""
        yield from self._control(marker.name)

    def _control(self, name: str) -> Iterator[Delta]:
        if self._state is _State.CONTENT:
            yield from self._control_in_content(name)
        elif name in HARMONY_STOPS:
            self.stopped = True
            self._state = _State.BETWEEN
        elif name == START:
            self._state = _State.HEADER
            self._open_header()
        elif self._state is _State.HEADER or name in (CHANNEL, MESSAGE):
            if self._state is _State.BETWEEN:
                self._state = _State.HEADER
                self._open_header()
            yield from self._control_in_header(name)

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between control tokens."""
        if self._state is _State.HEADER:
            self._header[self._section] += text
        elif self._state is _State.CONTENT:
            yield from self._content(text)

    def end(self, _cut: bool, /) -> Iterator[Delta]:
        """The stream is over, cut or not. A call that is whole is made; one that was cut is dropped."""
        if self._state is _State.CONTENT and self._tool is not None and _is_whole_object(self._call_text):
            yield from self._close_message()

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
        if self._state is _State.BETWEEN:
            return f"{START}assistant{_FORCE_ANSWER}"
        untouched = self._section == "role" and self._header["role"].strip() in ("", "assistant")
        return _FORCE_ANSWER if untouched else f"{MESSAGE}{END}{START}assistant{_FORCE_ANSWER}"

    def _open_header(self) -> None:
        self._header = {"role": "", "channel": "", "more": ""}
        self._section = "role"

    def _control_in_header(self, name: str) -> Iterator[Delta]:
        if name == MESSAGE:
            yield from self._open_message()
        elif name == END:
            self._state = _State.BETWEEN
        elif name == CHANNEL and self._section == "role":
            self._section = "channel"
        else:  # <|constrain|>, a second channel: what follows names neither role nor channel
            self._section = "more"

    def _control_in_content(self, name: str) -> Iterator[Delta]:
        if name == END or name in HARMONY_STOPS:
            self.stopped = self.stopped or name != END
            yield from self._close_message()
        else:
            yield from self._content(name)

    def _open_message(self) -> Iterator[Delta]:
        role, channel, more = (self._header[section].split() for section in ("role", "channel", "more"))
        recipient = _recipient(role + channel + more) or next((word for word in more if _names_tool(word)), None)
        ours = (role[0] if role and not role[0].startswith("to=") else "assistant") == "assistant"
        if not ours:
            self.stopped = True
        self._ours = ours
        self._tool = recipient if ours and recipient is not None and recipient not in _PEOPLE else None
        self._is_answer = ours and channel[:1] == ["final"] and recipient is None
        self._call_text = ""
        self._state = _State.CONTENT
        if ours and self._tool is None:
            yield from self._separate_from_the_last()

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
        elif self._ours and text:
            yield Delta(text=text, channel="answer" if self._is_answer else "reasoning")

    def _close_message(self) -> Iterator[Delta]:
        self._state = _State.BETWEEN
        if self._tool is not None:
            call = ToolCall(name=self._tool.removeprefix("functions."), arguments=call_arguments(self._call_text))
            yield Delta(tool_call=call)


class BareHarmonyGrammar(HarmonyGrammar):
    """Harmony from a server that leaves its special tokens out, such as `analysisHm.assistantfinalYes`.

    What is left of them are the names of the channels. After `final` has begun, all is the answer. A call cannot be
    told from a preamble, and counts as reasoning too.
    """

    def __init__(self, channel: str) -> None:
        super().__init__()
        for _ in self._enter(channel):
            pass

    def control(self, marker: Control) -> Iterator[Delta]:
        """Takes the end of a message and the header of the next."""
        if self._is_answer:
            yield from self.text(marker.text)
        else:
            yield from self._enter(BARE_HEADERS[marker.name])

    def _enter(self, channel: str) -> Iterator[Delta]:
        """Ends the message, if there is one, and begins one in `channel`."""
        for step in (END, START, CHANNEL):
            yield from self._control(step)
        yield from self.text(channel)
        yield from self._control(MESSAGE)


def bare_channel(text: str) -> str | None:
    """The channel with which harmony without its special tokens begins, or None for any other text.

    A text may begin with the word "analysis" too; in harmony no space or sign follows it, but at once the message.
    """
    for channel in _BARE_OPENINGS:
        after = text.removeprefix(channel)[:1] if text.startswith(channel) else ""
        if after.isalnum() or (after and after in _OPENS_A_TEXT):
            return channel
    return None


def may_be_bare(text: str) -> bool:
    """Whether more of the text is needed to know `bare_channel`."""
    return any(channel.startswith(text) for channel in _BARE_OPENINGS)


def _recipient(words: list[str]) -> str | None:
    return next((word.removeprefix("to=") for word in words if word.startswith("to=")), None)


def _names_tool(word: str) -> bool:
    """Whether a word behind `<|constrain|>`, where a content type belongs, is a recipient that lacks its `to=`."""
    return word.startswith("functions.")


def _is_whole_object(text: str) -> bool:
    return bool(text.strip()) and malformed_text(call_arguments(text)) is None
