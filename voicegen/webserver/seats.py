"""How many clients are served at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voicegen.webserver.refusals import Refusal


class Seats:
    """Places for clients; whoever finds none is told to come again. Used on one event loop."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place, for as long as this lasts.

        Raises:
            Refusal: all are taken.
        """
        if self._taken >= self._count:
            raise Refusal(
                f"{self._count} clients are being served, which is all there is room for: try again soon", 429
            )
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
