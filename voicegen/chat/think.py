"""Replies in one stretch of text: plain answers, `<think>...</think>` before them, tool calls between markers.

Knows markers, not tokens: `voicegen.chat.parsing` turns tokens into text and controls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from voicegen.chat.beginning import Beginning
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
    begins: Beginning = Beginning.ANSWER

    @property
    def all(self) -> frozenset[str]:
        """Every marker."""
        return self.stops | frozenset(self.think or ()) | frozenset(self.call or ())


class _State(Enum):
    ANSWER = auto()
    REASONING = auto()
    UNKNOWN = auto()
    CALL = auto()
    STOPPED = auto()


class MarkedMachine:
    """Takes the controls and text of one reply and gives what they mean. White space around the parts is dropped."""

    def __init__(self, markers: ReplyMarkers, parse_calls: ParseCalls) -> None:
        self.answer_begun = False
        self.answer_was_reasoning = False
        self.began = Beginning.UNKNOWN
        self.in_doubt = False
        self._markers = markers
        self._parse_calls = parse_calls
        self._state = _State[markers.begins.name]
        self._before_call = self._state
        self._reasoning_begun = False
        self._held = ""
        self._call_text = ""
        self._space = ""

    def control(self, name: str) -> Iterator[Delta]:
        """Takes a marker; a special token without a meaning here is dropped."""
        if self._state is _State.STOPPED:
            return
        if name in self._markers.stops:
            yield from self.end(False)
            self._state = _State.STOPPED
        elif self._state is _State.CALL:
            if self._markers.call is not None and name == self._markers.call[1]:
                yield from self._make_calls()
        else:
            yield from self._switch(name)

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between markers."""
        if self._state is _State.CALL:
            self._call_text += text
        elif self._state is _State.UNKNOWN:
            self._held += self._trim(text)
            yield Delta(channel="reasoning")
        elif self._state is not _State.STOPPED and (trimmed := self._trim(text)):
            reasoning = self._state is _State.REASONING
            self._reasoning_begun = self._reasoning_begun or reasoning
            self.answer_begun = self.answer_begun or not reasoning
            yield Delta(text=trimmed, channel="reasoning" if reasoning else "answer")

    def end(self, cut: bool, /) -> Iterator[Delta]:
        """The stream is over. A call that is whole is made; one that was cut is dropped.

        Text of which it is still not known what it is was the answer, but in a reply that was cut: that may have been
        cut before its reasoning's end, and counts as reasoning.
        """
        if self._state is _State.CALL:
            if _is_json(self._call_text):
                yield from self._make_calls()
            elif self._before_call is _State.UNKNOWN:
                self._state = _State.UNKNOWN
        if self._state is _State.UNKNOWN:
            if self._held and cut:
                self.in_doubt = True
            elif self._held:
                self.began = Beginning.ANSWER
            yield from self._release(_State.REASONING if cut else _State.ANSWER)

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended."""
        return self._state is _State.STOPPED

    @property
    def in_reasoning(self) -> bool:
        """Whether the reply is, or may be, inside its reasoning, with no answer begun."""
        return self._state in (_State.REASONING, _State.UNKNOWN) and not self.answer_begun

    def force_answer(self) -> str:
        """The text that, fed to the model now, ends the reasoning; empty when there is none to end."""
        if self._state not in (_State.REASONING, _State.UNKNOWN) or self._markers.think is None:
            return ""
        return f"\n{self._markers.think[1]}\n\n"

    def _trim(self, text: str) -> str:
        """`text` without the white space that leads or ends its part; that within waits for the word after it."""
        begun = self._reasoning_begun if self._state is _State.REASONING else self.answer_begun or bool(self._held)
        text = self._space + text
        kept = text.rstrip()
        self._space = text[len(kept) :] if begun or kept else ""
        return kept if begun else kept.lstrip()

    def _switch(self, name: str) -> Iterator[Delta]:
        self._space = ""
        think, call = self._markers.think, self._markers.call
        if think is not None and name == think[0]:
            if self._state is _State.UNKNOWN:
                yield from self._release(_State.ANSWER)
            self._state = _State.REASONING
        elif think is not None and name == think[1]:
            yield from self._end_reasoning()
        elif call is not None and name == call[0]:
            self._before_call = self._state
            self._state = _State.CALL
            self._call_text = ""

    def _end_reasoning(self) -> Iterator[Delta]:
        if self._state is _State.UNKNOWN:
            if self._held:
                self.began = Beginning.REASONING
            yield from self._release(_State.REASONING)
        elif self._state is _State.ANSWER and self.answer_begun and not self._reasoning_begun:
            self.began = Beginning.REASONING
            self.answer_begun = False
            self.answer_was_reasoning = True
        self._state = _State.ANSWER

    def _release(self, state: _State) -> Iterator[Delta]:
        """Gives what was held, now that it is known to be part of `state`."""
        self._state = state
        self._space = ""
        held, self._held = self._held, ""
        if held:
            yield from self.text(held)

    def _make_calls(self) -> Iterator[Delta]:
        self._state = _State.UNKNOWN if self._before_call is _State.UNKNOWN else _State.ANSWER
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
