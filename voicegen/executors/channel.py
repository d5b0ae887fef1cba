"""Bounded queues between two stages that can also end, and can be given up from either side.

A `Round` is one whose items may come back to it, and some of which may have to wait for others to end.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Abandoned(Exception):
    """The other side has stopped: there is nobody to put for, or to get from."""


class Ended(Exception):
    """Everything that was put has been taken, and no more will come."""


class Channel(Generic[Item]):
    """Hands items from one thread to another, `size` of them at most in between."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._abandoned = False
        self._nudged = False

    def put(self, item: Item) -> None:
        """Adds an item, waiting for room.

        Raises:
            Abandoned: the channel was given up.
        """
        with self._changed:
            while len(self._items) >= self._size and not self._abandoned:
                self._changed.wait()
            if self._abandoned:
                raise Abandoned
            self._items.append(item)
            self._changed.notify_all()

    def get(self, *, wait: bool = True) -> Item | None:
        """Takes the oldest item; with `wait=False`, None when there is none at the moment.

        Raises:
            Ended: the channel was closed and is empty.
            Abandoned: the channel was given up.
        """
        with self._changed:
            while not self._items:
                if self._abandoned:
                    raise Abandoned
                if self._closed:
                    raise Ended
                if not wait:
                    return None
                self._changed.wait()
            if self._abandoned:
                raise Abandoned
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def get_batch(self, most: int) -> list[Item]:
        """Waits for an item and takes it with what lies behind it, `most` in all; none once it is nudged.

        Raises:
            Ended: the channel was closed and is empty.
            Abandoned: the channel was given up.
        """
        with self._changed:
            while not (self._items or self._nudged or self._closed or self._abandoned):
                self._changed.wait()
            if self._nudged and not self._items:
                self._nudged = False
                return []
            first = self.get()
            assert first is not None
            batch = [first]
            while self._items and len(batch) < most:
                batch.append(self._items.popleft())
            self._changed.notify_all()
        return batch

    def nudge(self) -> None:
        """Has who waits for a batch go on with none, once all that is inside is taken."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def close(self) -> None:
        """Says that no more will be put; what is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Gives the channel up: what is inside is lost, and both sides are told by `Abandoned`."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()


class Round(Channel[Item]):
    """A channel whose items may be put back by who comes after: it ends when it is closed and each is done with."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._on_their_way = 0  # put, and not done with
        self._no_more = False
        self._behind: defaultdict[Hashable, deque[Item]] = defaultdict(deque)  # by the gate that they wait behind
        self._open: set[Hashable] = set()

    def put(self, item: Item) -> None:
        """Adds a new item, waiting for room.

        Raises:
            Abandoned: the channel was given up.
        """
        with self._changed:
            super().put(item)
            self._on_their_way += 1

    def put_back(self, item: Item) -> None:
        """Adds an item once more, before all others and without waiting, whether there is room or not.

        Raises:
            Abandoned: the channel was given up.
        """
        with self._changed:
            if self._abandoned:
                raise Abandoned
            self._items.appendleft(item)
            self._changed.notify_all()

    def put_behind(self, gate: Hashable, item: Item, *, wait: bool) -> None:
        """Adds a new item that nobody gets before the gate is opened.

        With `wait`, waits while as many are behind it as the channel's size: whoever opens it must then not need the
        one who puts.

        Raises:
            Abandoned: the channel was given up.
        """
        with self._changed:
            while wait and len(self._behind[gate]) >= self._size and not self._abandoned:
                self._changed.wait()
            if self._abandoned:
                raise Abandoned
            self._on_their_way += 1
            (self._items if gate in self._open else self._behind[gate]).append(item)
            self._changed.notify_all()

    def open(self, gate: Hashable) -> None:
        """Lets in what waits behind the gate, whether there is room or not, and what may still be put there."""
        with self._changed:
            self._open.add(gate)
            self._items.extend(self._behind.pop(gate, ()))
            self._changed.notify_all()

    def done(self) -> None:
        """Says that an item will not come back."""
        with self._changed:
            self._on_their_way -= 1
            self._end()

    def close(self) -> None:
        """Says that no new item will be put; those on their way may still come back."""
        with self._changed:
            self._no_more = True
            self._end()

    def _end(self) -> None:
        if self._no_more and not self._on_their_way:
            super().close()
