"""A reading rule: a pattern, and what is said for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Reader = Callable[[re.Match[str]], str | None]
About = Literal["digits", "signs", "words"]


_BEFORE_NUMBERS = re.compile(r"[-−–—+~.'’]|(?<!\d)\d")


@dataclass(frozen=True)
class Rule:
    """Says what a pattern finds in other words, kept apart from words beside it; None leaves a place as it is.

    Attributes:
        written: the pattern, which is compiled when a text first needs it: all take a fifth of a second.
        begins: the character that its places begin with, where that is much faster to look for.
    """

    written: str
    flags: int
    say: Reader
    begins: re.Pattern[str] | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The same, compiled."""
        return re.compile(self.written, self.flags)

    def apply(self, text: str, places: Sequence[int] = ()) -> str:
        """The text with each place read; `places` are those where `begins` is found, if it is given."""
        if self.begins is None:
            return self.pattern.sub(self._said, text)
        match = self.pattern.match
        pieces = []
        done = 0
        for place in places:
            if place >= done and (found := match(text, place)):
                pieces += [text[done:place], self._said(found)]
                done = found.end()
        return "".join([*pieces, text[done:]]) if done else text

    def _said(self, place: re.Match[str]) -> str:
        said = self.say(place)
        if not said:
            return place[0] if said is None else said
        text, start, end = place.string, place.start(), place.end()
        before = " " if start and text[start - 1].isalnum() and said[0].isalnum() else ""
        after = " " if end < len(text) and text[end].isalnum() and said[-1].isalnum() else ""
        return before + said + after


@dataclass(frozen=True, slots=True)
class Kind:
    """Rules of one kind, in order; most sentences need few kinds.

    Attributes:
        of: what a text must have for them: digits, signs beyond ordinary punctuation (digits are some), or words.
        needs: what must be found in it besides. It is fast where it begins with a set of characters, and slow where
            it begins with a choice.
    """

    of: About
    needs: Callable[[str], object]
    rules: tuple[Rule, ...]

    def apply(self, text: str) -> str:
        """The text with each place read."""
        if not self.needs(text):
            return text
        places: dict[re.Pattern[str], list[int]] = {}  # in the text as it is
        for reading in self.rules:
            begins = reading.begins
            if begins is not None and begins not in places:
                places[begins] = [found.start() for found in begins.finditer(text)]
            said = reading.apply(text, places[begins] if begins is not None else ())
            if said != text:
                text, places = said, {}
        return text


def kind(of: About, needs: str | Callable[[str], object], *rules: Rule) -> Kind:
    """Rules of one kind, for texts that are `of` something, and in which the pattern `needs` finds something."""
    return Kind(of, re.compile(needs).search if isinstance(needs, str) else needs, rules)


def rule(pattern: str, flags: int = 0) -> Callable[[Reader], Rule]:
    """Makes a rule of the function below it."""
    return lambda say: Rule(pattern, flags, say)


def number_rule(pattern: str, flags: int = 0) -> Callable[[Reader], Rule]:
    """Makes a rule of the function below it, whose places begin with a digit, or a sign or a point before one."""
    return lambda say: Rule(pattern, flags, say, _BEFORE_NUMBERS)


def alternatives(written: Iterable[str]) -> str:
    """A pattern for any of them, the longest first."""
    return "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
