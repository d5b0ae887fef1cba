"""A bounded queue between two stages that can also end, and can be given up from either side."""

from __future__ import annotations

import threading
from collections import deque
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
        """Waits for an item and takes it with what lies behind it, `most` in all.

        Raises:
            Ended: the channel was closed and is empty.
            Abandoned: the channel was given up.
        """
        first = self.get()
        assert first is not None
        batch = [first]
        with self._changed:
            while self._items and len(batch) < most:
                batch.append(self._items.popleft())
            self._changed.notify_all()
        return batch

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
