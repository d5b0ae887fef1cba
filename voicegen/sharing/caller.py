"""Who shares models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any


class Withdrawn(KeyboardInterrupt):
    """The caller wants nothing more. It ends a run as Ctrl-C does: what is finished is safe."""


class Caller:
    """Somebody who shares models, and may withdraw from all of them at once."""

    def __init__(self) -> None:
        self._withdrawn = threading.Event()
        self._wakes: list[Callable[[], None]] = []

    @property
    def has_withdrawn(self) -> bool:
        """Whether `withdraw` was called."""
        return self._withdrawn.is_set()

    def withdraw(self) -> None:
        """Ends what the caller waits for by `Withdrawn`; what a model has in hand of it is nobody's."""
        self._withdrawn.set()
        for wake in tuple(self._wakes):
            wake()

    @contextmanager
    def woken_by(self, wake: Callable[[], None]) -> Iterator[None]:
        """Has `wake` called when the caller withdraws, or at once where it has."""
        self._wakes.append(wake)
        if self.has_withdrawn:
            wake()
        try:
            yield
        finally:
            self._wakes.remove(wake)

    def wait(self, future: Future[Any]) -> None:
        """Returns when the future is done.

        Raises:
            Withdrawn: the caller has withdrawn before.
        """
        over = threading.Event()
        future.add_done_callback(lambda _done: over.set())
        with self.woken_by(over.set):
            over.wait()
        if self.has_withdrawn:
            raise Withdrawn
