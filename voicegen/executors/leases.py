"""Deals a job's rows out to workers, takes back what a dead one had, and finds the row that kills whoever makes it.

Rows are dealt in order, so that the first ones of a voice are in hand before those that wait for them. The rows that a
worker had in hand when it died are suspects, in halves: each half is given to a worker with nothing else in hand, and
one half at a time. So innocent rows come through together, and a culprit is found in a few deaths, alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby

from voicegen.executors.job import Job

MOST = 32
"""Rows that are dealt together, at the most, but for those of one conversation."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Rows for one worker to make.

    Attributes:
        rows: in order.
        start: the place in the input to read from; before the first row where turns of its conversation are.
        earlier: the answers to those turns, by row; None to one that failed.
    """

    rows: Sequence[int]
    start: int
    earlier: Mapping[int, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that stay together: unfinished turns of a conversation, which begins at `start`; or one row."""

    start: int
    rows: Sequence[int]


class Leases:
    """The rows that are left of a job, and who has which.

    Args:
        job: its ledger is told of finished rows before this is.
        workers: among whom they are dealt.
        max_row_crashes: after so many deaths of workers that had nothing else in hand, a row is not dealt again.
    """

    def __init__(self, job: Job, workers: int, max_row_crashes: int) -> None:
        self._job = job
        self._workers = workers
        self._max_row_crashes = max_row_crashes
        self.left = job.left
        self._groups = _conversations(job) if job.has_conversations else _single(job)
        self._in_hand: dict[int, dict[int, int]] = {}  # by worker: rows, and where to read from for each
        self._made: defaultdict[int, dict[int, int]] = defaultdict(dict)  # likewise, those that wait to be durable
        self._suspects: deque[_Group] = deque()
        self._under_suspicion: int | None = None  # the worker that has suspects
        self._crashes: Counter[int] = Counter()

    def in_hand(self, worker: int) -> Collection[int]:
        """The rows that a worker has, but for those that wait to be durable."""
        return self._in_hand.get(worker, {}).keys()

    def deal(self, worker: int) -> Lease | None:
        """More rows for a worker; None where there are none for it now."""
        in_hand = self._in_hand.setdefault(worker, {})
        if self._under_suspicion == worker:
            return None
        if self._suspects and self._under_suspicion is None and not in_hand and not self._made[worker]:
            self._under_suspicion = worker
            groups = [self._suspects.popleft()]
        else:
            groups = self._next_groups()
        if not groups:
            return None
        in_hand.update({index: group.start for group in groups for index in group.rows})
        rows = [index for group in groups for index in group.rows]
        return Lease(rows, groups[0].start, self._earlier(groups[0].start, rows))

    def made(self, worker: int, rows: Collection[int]) -> None:
        """Takes down that rows wait in a worker to be durable."""
        self._made[worker].update({index: self._in_hand[worker].pop(index) for index in rows})

    def finished(self, worker: int, rows: Collection[int]) -> None:
        """Takes down that a worker finished rows."""
        self.left -= len(rows)
        for index in rows:
            if self._made[worker].pop(index, None) is None:
                del self._in_hand[worker][index]
            self._crashes.pop(index, None)
        self._end_suspicion(worker)

    def lost(self, worker: int) -> tuple[int, int | None]:
        """Takes back what a worker had that died.

        Returns:
            How many rows that were, and the one of them that is not to be made, as it killed whoever made it.
        """
        made, had = self._made.pop(worker, {}), self._in_hand.pop(worker, {})
        if self._job.has_conversations:  # a turn may be in hand whose earlier ones are lost with it
            made, had = {}, {**made, **had}
        again = [_Group(start, [index]) for index, start in sorted(made.items())]
        self._groups = chain(again, self._groups)
        in_hand = sorted(had.items())
        self._end_suspicion(worker)
        if len(in_hand) == 1:
            index, start = in_hand[0]
            self._crashes[index] += 1
            if self._crashes[index] >= self._max_row_crashes:
                self.left -= 1
                return 1, index
            self._suspects.appendleft(_Group(start, [index]))
        elif in_hand:
            middle = len(in_hand) // 2
            halves = (in_hand[:middle], in_hand[middle:])
            self._suspects.extendleft(_Group(half[0][1], [index for index, _ in half]) for half in reversed(halves))
        return len(made) + len(in_hand), None

    def _end_suspicion(self, worker: int) -> None:
        if self._under_suspicion == worker and not (self._in_hand.get(worker) or self._made.get(worker)):
            self._under_suspicion = None

    def _next_groups(self) -> list[_Group]:
        """Fewer towards the end, so that the workers end together."""
        most = max(1, min(MOST, self.left // (4 * self._workers)))
        groups: list[_Group] = []
        count = 0
        while count < most and (group := next(self._groups, None)) is not None:
            groups.append(group)
            count += len(group.rows)
        return sorted(groups, key=lambda group: group.rows[0])  # those of several dead workers come behind one another

    def _earlier(self, start: int, rows: Sequence[int]) -> dict[int, str | None]:
        if not self._job.has_conversations:
            return {}
        ours = set(rows)
        finished = self._job.ledger.get(index for index in range(start, rows[-1]) if index not in ours)
        return {index: row.answer for index, row in finished.items()}


def _single(job: Job) -> Iterator[_Group]:
    answers = job.plan.answers_per_question
    return (_Group(index // answers, [index]) for index in job.unfinished())


def _conversations(job: Job) -> Iterator[_Group]:
    """Each conversation that is not finished; it has one row a question."""
    read = job.read(range(job.asked.start, job.asked.stop))
    for _, turns in groupby(read, key=lambda row: row.index if row.conversation_id is None else row.conversation_id):
        rows = [row.index for row in turns]
        if left := [index for index in rows if job.ledger.status(index) is None]:
            yield _Group(rows[0], left)
