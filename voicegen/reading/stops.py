"""Strings that end an answer, found in it as it comes, also where one is split over pieces."""

from __future__ import annotations

from collections.abc import Sequence


class StopFinder:
    """Passes an answer on up to the first of `strings` in it, and holds back only what may yet become one.

    The first is the one that is whole first, whatever the pieces: what follows has no part in the answer.
    """

    def __init__(self, strings: Sequence[str] = ()) -> None:
        self._strings = tuple(strings)
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """The part of the answer that `text` completes; nothing once a string was found."""
        if self.found or not self._strings:
            return "" if self.found else text
        self._held += text
        ends = [(place + len(string), place) for string in self._strings if (place := self._held.find(string)) >= 0]
        if ends:
            self.found = True
            return self._take(min(ends)[1])
        return self._take(len(self._held) - max(map(self._begun, self._strings)))

    def flush(self) -> str:
        """The answer is over: what was held back for a string that never came."""
        return "" if self.found else self._take(len(self._held))

    def _take(self, end: int) -> str:
        taken, self._held = self._held[:end], self._held[end:]
        return taken

    def _begun(self, string: str) -> int:
        """How many signs of `string` stand at the end of what is held."""
        longest = min(len(string) - 1, len(self._held))
        return next((size for size in range(longest, 0, -1) if self._held.endswith(string[:size])), 0)


def before_stop(text: str, strings: Sequence[str]) -> tuple[str, bool]:
    """A whole answer up to the first of `strings` in it, and whether there is one."""
    stops = StopFinder(strings)
    return stops.feed(text) + stops.flush(), stops.found
