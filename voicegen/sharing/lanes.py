"""How what many callers have for one model becomes one batch: a lane for each, from which it is taken in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, Generic, TypeVar

from voicegen.errors import ModelError
from voicegen.protocols import ReplyPart
from voicegen.records import Answer, Failure
from voicegen.sharing.caller import Caller, Withdrawn
from voicegen.sharing.thread import ModelThread

M = TypeVar("M")

AT_ONCE: Final = 32
"""What of one caller a model has in hand, at the most: less than a batch, so that others find room in it."""

_POLL: Final = 0.05  # seconds between looks at a source that has nothing ready

Work = Callable[[M, Iterator[Any], Callable[[int], bool]], Iterator[Any]]
"""Has a model do what a source gives, `None` where nothing is ready, for as long as the index of that is wanted."""


@dataclass(eq=False, slots=True)
class _Lane:
    """What one call of a model has for it, and what has come of it."""

    caller: Caller
    queued: deque[Any] = field(default_factory=deque)
    made: deque[Any] = field(default_factory=deque)
    error: BaseException | None = None
    is_left: bool = False

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for what comes of it."""
        return not (self.is_left or self.caller.has_withdrawn)


class Lanes(Generic[M]):
    """A model on a thread of its own, and the lanes that lead to it.

    Args:
        make: makes the model, on its thread; begun at once.
        name: of the thread.
        work: has the model do what is asked; its records have the `index` of what they are of.
        at_once: what of one caller the model has in hand, at the most.
    """

    def __init__(self, make: Callable[[], M], name: str, work: Work[M], at_once: int = AT_ONCE) -> None:
        self.thread = ModelThread(make, name)
        self._work: Work[M] = work
        self._at_once = at_once
        self._changed = threading.Condition()
        self._lanes: deque[_Lane] = deque()  # those with something queued; the next one's turn is first
        self._in_hand: dict[int, tuple[_Lane, int]] = {}  # by our number: whose it is, and its own index
        self._numbers = count()
        self._records: Iterator[Any] | None = None  # of the batch under way; touched on the model's thread alone
        self._is_due = False  # whether the thread is to take a step of it
        self._closed = False

    @property
    def model(self) -> M:
        """The model, once it is made; to be looked at, and worked with by `work` alone.

        Raises:
            VoicegenError: it cannot be made.
        """
        return self.thread.model

    def records(self, caller: Caller, source: Iterator[Any]) -> Generator[Any, None, None]:
        """What comes of a caller's items, in completion order; pulled on the caller's thread.

        What is in hand of it when it is closed leaves the batch, where the model lets it.

        Raises:
            Withdrawn: the caller has withdrawn, or the lanes are closed.
            VoicegenError: the model cannot be made, or fails whatever it is given.
        """
        _ = self.model
        lane = _Lane(caller)
        try:
            with caller.woken_by(self._wake):
                yield from self._through(lane, source)
        finally:
            with self._changed:
                lane.is_left = True
                lane.queued.clear()

    def close(self) -> None:
        """Lets go of the model after the step under way; whoever waits for more has `Withdrawn`."""
        with self._changed:
            was_closed, self._closed = self._closed, True
            self._changed.notify_all()
        if not was_closed:
            self.thread.submit(self._end).result()
        self.thread.close()

    def _through(self, lane: _Lane, source: Iterator[Any]) -> Iterator[Any]:
        waiting, is_open = 0, True
        while is_open or waiting:
            while is_open and waiting < self._at_once:
                try:
                    item = next(source)
                except StopIteration:
                    is_open = False
                    break
                if item is not None:
                    self._put(lane, item)
                    waiting += 1
                elif waiting:
                    break
            if waiting:
                for made in self._taken(lane, _POLL if is_open and waiting < self._at_once else None):
                    waiting -= _is_last(made)
                    yield made

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _put(self, lane: _Lane, item: Any) -> None:
        with self._changed:
            lane.queued.append(item)
            if lane not in self._lanes:
                self._lanes.append(lane)
            self._have_stepped()

    def _have_stepped(self) -> None:
        """Has the thread take a step, among what else it has to do; called under the lock."""
        if not (self._is_due or self._closed):
            self._is_due = True
            self.thread.submit(self._step)

    def _taken(self, lane: _Lane, timeout: float | None) -> list[Any]:
        """All that is there, after a wait for the first of it."""

        def is_over() -> bool:
            return bool(lane.made or lane.error or self._closed or lane.caller.has_withdrawn)

        with self._changed:
            self._changed.wait_for(is_over, timeout)
            if lane.caller.has_withdrawn or (self._closed and not lane.made):
                raise Withdrawn
            if lane.error is not None and not lane.made:
                raise lane.error
            made = list(lane.made)
            lane.made.clear()
        return made

    def _step(self) -> None:
        """The next record of the batch under way, or of a new one; on the model's thread."""
        with self._changed:
            self._is_due = False
        try:
            if self._records is None:
                self._records = self._work(self.model, self._source(), self._is_wanted)
            self._deliver(next(self._records))
        except StopIteration:  # the model is at rest
            self._records = None
            self._fail(ModelError("the model gave no record of this"))  # of what is in hand: nothing, by protocol
        except BaseException as error:  # raised where its records are waited for; others may have better luck
            self._records = None
            self._fail(error)
        with self._changed:
            if self._records is not None or self._lanes:
                self._have_stepped()

    def _end(self) -> None:
        if (close := getattr(self._records, "close", None)) is not None:
            close()
        self._records = None

    def _source(self) -> Iterator[Any]:
        """What the model pulls; ends when nothing is queued and nothing in hand, and the model is at rest."""
        while True:
            item = self._next()
            if item is None and not self._in_hand:
                return
            yield item

    def _next(self) -> Any:
        """The next item of the lane whose turn it is, under a number of ours."""
        with self._changed:
            while self._lanes and not self._closed:
                lane = self._lanes.popleft()
                if not (lane.queued and lane.is_wanted):
                    continue
                item = lane.queued.popleft()
                if lane.queued:
                    self._lanes.append(lane)
                number = next(self._numbers)
                self._in_hand[number] = lane, item.index
                return replace(item, index=number)
        return None

    def _is_wanted(self, number: int) -> bool:
        """Whether anybody waits for what has this number of ours; if not, nothing more is told of it."""
        with self._changed:
            lane, _ = self._in_hand[number]
            if not lane.is_wanted:
                del self._in_hand[number]
            return lane.is_wanted

    def _deliver(self, made: Any) -> None:
        with self._changed:
            number = _index_of(made)
            lane, index = self._in_hand.pop(number) if _is_last(made) else self._in_hand[number]
            lane.made.append(_at(made, index))
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        """Ends the lanes whose items were in hand."""
        with self._changed:
            for lane, _ in self._in_hand.values():
                lane.error = error
            self._in_hand.clear()
            self._changed.notify_all()


def _is_last(made: Any) -> bool:
    """Whether nothing more comes of the same item."""
    return not isinstance(made, ReplyPart) or made.is_last


def _index_of(made: Any) -> int:
    if isinstance(made, Failure | ReplyPart):
        return made.index
    return int((made.question if isinstance(made, Answer) else made.utterance).index)


def _at(made: Any, index: int) -> Any:
    """The record of the item under the index that its caller knows it by."""
    if isinstance(made, Failure | ReplyPart):
        return replace(made, index=index)
    if isinstance(made, Answer):
        return replace(made, question=replace(made.question, index=index))
    return replace(made, utterance=replace(made.utterance, index=index))
