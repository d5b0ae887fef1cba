"""Finds marker strings in a stream of text, even where a marker is split over pieces."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Control:
    """A marker of the chat format: a special token, or a marker string that was spelled out, as `spelled`."""

    name: str
    spelled: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """What was written."""
        return self.spelled or self.name


class MarkerScanner:
    """Splits streamed text into text and `Control`s, and holds back only what may yet become a marker."""

    def __init__(self, markers: Iterable[str], tags: Iterable[str] = ()) -> None:
        """`markers` are found as they are; `tags` in upper and lower case, and with blanks before their last sign."""
        self._markers = [(marker, False) for marker in markers] + [(tag, True) for tag in tags]
        self._firsts = frozenset(marker[0] for marker, _ in self._markers)
        self._held = ""

    def feed(self, text: str) -> Iterator[str | Control]:
        """Yields what `text` completes, in order."""
        self._held += text
        place = 0
        while place < len(self._held):
            marker, end = self._marker_at(place) if self._held[place] in self._firsts else ("", place)
            if end > len(self._held):
                break
            if marker:
                if place:
                    yield self._held[:place]
                spelled, self._held, place = self._held[place:end], self._held[end:], 0
                yield Control(marker, spelled)
            else:
                place += 1
        ready, self._held = self._held[:place], self._held[place:]
        if ready:
            yield ready

    def keep(self, markers: Container[str]) -> None:
        """Finds only these of its markers from here on."""
        self._markers = [(marker, loose) for marker, loose in self._markers if marker in markers]

    def flush(self) -> str:
        """What was held back for a marker that never came."""
        held, self._held = self._held, ""
        return held

    def _marker_at(self, place: int) -> tuple[str, int]:
        """The longest marker at `place` and where it ends, which is past the text where one is still to be completed.

        Without a marker there: an empty name.
        """
        ends = [(_end(marker, self._held, place, loose), marker) for marker, loose in self._markers]
        whole = [(end, marker) for end, marker in ends if place < end <= len(self._held)]
        end, marker = max(whole or ends)
        return (marker, end) if end > place else ("", place)


def _end(marker: str, text: str, place: int, loose: bool) -> int:
    """Where `marker` ends in `text`: past the text where it may yet be completed, at `place` where it is not there."""
    end = place
    for sign in marker[:-1]:
        if end == len(text):
            return end + 1
        if text[end] != sign and not (loose and text[end].lower() == sign.lower()):
            return place
        end += 1
    while loose and text[end : end + 1] in (" ", "\t"):
        end += 1
    return end + 1 if text[end : end + 1] in ("", marker[-1]) else place
