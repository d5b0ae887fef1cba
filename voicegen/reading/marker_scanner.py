"""Finds marker strings in a stream of text, even where a marker is split over pieces."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

_BLANKS: Final = " \t"


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
        self._wanted = _wanted(frozenset(markers), frozenset(tags))
        self._held = ""

    def feed(self, text: str) -> Iterator[str | Control]:
        """Yields what `text` completes, in order."""
        text, self._held = self._held + text, ""
        place = 0
        while True:
            unsure = self._wanted.unsure_from(text, place)
            found = self._wanted.whole.search(text, place)
            end = found.start() if found and found.start() <= unsure else unsure
            if end > place:
                yield text[place:end]
            if found is None or found.start() > unsure:
                break
            place = found.end()
            yield self._wanted.control(found[0])
        self._held = text[unsure:]

    def holds_one(self, text: str) -> bool:
        """Whether there is a marker in `text`, which is not fed."""
        return self._wanted.whole.search(text) is not None

    def keep(self, markers: Container[str]) -> None:
        """Finds only these of its markers from here on."""
        exact, tags = ((word for word in words if word in markers) for words in (self._wanted.exact, self._wanted.tags))
        self._wanted = _wanted(frozenset(exact), frozenset(tags))

    def flush(self) -> str:
        """What was held back for a marker that never came."""
        held, self._held = self._held, ""
        return held


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The markers of a scanner, `tags` by their spelling in small letters; `whole` matches any of them."""

    exact: frozenset[str]
    tags: Mapping[str, str]
    whole: re.Pattern[str]
    by_first: Mapping[str, Sequence[tuple[str, bool]]]  # the markers by their first sign; whether one is a tag
    longest: int

    def control(self, spelled: str) -> Control:
        """The marker that is spelled so."""
        if spelled in self.exact:
            return Control(spelled, spelled)
        return Control(self.tags[spelled[:-1].rstrip(_BLANKS).lower() + spelled[-1].lower()], spelled)

    def unsure_from(self, text: str, place: int) -> int:
        """Where, from `place` on, what may yet become a marker begins; the end of the text where nothing may."""
        last = len(text.rstrip(_BLANKS))
        for start in range(max(place, last - self.longest), len(text)):
            if text[start] in self.by_first and self._may_become_one(text[start:]):
                return start
        return len(text)

    def _may_become_one(self, tail: str) -> bool:
        small = tail.lower()
        unspaced = small.rstrip(_BLANKS)
        return any(
            marker.startswith(small) or marker[:-1] == unspaced if is_tag else marker.startswith(tail)
            for marker, is_tag in self.by_first[tail[0]]
        )


@cache
def _wanted(exact: frozenset[str], tags: frozenset[str]) -> _Wanted:
    """Compiled once for all replies of a model; the longer of two markers at one place wins."""
    patterns = {tag: f"(?ai:{re.escape(tag[:-1])}[{_BLANKS}]*{re.escape(tag[-1])})" for tag in tags}
    patterns |= {marker: re.escape(marker) for marker in exact}
    longest_first = sorted(patterns, key=len, reverse=True)
    whole = "|".join(patterns[marker] for marker in longest_first) or r"(?!)"
    by_first: dict[str, list[tuple[str, bool]]] = {}
    for marker in exact:
        by_first.setdefault(marker[0], []).append((marker, False))
    for tag in tags:
        for first in {tag[0].lower(), tag[0].upper()}:
            by_first.setdefault(first, []).append((tag.lower(), True))
    ahead = f"(?=[{re.escape(''.join(sorted(by_first)))}])" if by_first else ""
    pattern = re.compile(f"{ahead}(?:{whole})")
    return _Wanted(exact, {tag.lower(): tag for tag in tags}, pattern, by_first, max(map(len, patterns), default=0))
