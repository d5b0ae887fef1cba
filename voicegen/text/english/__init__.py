"""English as it is said: numbers, dates, money, measures, addresses, formulas, abbreviations and signs in words."""

from __future__ import annotations

import re

from voicegen.text.english import abbreviations, addresses, calendar, notation, quantities
from voicegen.text.english.rules import Kind

_KINDS: tuple[Kind, ...] = (
    notation.KEYS,
    calendar.DATES_IN_DIGITS,
    addresses.ADDRESSES,
    addresses.CODES,
    addresses.NAMES,
    quantities.MONEY,
    calendar.DATES,
    calendar.DURATIONS,
    calendar.YEARS,
    calendar.CLOCK,
    calendar.SINGLE_YEARS,
    abbreviations.ABBREVIATIONS,
    notation.CHEMISTRY,
    quantities.MEASURES,
    notation.MATHEMATICS,
    quantities.NUMBERS,
    notation.SIGNS,
)
_IS_WORDS = re.compile(r"(?:[a-z]|[ ,!?'’-]|\b[A-Z](?=[a-z]))*")
_SPACES = re.compile(r"[ \t\u00a0\u202f]{2,}")
_SPACE_BEFORE_MARK = re.compile(r" +(?=[,;!?.:](?:\s|$))")


def in_words(text: str) -> str:
    """One line of plain text with everything in words that is said in words; words themselves stay as they are.

    What comes out is read as it stands: to do it again changes nothing.
    """
    before = None
    while text != before and not _IS_WORDS.fullmatch(text):
        before = text
        for kind in _KINDS:
            text = kind.apply(text)
        text = _SPACE_BEFORE_MARK.sub("", _SPACES.sub(" ", text)).strip()
    return text
