"""English as it is said: numbers, dates, money, measures, addresses, formulas, abbreviations and signs in words."""

from __future__ import annotations

import re
import string

from voicegen.text.english import (
    abbreviations,
    addresses,
    calendar,
    clock,
    codes,
    keys,
    money,
    notation,
    places,
    quantities,
)
from voicegen.text.english.rules import About, Kind

_KINDS: tuple[Kind, ...] = (
    keys.KEYS,
    places.PLACES,
    calendar.DATES_IN_DIGITS,
    addresses.ADDRESSES,
    codes.CODES,
    codes.NAMED_NUMBERS,
    codes.TELEPHONES,
    quantities.THOUSANDS,
    addresses.NAMES,
    money.MONEY,
    calendar.DATES,
    calendar.WEEKDAYS,
    clock.DURATIONS,
    calendar.YEARS,
    clock.CLOCK,
    calendar.SINGLE_YEARS,
    abbreviations.ABBREVIATIONS,
    notation.SALTS,
    notation.CHEMISTRY,
    quantities.SIZES,
    quantities.MEASURES,
    quantities.FRACTIONS,
    quantities.COUNTS,
    quantities.NUMBERED,
    quantities.RATES,
    notation.MATHEMATICS,
    quantities.RANGES,
    quantities.NUMBERS,
    notation.SIGNS,
)
_ORDINARY = frozenset(string.ascii_letters + " .,;:!?'’\"“”‘()…—–-\u00a0")
_SPACES = re.compile(r"[ \t\u00a0\u202f]{2,}")
_SPACE_BEFORE_MARK = re.compile(r" +(?=[,;!?.:](?:\s|$))")


def in_words(text: str) -> str:
    """One line of plain text with everything in words that is said in words; words themselves stay as they are.

    What comes out is read as it stands: to do it again changes nothing.
    """
    before = None
    while text != before:
        before = text
        about = _about(text)
        for kind in _KINDS:
            if kind.of in about:
                text = kind.apply(text)
        text = _SPACE_BEFORE_MARK.sub("", _SPACES.sub(" ", text)).strip()
    return text


def _about(text: str) -> tuple[About, ...]:
    if _ORDINARY.issuperset(text):
        return ("words",)
    return ("words", "signs", "digits") if any(map(str.isnumeric, text)) else ("words", "signs")
