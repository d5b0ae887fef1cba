"""A chat server for a run with a fault: it answers each request alike, but for those that have the fault."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from tests.faults.plan import REQUEST
from tests.faults.planted_requests import PlantedRequests
from tests.openai_server import Behaviour, Exchange, echoes, fails, hangs_up, writes

WORDS: Final = ("chat=openai", "chat.model=m", "chat.api_key_env=null", "chat.concurrency=4")
PATIENCE: Final = ("chat.timeout=2", "chat.retries=1")
_GARBAGE: Final = ("<html>it works</html>", '{"choices": []}', '{"choices": [{"message": nul', "\x00\xff", "")


class FaultyChat(PlantedRequests):
    """How the server answers."""

    def __call__(self, exchange: Exchange) -> None:
        """Answers a request."""
        kind, number, over = self.had_by_next(REQUEST)
        answers = echoes if kind is None else self._wrong_answers(number, over)[kind]
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
