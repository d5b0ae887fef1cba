"""Replies in one stretch of text: plain answers, `<think>...</think>` before them, tool calls between markers.

Knows markers, not tokens: `voicegen.chat.parsing` turns tokens into text and controls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from voicegen.chat.messages import call_arguments, read_json
from voicegen.protocols import Delta
from voicegen.records import ToolCall

ParseCalls = Callable[[str], Sequence[ToolCall]]


@dataclass(frozen=True, slots=True)
class ReplyMarkers:
    """The markers of a model's replies. `stops` end the reply: a turn's end, or another speaker's name."""

    think: tuple[str, str] | None = None
    call: tuple[str, str] | None = None
    stops: frozenset[str] = frozenset()
    opens_reasoning: bool = False  # the generation prompt ends inside the reasoning already

    @property
    def all(self) -> frozenset[str]:
        """Every marker."""
        return self.stops | frozenset(self.think or ()) | frozenset(self.call or ())


class _State(Enum):
    ANSWER = auto()
    REASONING = auto()
    CALL = auto()
    STOPPED = auto()


class MarkedMachine:
    """Takes the controls and text of one reply and gives what they mean. White space around the parts is dropped."""

    def __init__(self, markers: ReplyMarkers, parse_calls: ParseCalls) -> None:
        self.answer_begun = False
        self.answer_was_reasoning = False  # a reasoning's end came without its beginning
        self._markers = markers
        self._parse_calls = parse_calls
        self._state = _State.REASONING if markers.opens_reasoning else _State.ANSWER
        self._reasoning_begun = False
        self._call_text = ""
        self._space = ""

    def control(self, name: str) -> Iterator[Delta]:
        """Takes a marker; a special token without a meaning here is dropped."""
        if self._state is _State.STOPPED:
            return
        if name in self._markers.stops:
            yield from self.end()
            self._state = _State.STOPPED
        elif self._state is _State.CALL:
            if self._markers.call is not None and name == self._markers.call[1]:
                yield from self._make_calls()
        else:
            self._switch(name)

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between markers."""
        if self._state is _State.CALL:
            self._call_text += text
        elif self._state is not _State.STOPPED and (trimmed := self._trim(text)):
            reasoning = self._state is _State.REASONING
            self._reasoning_begun = self._reasoning_begun or reasoning
            self.answer_begun = self.answer_begun or not reasoning
            yield Delta(text=trimmed, channel="reasoning" if reasoning else "answer")

    def end(self) -> Iterator[Delta]:
        """The stream is over. A call that is whole is made; one that was cut is dropped."""
        if self._state is _State.CALL and _is_json(self._call_text):
            yield from self._make_calls()

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended."""
        return self._state is _State.STOPPED

    @property
    def in_reasoning(self) -> bool:
        """Whether the reply is inside its reasoning, with no answer begun."""
        return self._state is _State.REASONING and not self.answer_begun

    def force_answer(self) -> str:
        """The text that, fed to the model now, ends the reasoning; empty when there is none to end."""
        if self._state is not _State.REASONING or self._markers.think is None:
            return ""
        return f"\n{self._markers.think[1]}\n\n"

    def _trim(self, text: str) -> str:
        """`text` without the white space that leads or ends its part; that within waits for the word after it."""
        begun = self._reasoning_begun if self._state is _State.REASONING else self.answer_begun
        text = self._space + text
        kept = text.rstrip()
        self._space = text[len(kept) :] if begun or kept else ""
        return kept if begun else kept.lstrip()

    def _switch(self, name: str) -> None:
        self._space = ""
        think, call = self._markers.think, self._markers.call
        if think is not None and name == think[0]:
            self._state = _State.REASONING
        elif think is not None and name == think[1]:
            self.answer_was_reasoning = self._state is _State.ANSWER and self.answer_begun and not self._reasoning_begun
            self.answer_begun = self.answer_begun and not self.answer_was_reasoning
            self._state = _State.ANSWER
        elif call is not None and name == call[0]:
            self._state = _State.CALL
            self._call_text = ""

    def _make_calls(self) -> Iterator[Delta]:
        self._state = _State.ANSWER
        for call in self._parse_calls(self._call_text):
            yield Delta(tool_call=call)


def parse_json_calls(text: str) -> list[ToolCall]:
    """Calls written as `{"name": ..., "arguments": {...}}`, one object or a list (the form of Hermes and Qwen).

    What is no such JSON becomes a call without a name whose arguments keep the text, for the tool loop to refuse.
    """
    try:
        value = read_json(text)
    except ValueError:
        return [ToolCall(name="", arguments=call_arguments(text.strip() or "(nothing)"))]
    return [call_from_entry(entry) for entry in (value if isinstance(value, list) else [value])]


def call_from_entry(entry: Any) -> ToolCall:
    """One call from a parsed object with `name` and `arguments`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return ToolCall(name="", arguments=call_arguments(json.dumps([entry])))
    arguments = entry.get("arguments", entry.get("parameters"))
    known = isinstance(arguments, str | dict) or arguments is None
    return ToolCall(name=entry["name"], arguments=call_arguments(arguments if known else json.dumps(arguments)))


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True
