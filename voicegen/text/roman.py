"""Roman numerals."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

ROMAN: Final = r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
"""A pattern of numerals from I to MMMCMXCIX."""

_VALUES: Final = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_WHOLE: Final = re.compile(ROMAN)


def roman_value(numeral: str) -> int:
    """The number that `ROMAN` stands for; 0 where the text is none."""
    if not _WHOLE.fullmatch(numeral):
        return 0
    values = [_VALUES[letter] for letter in numeral]
    return sum(-value if value < following else value for value, following in pairwise([*values, 0]))
