"""A conversation as it grows: turns, what still fits the context window, and JSON lines on disk.

A turn is a question and everything that answers it: tool calls, their results, the answer. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicegen.chat.messages import message_from_dict, message_to_dict
from voicegen.errors import InputError
from voicegen.files import given_path, write_atomic
from voicegen.reading.calls import read_json
from voicegen.records import Message, Role
from voicegen.text.well_formed import well_formed

_KEPT_WHEN_FULL = 0.75  # trimming below the limit leaves room for several turns that reuse the KV cache


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what answers it; `interrupted` when the answer was stopped before its end."""

    messages: tuple[Message, ...]
    interrupted: bool = False

    @property
    def question(self) -> str:
        """What the user wrote."""
        return self.messages[0].content


class History:
    """The turns of one conversation and its system prompt."""

    def __init__(self, system_prompt: str | None = None) -> None:
        self.system_prompt = system_prompt
        self._turns: list[Turn] = []
        self._first = 0  # turns before it no longer fit the context window

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn, also those that no longer fit the context window."""
        return tuple(self._turns)

    def messages(self) -> list[Message]:
        """The system prompt and the turns that the model still sees."""
        return self.system_messages() + [message for turn in self._turns[self._first :] for message in turn.messages]

    def add(self, turn: Turn) -> None:
        """Ends a turn."""
        self._turns.append(turn)

    def drop_last(self) -> Turn | None:
        """Takes the last turn back."""
        if not self._turns:
            return None
        turn = self._turns.pop()
        self._first = min(self._first, len(self._turns))
        return turn

    def clear(self, keep_system: bool = True) -> None:
        """Forgets the turns, and the system prompt too unless it is kept."""
        self._turns.clear()
        self._first = 0
        if not keep_system:
            self.system_prompt = None

    def trim(self, pending: Sequence[Message], limit: int, count: Callable[[Sequence[Message]], int]) -> bool:
        """Leaves out the oldest turns when history and `pending` exceed `limit` tokens; none where that won't help.

        It then goes down to three quarters of the limit: each trimming changes the prompt right after the system
        prompt and costs a prefill of the rest, so it should be rare.

        Returns:
            Whether what is left, with `pending`, fits the limit.
        """
        if self._fits(pending, limit, count):
            return True
        if count([*self.system_messages(), *pending]) > limit:
            return False
        while self._first < len(self._turns) and not self._fits(pending, int(limit * _KEPT_WHEN_FULL), count):
            self._first += 1
        return True

    def save(self, path: Path | str, keep_reasoning: bool = False) -> None:
        """Writes the whole conversation, one message a line, replacing the file as a whole.

        Args:
            path: the file.
            keep_reasoning: whether what the model reasoned is written too.

        Raises:
            OutputError: the file cannot be written.
        """
        write_atomic(given_path("path", path), self.as_lines(keep_reasoning).encode())

    def as_lines(self, keep_reasoning: bool = False) -> str:
        """The whole conversation, a message a line, as `save` writes it."""
        entries = [message_to_dict(message) for message in self.system_messages()]
        for turn in self._turns:
            lines = [message_to_dict(message) for message in turn.messages]
            if not keep_reasoning:
                for line in lines:
                    line.pop("reasoning", None)
            if turn.interrupted:
                lines[-1]["interrupted"] = True
            entries += lines
        return well_formed("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))

    @classmethod
    def load(cls, path: Path | str) -> History:
        """Reads what `save` wrote.

        Raises:
            InputError: the file cannot be read, a line is no message, or one that cannot stand there; names the line.
        """
        path = given_path("path", path)
        history = cls()
        turn: list[Message] = []
        last = 0
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip():
                continue
            message, interrupted = _read_line(path, number, line)
            if message.role is Role.SYSTEM and not last:
                history.system_prompt = message.content
            elif problem := _misplaced(message, turn):
                raise InputError(f"{path}, line {number}: {problem}.")
            else:
                if message.role is Role.USER and turn:
                    history.add(Turn(tuple(turn)))
                    turn = []
                turn.append(message)
            last = number
            if interrupted and _is_answered(turn):
                history.add(Turn(tuple(turn), interrupted=True))
                turn = []
        if turn and not _is_answered(turn):
            raise InputError(f"{path}, line {last}: the conversation ends before its last question has an answer.")
        if turn:
            history.add(Turn(tuple(turn)))
        return history

    def system_messages(self) -> list[Message]:
        """The system prompt as the first message, where there is one."""
        return [Message(Role.SYSTEM, well_formed(self.system_prompt))] if self.system_prompt else []

    def _fits(self, pending: Sequence[Message], limit: int, count: Callable[[Sequence[Message]], int]) -> bool:
        return count([*self.messages(), *pending]) <= limit


def _misplaced(message: Message, turn: Sequence[Message]) -> str | None:
    """Why `message` cannot come after the messages of `turn`, which may be none; None where it can."""
    waiting = _calls_without_result(turn)
    if message.role is Role.SYSTEM:
        return "a system message stands only at the top, once"
    if message.role is Role.TOOL:
        answers = waiting and message.tool_call_id in (None, *waiting)
        return None if answers else "there is no tool call before it that this is the result of"
    if waiting:
        return f"the tool call {waiting[0]!r} before it has no result"
    if message.role is Role.USER:
        return None if not turn or _is_answered(turn) else "the question before it has no answer"
    if not turn:
        return "a conversation begins with a question, and so does each turn, not with an answer"
    return "the question before it has an answer already" if _is_answered(turn) else None


def _calls_without_result(turn: Sequence[Message]) -> list[str]:
    """The ids of the calls that still wait, in order; a result without an id is that of the first."""
    waiting: list[str] = []
    for message in turn:
        waiting += [call.id for call in message.tool_calls]
        if message.role is Role.TOOL and waiting:
            waiting.remove(waiting[0] if message.tool_call_id is None else message.tool_call_id)
    return waiting


def _is_answered(turn: Sequence[Message]) -> bool:
    return bool(turn) and turn[-1].role is Role.ASSISTANT and not turn[-1].tool_calls


def _lines(path: Path) -> list[str]:
    """The lines; `str.splitlines` would also split at U+2028, U+2029 and U+0085, which JSON lets stand in a text."""
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the conversation {path}: {error}.") from error


def _read_line(path: Path, number: int, line: str) -> tuple[Message, bool]:
    try:
        entry = read_json(line)
        if not isinstance(entry, dict):
            raise InputError(f"not a chat message: {line:.80}")
        return message_from_dict(entry), bool(entry.get("interrupted"))
    except (ValueError, InputError) as error:
        raise InputError(f"{path}, line {number}: {error}") from error
