"""Which of a job's rows a process makes: all of them, or those that it is handed a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from voicegen.executors.job import Job
from voicegen.pipeline.first_rows import FirstRows
from voicegen.records import Failure, Question


class Share(Protocol):
    """The rows that are made in this process, in parts; no conversation reaches from one part into another."""

    def joined(self, first_rows: FirstRows, put_away: Callable[[], None]) -> None:
        """Takes what is to be told which first rows are made here, and of those that end elsewhere.

        And what, once all rows that were handed out are made, makes those durable that wait for others.
        """

    def part(self, wait: bool) -> Iterator[Question | Failure] | None:
        """The next part, in order; with `wait=False` None where there is none at the moment.

        A part of a conversation begins with the turns before it, which are done.

        Raises:
            StopIteration: there are no more.
        """

    def abandon(self) -> None:
        """Gives up what is left, from any thread: who waits for a part is told by `Abandoned`."""

    def is_done(self, index: int) -> bool:
        """Whether a row of a part is not to be made, as it is finished, or not ours."""

    def earlier_answer(self, index: int) -> str | None:
        """The answer to a row of a part that is done; None if the row failed."""


def rows_of(share: Share) -> Iterator[Question | Failure]:
    """The rows that are made here, where nobody is asked and so no turn of a conversation waits for another."""
    while True:
        try:
            part = share.part(True)
        except StopIteration:
            return
        yield from (row for row in part or () if not share.is_done(row.index))


class Whole:
    """A `Share` that is the whole job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._given = False

    def joined(self, first_rows: FirstRows, put_away: Callable[[], None]) -> None:  # noqa: ARG002 - the end does
        """All first rows are made here."""
        first_rows.take(first_rows.awaited)

    def part(self, wait: bool) -> Iterator[Question | Failure] | None:  # noqa: ARG002 - it is there at once
        """Everything, from the first row that is not finished; a conversation is read from its first turn."""
        if self._given:
            raise StopIteration
        self._given = True
        job, start = self._job, self._job.asked.start
        if not job.has_conversations:
            start = next(job.unfinished(), job.asked.stop) // job.plan.answers_per_question
        return job.read(range(start, job.asked.stop))

    def abandon(self) -> None:
        """Nobody waits for a part."""

    def is_done(self, index: int) -> bool:
        """Whether a row is finished."""
        return self._job.ledger.status(index) is not None

    def earlier_answer(self, index: int) -> str | None:
        """The answer of an earlier session."""
        return self._job.answer(index)
