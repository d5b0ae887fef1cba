"""A reading rule: a pattern, and what is said for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Says what `pattern` finds in other words, kept apart from words beside it; None leaves a place as it is."""

    pattern: re.Pattern[str]
    say: Callable[[re.Match[str]], str | None]

    def apply(self, text: str) -> str:
        """The text with each place read."""
        return self.pattern.sub(self._said, text)

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
    """Rules of one kind, in order, for texts in which `needs` finds something: most sentences need few kinds."""

    needs: re.Pattern[str]
    rules: tuple[Rule, ...]

    def apply(self, text: str) -> str:
        """The text with each place read."""
        if self.needs.search(text):
            for reading in self.rules:
                text = reading.apply(text)
        return text


def kind(needs: str, *rules: Rule) -> Kind:
    """Rules of one kind, for texts in which the pattern `needs` finds something."""
    return Kind(re.compile(needs), rules)


def rule(pattern: str, flags: int = 0) -> Callable[[Callable[[re.Match[str]], str | None]], Rule]:
    """Makes a rule of the function below it."""
    return lambda say: Rule(re.compile(pattern, flags), say)


def alternatives(written: Iterable[str]) -> str:
    """A pattern for any of them, the longest first."""
    return "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
