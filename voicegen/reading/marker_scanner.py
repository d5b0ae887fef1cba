"""Finds marker strings in a stream of text, even where a marker is split over pieces."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
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
    """The markers of a scanner, `tags` by their spelling in small letters; `whole` matches any of them.

    `firsts` are the signs that they begin with; `begun`, and `tags_begun` in small letters, all that one may be so far;
    `unspaced` the tags without their last sign, before which there may be blanks.
    """

    exact: frozenset[str]
    tags: Mapping[str, str]
    whole: re.Pattern[str]
    firsts: frozenset[str]
    begun: frozenset[str]
    tags_begun: frozenset[str]
    unspaced: frozenset[str]
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
            if text[start] in self.firsts and self._may_become_one(text[start:]):
                return start
        return len(text)

    def _may_become_one(self, tail: str) -> bool:
        small = tail.lower()
        return tail in self.begun or small in self.tags_begun or small.rstrip(_BLANKS) in self.unspaced


@cache
def _wanted(exact: frozenset[str], tags: frozenset[str]) -> _Wanted:
    """Compiled once for all replies of a model; the longer of two markers at one place wins."""
    patterns = {tag: f"(?ai:{re.escape(tag[:-1])}[{_BLANKS}]*{re.escape(tag[-1])})" for tag in tags}
    patterns |= {marker: re.escape(marker) for marker in exact}
    longest_first = sorted(patterns, key=len, reverse=True)
    whole = "|".join(patterns[marker] for marker in longest_first) or r"(?!)"
    small = {tag.lower(): tag for tag in tags}
    firsts = frozenset(marker[0] for marker in exact) | {
        sign for tag in tags for sign in (tag[0].lower(), tag[0].upper())
    }
    ahead = f"(?=[{re.escape(''.join(sorted(firsts)))}])" if firsts else ""
    pattern = re.compile(f"{ahead}(?:{whole})")
    unspaced = frozenset(tag[:-1] for tag in small)
    longest = max(map(len, patterns), default=0)
    return _Wanted(exact, small, pattern, firsts, _begun(exact), _begun(small), unspaced, longest)


def _begun(markers: Iterable[str]) -> frozenset[str]:
    """All that each may be so far, its whole too."""
    return frozenset(marker[:end] for marker in markers for end in range(1, len(marker) + 1))
