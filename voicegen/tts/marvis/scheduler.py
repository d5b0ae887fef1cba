"""Continuous batching: orders go into free slots, finished takes come out, and a freed slot is refilled at once.

Knows nothing of text, voices or audio, and nothing of how a frame is made: it counts frames, decides who has ended and
who moves in. With a device that works ahead (`FrameRunner.lag`), flags are read one frame late; the frames that a freed
slot generates meanwhile belong to nobody and are dropped.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.records import FinishReason
from voicegen.tts.marvis.frame_runner import BROKEN, EOS, FrameRunner, PendingFrame
from voicegen.tts.marvis.prompts import Admission, Prompt

REPEATED_FRAMES = 25
"""Two seconds of one and the same frame: no speech sounds so."""
SILENT_FRAMES = 25
"""Two seconds of silence after all that the text can need."""


@dataclass(frozen=True, eq=False, slots=True)
class Order:
    """A take to make. `limit` is the frames it may have, `needed` the most that its text can need."""

    prompt: Prompt
    seed: tuple[int, int]
    limit: int
    needed: int
    tag: object = None  # the caller's own; handed back with the take


@dataclass(frozen=True, eq=False, slots=True)
class Take:
    """A finished order: codes (K, T) int64, without the EOS frame. `error` says why there is no take."""

    order: Order
    codes: NDArray[np.int64]
    finish_reason: FinishReason
    seconds: float = 0.0
    error: str | None = None


@dataclass(slots=True)
class Counts:
    """What the scheduler has done: `slot_frames` were computed, `frames` of them belong to takes."""

    steps: int = 0
    slot_frames: int = 0
    frames: int = 0

    @property
    def occupancy(self) -> float:
        """Share of the computed frames that belong to takes."""
        return self.frames / self.slot_frames if self.slot_frames else 0.0


class Scheduler:
    """Runs orders through the slots of one `FrameRunner`."""

    def __init__(self, runner: FrameRunner, silence: NDArray[np.bool_] | None = None) -> None:
        """`silence` (V,) says which codes of codebook 0 are silence; None leaves that rule out."""
        slots, books = runner.state.slots, runner.state.codebooks
        self.counts = Counts()
        runner.state.claim(self)
        self._runner = runner
        self._silence = silence
        self._rungs = runner.sizes
        self._orders: list[Order | None] = [None] * slots
        self._arrivals = np.zeros(slots, np.int64)
        self._since = np.zeros(slots, np.int64)  # the first step whose frame is the order's
        self._length = np.zeros(slots, np.int64)
        self._needed = np.zeros(slots, np.int64)
        self._repeats = np.zeros(slots, np.int64)
        self._silent = np.zeros(slots, np.int64)
        self._seconds = np.zeros(slots)
        self._busy = np.zeros(slots, np.bool_)
        self._codes = np.zeros((slots, 64, books), np.int32)
        self._pending: deque[tuple[int, int, PendingFrame]] = deque()
        self._admissions: list[Admission] = []
        self._arrived = 0
        self._exhausted = False
        self._clock = time.perf_counter()

    def run(self, orders: Iterator[Order | None]) -> Iterator[Take | None]:
        """Yields takes as they end, and None whenever it has nothing in hand and its source has nothing ready."""
        while True:
            takes = self.advance(orders)
            yield from takes
            if not takes and not self._busy.any():
                if self._exhausted:
                    return
                yield None

    def advance(self, orders: Iterator[Order | None]) -> list[Take]:
        """Takes orders into free slots and makes one frame of all in hand; the takes that have ended."""
        due = not self._busy.any() or self.counts.steps % self._runner.refill_every == 0
        waiting = due and self._fill(orders)
        if not self._busy.any():
            self._pending.clear()
            return []
        return self._step(may_shrink=waiting)

    def in_hand(self) -> dict[Order, NDArray[np.int32]]:
        """The codes (K, t) that there are of each order in hand, as they lie."""
        lengths = self._length.tolist()
        return {
            order: self._codes[slot, : lengths[slot]].T for slot, order in enumerate(self._orders) if order is not None
        }

    def drop(self, order: Order) -> None:
        """Gives up an order, if it is in hand."""
        if order in self._orders:
            slot = self._orders.index(order)
            self._busy[slot] = False
            self._orders[slot] = None
            self._admissions = [item for item in self._admissions if item.slot != slot]
            self._runner.state.idle([slot])

    def unfinished(self) -> list[Order]:
        """The orders in hand, in order of arrival; they would start anew."""
        slots = sorted(np.flatnonzero(self._busy), key=lambda slot: self._arrivals[slot])
        return [order for slot in slots if (order := self._orders[slot]) is not None]

    def _fill(self, orders: Iterator[Order | None]) -> bool:
        """Takes orders into free slots, lowest first; True if slots stay free because no order is ready."""
        for slot in np.flatnonzero(~self._busy):
            order = None if self._exhausted else next(orders, _END)
            if order is _END:
                self._exhausted = True
            if not isinstance(order, Order):
                return True
            self._place(int(slot), order)
        return False

    def _place(self, slot: int, order: Order) -> None:
        self._orders[slot] = order
        self._busy[slot] = True
        self._arrivals[slot] = self._arrived
        self._arrived += 1
        self._since[slot] = self.counts.steps
        self._needed[slot] = order.needed
        for counter in (self._length, self._repeats, self._silent, self._seconds):
            counter[slot] = 0
        self._admissions.append(Admission(slot, order.prompt, order.limit, order.seed))

    def _step(self, *, may_shrink: bool) -> list[Take]:
        """Launches one frame and reads the one that is due; the takes that ended with it."""
        if self._runner.state.user is not self:
            raise ModelError("another call of the engine took over its slots: finish one before the next")
        if self._admissions:
            self._runner.admit(self._admissions)
            self._admissions = []
        finished = self._shrink() if may_shrink else []
        if self._busy.any():
            slots = self._rung(int(np.flatnonzero(self._busy)[-1]) + 1)
            self._pending.append((self.counts.steps, slots, self._runner.launch(slots)))
            self.counts.steps += 1
            self.counts.slot_frames += slots
        while len(self._pending) > self._runner.lag:
            finished += self._read()
        return finished

    def _rung(self, slots: int) -> int:
        return next(rung for rung in self._rungs if rung >= slots)

    def _shrink(self) -> list[Take]:
        """Moves the last takes of a thinning batch together, when a smaller batch then holds them all."""
        busy = np.flatnonzero(self._busy)
        if not len(busy) or self._rung(len(busy)) >= self._rung(int(busy[-1]) + 1):
            return []
        finished: list[Take] = []
        while self._pending:  # what is under way was launched for the old places
            finished += self._read()
        busy = np.flatnonzero(self._busy)
        target = np.flatnonzero(~self._busy[: len(busy)])
        source = busy[len(busy) - len(target) :]
        if len(target):
            self._move(source, target)
        return finished

    def _move(self, source: NDArray[np.intp], target: NDArray[np.intp]) -> None:
        self._runner.state.move(source.tolist(), target.tolist())
        per_slot = (self._arrivals, self._since, self._length, self._needed, self._repeats, self._silent)
        for values in (*per_slot, self._seconds, self._busy, self._codes):
            values[target] = values[source]
        for old, new in zip(source, target, strict=True):
            self._orders[new], self._orders[old] = self._orders[old], None
        self._busy[source] = False

    def _read(self) -> list[Take]:
        """Waits for the oldest frame under way and counts it."""
        step, slots, pending = self._pending.popleft()
        output = pending.wait()
        now = time.perf_counter()
        elapsed, self._clock = now - self._clock, now
        live = np.flatnonzero(self._busy[:slots] & (self._since[:slots] <= step))
        if not len(live):
            return []
        self._seconds[live] += min(elapsed, 1.0) / len(live)
        flags = output[live, -1]
        spoken = live[flags & (EOS | BROKEN) == 0]
        runaway = self._append(spoken, output[spoken, :-1])
        ended = [self._end(int(slot), int(flag)) for slot, flag in zip(live, flags, strict=True) if flag]
        return ended + [self._end(int(slot), 0) for slot in runaway if self._busy[slot]]

    def _append(self, rows: NDArray[np.intp], codes: NDArray[np.int32]) -> NDArray[np.intp]:
        """Adds a frame to each row; returns the rows that have run away."""
        self.counts.frames += len(rows)
        place = self._length[rows]
        if len(rows) and place.max() >= self._codes.shape[1]:
            self._codes = np.concatenate([self._codes, np.zeros_like(self._codes)], axis=1)
        self._codes[rows, place] = codes
        same = (codes == self._codes[rows, place - 1]).all(axis=1) & (place > 0)
        self._repeats[rows] = np.where(same, self._repeats[rows] + 1, 0)
        self._length[rows] += 1
        over = self._repeats[rows] + 1 >= REPEATED_FRAMES
        if self._silence is not None:
            self._silent[rows] = np.where(self._silence[codes[:, 0]], self._silent[rows] + 1, 0)
            over |= (self._silent[rows] >= SILENT_FRAMES) & (self._length[rows] > self._needed[rows])
        return rows[over]

    def _end(self, slot: int, flags: int) -> Take:
        order = self._orders[slot]
        assert order is not None  # a busy slot has an order
        length = int(self._length[slot])
        error = f"the model gave no finite logits at frame {length}" if flags & BROKEN else None
        reason: FinishReason = "stop" if flags & EOS else "length" if flags else "runaway"
        self._busy[slot] = False
        self._orders[slot] = None
        if error:
            self._runner.state.clear(slot)
        elif not flags:  # the device does not know that this take has ended
            self._runner.state.idle([slot])
        codes = self._codes[slot, :length].T.astype(np.int64)
        return Take(order, codes, reason, float(self._seconds[slot]), error)


class _End:
    """Marks the end of the orders."""


_END = _End()
