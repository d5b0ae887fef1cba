"""A chat server for a run with a fault: it answers each request alike, but for those that have the fault."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from tests.faults.plan import KINDS, Fault
from tests.openai_server import Behaviour, Exchange, echoes, fails, hangs_up, writes

WORDS: Final = ("chat=openai", "chat.model=m", "chat.api_key_env=null", "chat.concurrency=4")
PATIENCE: Final = ("chat.timeout=2", "chat.retries=1")
_GARBAGE: Final = ("<html>it works</html>", '{"choices": []}', '{"choices": [{"message": nul', "\x00\xff", "")


class FaultyChat:
    """How the server answers; several requests may come at once.

    Attributes:
        requests: how many came since the fault was planted.
        struck: whether one of them had it.
    """

    def __init__(self) -> None:
        self._counting = threading.Lock()
        self._over = threading.Event()
        self.plant(None)

    def plant(self, fault: Fault | None) -> None:
        """From now on requests are counted anew, and have this fault; who waited for an answer is let go."""
        with self._counting:
            self._over.set()
            self._over = threading.Event()
            self._fault, self.requests, self.struck = fault, 0, False

    def __call__(self, exchange: Exchange) -> None:
        """Answers a request."""
        with self._counting:
            self.requests += 1
            fault, number, over = self._fault, self.requests, self._over
            lasts = fault is not None and KINDS[fault.kind].lasts
            struck = fault is not None and (number == fault.at or (lasts and number > fault.at))
            self.struck |= struck
        answers = self._wrong_answers(number, over)[fault.kind] if fault is not None and struck else echoes
        answers(exchange)

    def _wrong_answers(self, number: int, over: threading.Event) -> Mapping[str, Behaviour]:
        def silent(_: Exchange) -> None:
            over.wait()

        return {
            "server busy": fails(429, "slow down", Retry_After="0.1"),
            "server error": fails(500),
            "server garbage": writes(_GARBAGE[number % len(_GARBAGE)]),
            "server half": hangs_up,
            "server silent": silent,
            "server down": fails(500),
            "server gone": silent,
        }
