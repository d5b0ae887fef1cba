"""Which question may be asked now: a turn of a conversation waits for the answer to the turn before it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from voicegen.records import Answer, Failure, Message, Question, Role

MAX_WAITING = 10_000
"""Turns read ahead of their conversation's answers, at the most."""


@dataclass(slots=True)
class _Conversation:
    history: tuple[Message, ...] = ()
    waiting: deque[Question | Failure] = field(default_factory=deque)
    asked: bool = False
    failed: str | None = None


class QuestionFeed:
    """Feeds an `AnswerModel` from rows in input order, and unlocks each turn by the answer to the one before.

    Rows come in parts; no conversation reaches from one into another.

    A row that brings its history along is asked after that one. The rows of a conversation must be neighbours in the
    input, in the order of their turns; when the next conversation
    has begun and the last turn is answered, a conversation is forgotten, so memory does not grow with the input.

    Args:
        take: gives the next part of the planned rows, failures included, in input order; `wait=False` gives None when
            there is none at the moment. Ends by `StopIteration`.
        is_done: whether a row was finished in an earlier session.
        earlier_answer: the answer that an earlier session gave to a row; None if the row failed.
        on_failure: told of each row that cannot be asked.
    """

    def __init__(
        self,
        take: Callable[[bool], Iterable[Question | Failure] | None],
        is_done: Callable[[int], bool],
        earlier_answer: Callable[[int], str | None],
        on_failure: Callable[[Question | None, Failure], None],
    ) -> None:
        self._take = take
        self._part: Iterator[Question | Failure] | None = iter(())  # None: there are no more
        self._is_done = is_done
        self._earlier_answer = earlier_answer
        self._on_failure = on_failure
        self._ready: deque[Question] = deque()
        self._conversations: dict[str, _Conversation] = {}
        self._latest: str | None = None
        self._waiting = 0
        self._in_flight: dict[int, Question] = {}

    def questions(self) -> Iterator[Question | None]:
        """What the model pulls: questions that may be asked, and None while others must be answered first."""
        while True:
            if self._ready:
                question = self._ready.popleft()
                self._in_flight[question.index] = question
                yield question
            elif self._waiting < MAX_WAITING and (row := self._next()) is not None:
                self._admit(row)
            elif self._in_flight:
                yield None
            else:
                return

    def _next(self) -> Question | Failure | None:
        """The next row; waits for it only where the model has nothing in hand."""
        while self._part is not None:
            if (row := next(self._part, None)) is not None:
                return row
            self._close()
            try:
                part = self._take(not self._in_flight)
            except StopIteration:
                self._part = None
                break
            if part is None:
                break
            self._part = iter(part)
        return None

    def _close(self) -> None:
        """Says that there are no more turns of the latest conversation."""
        latest, self._latest = self._latest, None
        if latest is not None:
            self._advance(latest)

    def finished(self, record: Answer | Failure) -> Question:
        """Takes the model's record of a question it pulled, unlocks the next turn, and returns the question."""
        index = record.question.index if isinstance(record, Answer) else record.index
        question = self._in_flight.pop(index)
        if question.conversation_id is not None:
            conversation = self._conversations[question.conversation_id]
            conversation.asked = False
            if isinstance(record, Answer):
                conversation.history = _extended(question, record.text)
            else:
                conversation.failed = _earlier_turn_failed(question)
            self._advance(question.conversation_id)
        return question

    def ask(self, question: Question) -> None:
        """Has one more question asked, before all others; it is no turn of a conversation."""
        self._ready.appendleft(question)

    def _admit(self, row: Question | Failure) -> None:
        if row.conversation_id is not None:
            self._admit_turn(row, row.conversation_id)
        elif self._is_done(row.index):
            return
        elif isinstance(row, Failure):
            self._on_failure(None, row)
        else:
            self._ready.append(row)

    def _admit_turn(self, row: Question | Failure, name: str) -> None:
        if name != self._latest:
            self._close()
            self._latest = name
        self._conversations.setdefault(name, _Conversation()).waiting.append(row)
        self._waiting += 1
        self._advance(name)

    def _advance(self, name: str) -> None:
        conversation = self._conversations.get(name)
        if conversation is None:
            return
        while conversation.waiting and not conversation.asked:
            self._waiting -= 1
            self._ask(conversation, conversation.waiting.popleft())
        if not conversation.waiting and not conversation.asked and name != self._latest:
            del self._conversations[name]

    def _ask(self, conversation: _Conversation, row: Question | Failure) -> None:
        if isinstance(row, Failure):
            conversation.failed = _earlier_turn_failed(row)
            if not self._is_done(row.index):
                self._on_failure(None, row)
            return
        question = row if row.history else replace(row, history=conversation.history)
        if self._is_done(row.index):
            answer = self._earlier_answer(row.index)
            if answer is None:
                conversation.failed = _earlier_turn_failed(row)
            else:
                conversation.history = _extended(question, answer)
        elif conversation.failed is not None and not row.history:
            self._on_failure(question, Failure(row.index, "chat", conversation.failed))
        else:
            conversation.asked = True
            self._ready.append(question)


def _extended(question: Question, answer: str) -> tuple[Message, ...]:
    return (*question.history, Message(Role.USER, question.text), Message(Role.ASSISTANT, answer))


def _earlier_turn_failed(row: Question | Failure) -> str:
    return f"an earlier turn of conversation {row.conversation_id} failed"
