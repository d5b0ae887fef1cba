"""What is in an input that can be used: rows that will fail, questions that are asked again, where a try may begin."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from voicegen.dataset.likeness import plain, text_key
from voicegen.dataset.questions import QuestionFile
from voicegen.records import Failure, Question

EXAMPLES = 3
"""Rows of a kind that are told one by one."""


@dataclass(frozen=True, slots=True)
class InputOverview:
    """What one reading of an input found.

    Attributes:
        rows: that are read.
        conversations: among them.
        unreadable: rows that will fail, those of a conversation after such a row among them.
        repeated: questions that are the same as an earlier row's (`likeness`). Later turns of a conversation are no
            questions by themselves.
        problems: the first rows that cannot be read, and why.
        repeats: the first questions that are asked again.
        beginnings: indexes of the rows that can be answered without another one's answer.
    """

    rows: int
    conversations: int
    unreadable: int
    repeated: int
    problems: Sequence[str]
    repeats: Sequence[str]
    beginnings: Sequence[int] = field(repr=False)

    def spread(self, count: int) -> frozenset[int]:
        """Up to `count` of the `beginnings`, evenly across the input."""
        there = len(self.beginnings)
        count = min(count, there)
        return frozenset(self.beginnings[(2 * number + 1) * there // (2 * count)] for number in range(count))


def overview(questions: QuestionFile, limit: int | None = None) -> InputOverview:
    """Reads an input once, or its first `limit` rows, with 16 bytes of memory a row.

    Raises:
        InputError: It cannot be used; as `QuestionFile.inspect`.
    """
    found = _Finds(questions.places)
    for record in islice(questions.questions(), limit):
        found.add(record)
    repeats = found.repeats()
    return InputOverview(
        rows=found.rows,
        conversations=found.conversations,
        unreadable=found.unreadable,
        repeated=len(repeats),
        problems=found.problems,
        repeats=[_told(questions, earlier, row) for earlier, row in repeats[:EXAMPLES]],
        beginnings=found.beginnings,
    )


class _Finds:
    """Notes one record after the other; `place` says where a row is, by its number from 1."""

    def __init__(self, place: Callable[[int], str]) -> None:
        self._place = place
        self.rows = self.conversations = self.unreadable = 0
        self.problems: list[str] = []
        self.beginnings = array("Q")
        self._keys = array("Q")  # of the questions of `beginnings`
        self._conversation: str | None = None
        self._broken = False  # a turn of the conversation cannot be asked, and so none after it

    def add(self, record: Question | Failure) -> None:
        """The next row."""
        self.rows += 1
        begins = record.conversation_id is None or record.conversation_id != self._conversation
        if begins:
            self._broken = False
            self.conversations += record.conversation_id is not None
        self._conversation = record.conversation_id
        if isinstance(record, Failure):
            self._broken = True
            if len(self.problems) < EXAMPLES:
                self.problems.append(f"{self._place(record.index + 1)}: {record.error}")
        self.unreadable += self._broken
        if begins and isinstance(record, Question):
            self.beginnings.append(record.index)
            self._keys.append(text_key(plain(record.text)))

    def repeats(self) -> list[tuple[int, int]]:
        """The rows that ask what an earlier one did, each after that one, in order."""
        keys = np.frombuffer(self._keys, np.uint64)
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
        pairs = sorted(zip(order[same + 1].tolist(), order[same].tolist(), strict=True))
        return [(self.beginnings[earlier], self.beginnings[later]) for later, earlier in pairs]


def _told(questions: QuestionFile, earlier: int, row: int) -> str:
    record = next(questions.questions(row))
    text = record.text if isinstance(record, Question) else ""
    return f"{questions.places(row + 1)} asks what {questions.places(earlier + 1)} does: {' '.join(text.split())[:60]}"
