"""Which of the requests to a server have a fault."""

from __future__ import annotations

import threading
from collections import Counter

from tests.faults.plan import KINDS, Fault


class PlantedRequests:
    """A fault among the requests to a server, of which several may come at once.

    Attributes:
        requests: how many came of each call since the fault was planted.
        struck: whether one of them had it.
    """

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._over = threading.Event()
        self.plant(None)

    def plant(self, fault: Fault | None) -> None:
        """From now on requests are counted anew, and have this fault; who waits for an answer is let go."""
        with self._counting:
            self._over.set()
            self._over = threading.Event()
            self._fault, self.requests, self.struck = fault, Counter[str](), False

    def had_by_next(self, call: str) -> tuple[str | None, int, threading.Event]:
        """The kind of fault that the next request of a call has, if any; its number; and what ends when others do."""
        with self._counting:
            self.requests[call] += 1
            fault, number = self._fault, self.requests[call]
            if fault is None or fault.call != call:
                return None, number, self._over
            has = number == fault.at or (KINDS[fault.kind].lasts and number > fault.at)
            self.struck |= has
            return fault.kind if has else None, number, self._over
