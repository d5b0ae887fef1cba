"""Workers at one job: deals rows out to them, takes down what they did, and goes on without those that die.

The driver, which this is, holds no audio: a worker reads its rows from the input and writes its files to the store, and
its ledger lines to a file of its own. What comes back is rows as the ledger has them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from voicegen.errors import ModelError
from voicegen.executors.job import Job, Watch
from voicegen.executors.leases import Leases
from voicegen.executors.messages import (
    Begun,
    Broke,
    Ended,
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
from voicegen.pipeline.ledger import Entry
from voicegen.pipeline.stages import unasked
from voicegen.records import Failure, ModelInfo, Question

_TICK: Final = 0.5  # seconds after which somebody may have hung
_PATIENCE: Final = 60.0  # seconds that workers are given to end when they are asked to
_LOADING_DEATHS: Final = 3
"""So many workers in a row that died before their models were ready end the run."""
_DEATHS: Final = 20
"""So many deaths with no row finished between them end the run: it is no row's fault."""


class Crew(Protocol):
    """Workers by number, wherever they run."""

    def start(self, worker: int, name: str) -> None:
        """Starts a worker of a number that has none, under a name that none had before."""

    def send(self, worker: int, order: Order) -> None:
        """Hands a worker an order; one that has died takes none."""

    def hear(self, seconds: float) -> tuple[int, Message] | None:
        """What a worker says, in the order in which it does; None where none says anything for so long.

        `Ended` is the last that is heard of a worker, however it ended.
        """

    def kill(self, worker: int) -> None:
        """Ends a worker at once."""

    def interrupt(self) -> None:
        """Has all workers end as soon as the writes in flight are finished."""

    def close(self) -> None:
        """Ends those that are left at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is put up with.

    Attributes:
        row_timeout: seconds in which a worker is to get one of its rows a stage further.
        max_row_crashes: deaths of workers that had one row alone in hand, after which that row fails.
    """

    row_timeout: float
    max_row_crashes: int


@dataclass(slots=True)
class _State:
    """What is known of a worker that is there."""

    name: str
    ready: bool = False
    takes_more: bool = False
    waits: bool = False  # has rows that wait to be durable, and was not told to make them so
    heard: float = 0.0  # when, by the monotonic clock
    said: str | None = None  # why it ends


class Pool:
    """Has a job done by a crew.

    Args:
        crew: no worker of it is started yet.
        workers: how many, at the most.
        limits: what is put up with.
    """

    def __init__(self, crew: Crew, workers: int, limits: Limits) -> None:
        self._crew = crew
        self._workers = workers
        self._limits = limits

    def run(self, job: Job, watch: Watch) -> None:
        """Runs a job to its end; on an interruption or an error the writes in flight are finished first.

        Raises:
            VoicegenError: a model or the store cannot be used, or workers die whatever they are given.
        """
        work = _Work(job, watch, self._crew, min(self._workers, job.left), self._limits)
        try:
            work.do()
        except BaseException:
            self._crew.interrupt()
            with suppress(KeyboardInterrupt):  # once more: then nothing is waited for
                work.take_what_comes()
            raise
        finally:
            self._crew.close()
            if work.any_died:
                job.store.remove_torn()


class _Work:
    def __init__(self, job: Job, watch: Watch, crew: Crew, workers: int, limits: Limits) -> None:
        self._job = job
        self._watch = watch
        self._crew = crew
        self._limits = limits
        self._leases = Leases(job, workers, limits.max_row_crashes)
        self._workers = workers
        self._states: dict[int, _State] = {}
        self._starts = [0] * workers
        self._first = job.first
        self._awaited = {index for index in self._first if job.is_left(index)}
        self._undurable: dict[int, RowEnded] = {}  # first rows that others were told of
        self._models: dict[str, ModelInfo] = {}
        self._has_started = False
        self._loading_deaths = 0
        self._deaths = 0
        self._failed = 0
        self.any_died = False

    def do(self) -> None:
        for worker in range(self._workers):
            self._start(worker)
        while self._leases.left:
            self._hear()
            self._deal()
            self._kill_who_hangs()
        for worker, state in self._states.items():
            if state.ready:
                self._crew.send(worker, NoMore())
            else:
                self._crew.kill(worker)
        self.take_what_comes()

    def take_what_comes(self) -> None:
        """Takes down what workers still say that end, for as long as they may take to."""
        end = time.monotonic() + _PATIENCE
        while self._states and time.monotonic() < end:
            heard = self._crew.hear(_TICK)
            if heard is None:
                continue
            worker, message = heard
            if isinstance(message, Written):
                self._written(worker, message.entries)
            elif isinstance(message, Worked | Logged):
                self._note(message)
            elif isinstance(message, Ended):
                del self._states[worker]

    def _start(self, worker: int) -> None:
        self._starts[worker] += 1
        again = f"-{self._starts[worker]}" if self._starts[worker] > 1 else ""
        self._states[worker] = _State(f"worker{worker + 1}{again}")
        self._crew.start(worker, self._states[worker].name)
        for row in self._undurable.values():  # which its ledger does not have
            self._crew.send(worker, row)

    def _hear(self) -> None:
        heard = self._crew.hear(_TICK)
        if heard is None:
            return
        worker, message = heard
        state = self._states[worker]
        state.heard = time.monotonic()
        match message:
            case Loaded():
                self._models[message.stage] = message.model
                self._watch.loaded(message.stage, message.model)
            case Started():
                state.ready = state.takes_more = True
                self._loading_deaths = 0
                if not self._has_started:
                    self._has_started = True
                    self._watch.started()
            case Begun():
                state.takes_more = True
            case Made():
                self._made(worker, message.rows)
            case Written():
                self._written(worker, message.entries)
            case Refused():
                raise message.error
            case Broke():
                state.said = f"broke ({message.error})"
            case Ended():
                self._died(worker, state.said or message.how or "ended")
            case _:
                self._note(message)

    def _note(self, message: Worked | Logged) -> None:
        if isinstance(message, Worked):
            self._watch.worked(message.work)
        else:
            logging.getLogger(message.logger).log(message.level, "%s", message.text)

    def _deal(self) -> None:
        for worker, state in self._states.items():
            if state.takes_more and (lease := self._leases.deal(worker)) is not None:
                state.takes_more = False
                state.heard = max(state.heard, time.monotonic())
                self._crew.send(worker, lease)
            elif state.takes_more and state.waits and not self._leases.in_hand(worker):
                state.waits = False
                self._crew.send(worker, PutAway())

    def _made(self, worker: int, rows: Sequence[RowEnded]) -> None:
        """Takes down that rows wait in a worker to be durable: others go by them, and no death is their fault."""
        self._deaths = 0
        self._states[worker].waits = True
        self._leases.made(worker, [row.index for row in rows])
        for row in rows:
            if row.index in self._first:
                self._undurable[row.index] = row
            self._tell_others(worker, row.index, row)

    def _written(self, worker: int, entries: Sequence[Entry]) -> None:
        self._deaths = 0
        self._watch.written(entries)
        self._leases.finished(worker, [entry.row.index for entry in entries])
        for row in (entry.row for entry in entries):
            self._undurable.pop(row.index, None)
            self._tell_others(worker, row.index, RowEnded(row.index, row.said))

    def _tell_others(self, worker: int | None, index: int, ended: RowEnded) -> None:
        if index in self._awaited:
            self._awaited.discard(index)
            for other in self._states:
                if other != worker:
                    self._crew.send(other, ended)

    def _died(self, worker: int, how: str) -> None:
        state = self._states.pop(worker)
        if left := list(self._job.ledger.left_by(state.name)):
            self._written(worker, left)  # on record, and it did not live to say so
        count, doomed = self._leases.lost(worker)
        self.any_died = True
        self._deaths += 1
        if not state.ready:
            self._loading_deaths += 1
        if self._loading_deaths >= _LOADING_DEATHS or self._deaths >= _DEATHS:
            when = f"while {'loading' if self._loading_deaths >= _LOADING_DEATHS else 'no row was finished'}"
            raise ModelError(
                f"workers died {self._loading_deaths or self._deaths} times {when}, the last as it {how}: where memory "
                "ran out, take fewer executor.workers or a smaller model; logs/run.log has more"
            )
        called = f"worker {worker + 1} {how}"
        if doomed is not None:
            self._fail(doomed, how)
            self._watch.told(f"{called} once more with row {doomed} alone in hand: the row fails, and others go on")
        else:
            rows = "1 row" if count == 1 else f"{count} rows"
            again = " and they are made again" if count > 1 else " and it is made again" if count else ""
            self._watch.told(f"{called} with {rows} in hand: it is started again{again}")
        self._start(worker)

    def _fail(self, index: int, how: str) -> None:
        """Writes down that a row cannot be made."""
        place = index // self._job.plan.answers_per_question
        read = self._job.read(range(place, place + 1))
        row = next(row for row in read if row.index == index)
        failure = Failure(index, "worker", f"whoever made it {how}, {self._limits.max_row_crashes} times")
        outcome = unasked(row if isinstance(row, Question) else None, failure)
        self._failed += 1
        writer = self._job.writer(f"driver-{self._failed}", self._models.get("chat"), self._models["tts"])
        self._watch.written([*writer.write([outcome]), *writer.put_away()])
        writer.close()
        self._tell_others(None, index, RowEnded(index, outcome.said))

    def _kill_who_hangs(self) -> None:
        now = time.monotonic()
        for worker, state in self._states.items():
            in_hand = self._leases.in_hand(worker)
            if all(map(self._waits, in_hand)):
                state.heard = now
            elif now - state.heard > self._limits.row_timeout and state.said is None:
                state.said = f"did nothing for {now - state.heard:.0f} s and was stopped"
                self._crew.kill(worker)

    def _waits(self, index: int) -> bool:
        """Whether a row can't be spoken before other workers' have ended."""
        if not self._awaited or index in self._first:
            return False
        voices = set(self._job.plan.voices(index))
        return any(voices.intersection(self._first[first]) for first in self._awaited)
