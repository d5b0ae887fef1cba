"""A worker: the stages side by side in this process, on rows that it is handed a few at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from voicegen.errors import VoicegenError
from voicegen.executors.chain import run_chain
from voicegen.executors.channel import Abandoned, Channel, Ended
from voicegen.executors.job import Job, Work
from voicegen.executors.leases import Lease
from voicegen.executors.messages import (
    Begun,
    Broke,
    Loaded,
    Logged,
    Made,
    Message,
    NoMore,
    Order,
    PutAway,
    Refused,
    RowEnded,
    Started,
    Worked,
    Written,
)
from voicegen.pipeline.first_rows import FirstRows
from voicegen.pipeline.ledger import Entry
from voicegen.pipeline.outcome import Outcome
from voicegen.records import Failure, ModelInfo, Question

_FAR = 1_000
"""Rows that are rather skipped than read past."""

_log = logging.getLogger(__name__)


class Worker:
    """Makes the rows of the leases that it is given.

    Args:
        job: the rest of the run.
        name: of the worker, among those that work at the run; no two have the same in a session.
        queue_size: as `run_chain` has it.
        say: is told what there is to say, from several threads.
    """

    def __init__(self, job: Job, name: str, queue_size: int, say: Callable[[Message], None]) -> None:
        self._job = job
        self._name = name
        self._queue_size = queue_size
        self._say = say
        self._rows = _LeasedRows(job, lambda: say(Begun()))

    def take(self, order: Order) -> None:
        """Takes an order, from any thread."""
        match order:
            case Lease():
                self._rows.add(order)
            case RowEnded():
                self._rows.first_row_ended(order)
            case PutAway():
                self._rows.put_away()
            case NoMore():
                self._rows.end()

    def stop(self) -> None:
        """Has it end with the rows that its models have in hand."""
        self._rows.abandon()

    def run(self) -> None:
        """Returns when all that was given is made and no more will be; what ends it early is said.

        Raises:
            KeyboardInterrupt: it was interrupted; the writes in flight were finished first.
        """
        try:
            run_chain(self._job, self._rows, self, name=self._name, queue_size=self._queue_size)
        except VoicegenError as error:
            self._say(Refused(error))
        except Exception as error:
            _log.exception("worker %s", self._name)
            self._say(Broke(f"{type(error).__name__}: {error}"))

    def loaded(self, stage: str, model: ModelInfo) -> None:
        """Says that a model is ready."""
        self._say(Loaded(stage, model))

    def started(self) -> None:
        """Says that all are."""
        self._say(Started())

    def worked(self, work: Work) -> None:
        """Says that a stage is further."""
        self._say(Worked(work))

    def made(self, outcomes: Sequence[Outcome]) -> None:
        """Says which rows wait to be durable."""
        self._say(Made([RowEnded(outcome.index, outcome.said) for outcome in outcomes]))

    def written(self, entries: Sequence[Entry]) -> None:
        """Says which rows are finished."""
        self._rows.written(entries)
        self._say(Written(entries))

    def told(self, text: str) -> None:
        """Says a line for the log."""
        self._say(Logged(__name__, logging.WARNING, text))


class _LeasedRows:
    """A `Share` that is handed over a lease at a time."""

    def __init__(self, job: Job, begun: Callable[[], None]) -> None:
        self._job = job
        self._begun = begun
        self._leases: Channel[Lease] = Channel(2)  # the driver gives one ahead
        self._ours: set[int] = set()
        self._earlier: dict[int, str | None] = {}
        self._joining = threading.Lock()
        self._first_rows: FirstRows | None = None
        self.put_away: Callable[[], None] = lambda: None
        self._ended_before: list[RowEnded] = []
        self._input = _Input(job)

    def add(self, lease: Lease) -> None:
        assert self._first_rows is not None  # leases come when the models are ready
        self._first_rows.take(lease.rows)
        with suppress(Abandoned):  # the worker ends
            self._leases.put(lease)

    def end(self) -> None:
        self._leases.close()

    def first_row_ended(self, row: RowEnded) -> None:
        with self._joining:
            if self._first_rows is None:
                self._ended_before.append(row)
                return
        self._first_rows.ended(row.index, row.said)

    def joined(self, first_rows: FirstRows, put_away: Callable[[], None]) -> None:
        with self._joining:
            self._first_rows = first_rows
        self.put_away = put_away
        for row in self._ended_before:
            first_rows.ended(row.index, row.said)

    def part(self, wait: bool) -> Iterator[Question | Failure] | None:
        try:
            lease = self._leases.get(wait=wait)
        except Ended:
            raise StopIteration from None
        if lease is None:
            return None
        self._ours.update(lease.rows)
        self._earlier = dict(lease.earlier)
        self._begun()
        return self._read(lease)

    def _read(self, lease: Lease) -> Iterator[Question | Failure]:
        """The lease's rows; in conversations what lies between them, too."""
        stop = lease.rows[-1] // self._job.plan.answers_per_question + 1
        rows, wanted = self._input.rows(range(lease.start, stop)), set(lease.rows)
        # Not all that are ours: one of another lease, which waits for its shard, may lie between them.
        return rows if self._job.has_conversations else (row for row in rows if row.index in wanted)

    def abandon(self) -> None:
        self._leases.abandon()

    def is_done(self, index: int) -> bool:
        return index not in self._ours

    def earlier_answer(self, index: int) -> str | None:
        return self._earlier.get(index)

    def written(self, entries: Sequence[Entry]) -> None:
        self._ours.difference_update(entry.row.index for entry in entries)


class _Input:
    """Reads the input forwards as long as what is wanted lies a little ahead."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._rows: Iterator[Question | Failure] = iter(())
        self._next: int | None = None  # the place that comes next

    def rows(self, places: range) -> Iterator[Question | Failure]:
        """The rows at places."""
        if self._next is None or not 0 <= places.start - self._next <= _FAR:
            self._rows = self._job.read(range(places.start, self._job.asked.stop))
        answers = self._job.plan.answers_per_question
        self._next = places.stop
        for row in self._rows:
            if row.index // answers >= places.start:
                yield row
            if row.index + 1 == places.stop * answers:
                return


def log_to(say: Callable[[Message], None]) -> None:
    """Says from now on what this process logs, which is a worker's own."""
    logger = logging.getLogger("voicegen")
    logger.addHandler(_Saying(say))
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Saying(logging.Handler):
    def __init__(self, say: Callable[[Message], None]) -> None:
        super().__init__()
        self._tell = say

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(Logged(record.name, record.levelno, self.format(record)))
