"""How a number may have been said that a recognizer wrote in digits: of "H two O" it writes "H20", of a code "1206"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from voicegen.quality.recognizers.sounds import Sounds, distance, sounds
from voicegen.text.english.numbers import cardinal

_DIGITS: Final = re.compile(r"(\d+)")
_FEW: Final = 8  # digits, of which all readings are tried; more are read one by one
_TOGETHER: Final = 3  # digits that are said as one number, at the most: twelve, one hundred forty-two


def nearest(meant: Sounds, heard: str, language: str) -> Sounds:
    """The sounds of what was heard, each number in it read as it is nearest to what was meant."""
    best = sounds(heard, language)
    if language != "en" or not meant:
        return best
    pieces, least = _DIGITS.split(heard), distance(meant, best)
    for place in range(1, len(pieces), 2):
        digits = pieces[place]
        for reading in _readings(digits, _TOGETHER if len(digits) <= _FEW else 1):
            other = [*pieces[:place], f" {reading} ", *pieces[place + 1 :]]
            read = sounds("".join(other), language)
            if (found := distance(meant, read)) < least:
                best, least, pieces = read, found, other
    return best


def _readings(digits: str, together: int) -> Iterator[str]:
    """All ways to say digits as numbers one after another, of so many digits together at the most."""
    for size in range(1, min(together, len(digits)) + 1):
        first, rest = digits[:size], digits[size:]
        if first[0] == "0" and size > 1:
            return
        for said in ("oh", "zero") if first == "0" else (cardinal(int(first)),):
            if rest:
                yield from (f"{said} {further}" for further in _readings(rest, together))
            else:
                yield said
