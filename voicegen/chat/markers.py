"""Finds marker strings in a stream of text, even where a marker is split over pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """A marker of the chat format: a special token, or a marker string that was spelled out."""

    name: str


class MarkerScanner:
    """Splits streamed text into text and `Control`s, and holds back only what may yet become a marker."""

    def __init__(self, markers: Iterable[str]) -> None:
        self._markers = tuple(sorted(set(markers), key=len, reverse=True))
        self._held = ""

    def feed(self, text: str) -> Iterator[str | Control]:
        """Yields what `text` completes, in order."""
        self._held += text
        while (found := self._next_marker()) is not None:
            place, marker = found
            if place:
                yield self._held[:place]
            self._held = self._held[place + len(marker) :]
            yield Control(marker)
        keep = self._partial_length()
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        if ready:
            yield ready

    def flush(self) -> str:
        """What was held back for a marker that never came."""
        held, self._held = self._held, ""
        return held

    def _next_marker(self) -> tuple[int, str] | None:
        places = [(self._held.find(marker), -len(marker), marker) for marker in self._markers]
        found = [place for place in places if place[0] >= 0]
        if not found:
            return None
        place, _, marker = min(found)
        return place, marker

    def _partial_length(self) -> int:
        """Length of the longest end of the held text that starts a marker."""
        longest = max((len(marker) - 1 for marker in self._markers), default=0)
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(marker.startswith(self._held[-length:]) for marker in self._markers):
                return length
        return 0
