"""Tells which numbers, written in digits, are not said by English words: what is heard of each digit, and of its value.

The digits but for zeros are heard in any reading of a number, money, a date or a time: of 1,250 there is "one thousand
two hundred fifty" and "twelve fifty". Of a whole number the words must also have its value, or its figures in a row.

Of two texts in words, `numbers_said` tells whether their numbers are the same, in the same order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Final, NamedTuple

_UNITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_POWERS: Final = {
    "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "quadrillion": 15, "quintillion": 18,
}  # fmt: skip
_SCALES: Final = {f"{scale}{end}": power for scale, power in _POWERS.items() for end in ("", "s", "th", "ths")}
_SAID_OF_NUMBERS: Final = {*_SCALES} | {
    *("point", "and", "o'clock", "zero", "oh", "nought", "zeros", "zeroes", "zeroth", "midnight", "noon"),
}
_ZEROS: Final = frozenset({"zero", "oh", "nought", "zeros", "zeroes", "zeroth", "midnight", "noon"})
_POINTS: Final = frozenset({"point", "dot", "decimal", "and", "cents", "cent", "pence", "am", "pm"})
_FRACTION: Final = re.compile(r"[\d,]*\.\d*[1-9]\d*")
_WHOLE: Final = re.compile(r"\d{3,}|\d{1,3}(?:[, '_\xa0\u202f]\d{3})+")
_PARTED: Final = re.compile(r"[./–−-]")
_LONGEST_VALUE: Final = 18  # digits: so many have words
_LONGEST_NUMBER: Final = 24  # words, where several stand together
_SPOKEN: Final = re.compile(r"\d+|[^\W\d_]+(?:['’][^\W\d_]+)*|[^\s\w-]")
_BESIDE_A_NUMBER: Final = {
    "minus": "minus", "negative": "minus", "point": "point", "percent": "percent", "half": "half", "halves": "half",
    "quarter": "quarter", "quarters": "quarter", "dozen": "dozen", "dozens": "dozen", "squared": "squared",
    "cubed": "cubed", "twice": "twice", "double": "twice", "triple": "triple",
}  # fmt: skip


def _figures() -> dict[str, int]:
    """The words for the numbers below 100 that are one word, also as ordinals and in the plural."""
    words = {word: number for number, word in enumerate((*_UNITS, *_TEENS))}
    words |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
    ordinals = {f"{word.removesuffix('y')}{'ie' if word.endswith('y') else ''}th": words[word] for word in words}
    irregular = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
    words |= ordinals | irregular
    plurals = {f"{word.removesuffix('y')}{'ies' if word.endswith('y') else 's'}": words[word] for word in words}
    return words | plurals | {"sixes": 6, "zeroes": 0, "oh": 0, "nought": 0}


_FIGURES: Final = {word: figure for word, figure in _figures().items() if word != "seconds"}
_DIGITS: Final = {word: str(number).replace("0", "") for word, number in _FIGURES.items()} | {
    **{month: str(number).replace("0", "") for number, month in enumerate(_MONTHS, 1)},
    **{
        "half": "12",
        "halves": "2",
        "quarter": "4",
        "quarters": "4",
        "squared": "2",
        "square": "2",
        "cubed": "3",
        "cubic": "3",
    },
}
OF_A_NUMBER: Final = frozenset({*_DIGITS, *_SAID_OF_NUMBERS})
"""Words that say, or may say, a part of a number."""

ALSO_WORDS: Final = frozenset({*_MONTHS, "square", "cubic", "second", "seconds"})
"""Those of them that also say something else."""


def words_of(number: str, said: Sequence[str], place: int) -> int:
    """How many words from `place` on say just the value of a number as it is written; 0 where they do not."""
    if not number.isdecimal() or len(number) > _LONGEST_VALUE:
        return 0
    *_, (end, value) = [(place, -1), *_growing(said, place)]
    ends = end == len(said) or said[end] not in OF_A_NUMBER
    words = end - place - (said[end - 1] == "and")  # "one hundred and" is followed by a word, not by more of it
    return words if end > place and ends and value == int(number) else 0


def take_value(value: int, words: list[str]) -> bool:
    """Takes the first words that say a value out of `words`, if some do."""
    for place in range(len(words)):
        for end, heard in _growing(words, place):
            if heard == value:
                del words[place:end]
                return True
    return False


def _growing(said: Sequence[str], place: int) -> Iterator[tuple[int, int]]:
    """Where each number ends that begins at a place, one word longer each time, and its value."""
    heard: _Number | None = _Number()
    for end, word in enumerate(islice(said, place, None), place + 1):
        heard = heard and heard.with_word(word)
        if heard is None:
            return
        yield end, heard.value


def numbers_said(text: str) -> tuple[str, ...]:
    """The values of the numbers that `text` says in English words, in order, with signs and parts; then its months.

    A number ends where no word can go on with it: "twenty twenty-four" says 20 and 24. Months are apart, as "the fourth
    of March" is "March fourth".
    """
    numbers: list[str] = []
    months: list[str] = []
    number: _Number | None = None
    for word in [*_SPOKEN.findall(text.casefold()), "."]:
        longer = None if number is None else number.with_word(word)
        if number is not None and longer is None:
            numbers.append(str(number.value))
        number = longer or _Number().with_word(word)
        if word in _BESIDE_A_NUMBER:
            numbers.append(_BESIDE_A_NUMBER[word])
        elif word in _MONTHS:
            months.append(word)
    return (*numbers, *months)


class _Number(NamedTuple):
    """A number that is being said.

    Attributes:
        whole: its thousands, millions and so on, as far as they are said.
        part: what is said of the next of them, below a thousand; None: nothing yet.
        below: the next figure is less than that, if one can follow.
        scale: the power of ten that the next one is less than.
    """

    whole: int = 0
    part: int | None = None
    below: int = 100
    scale: int = 99

    @property
    def value(self) -> int:
        return self.whole + (self.part or 0)

    def with_word(self, word: str) -> _Number | None:
        """The number with a word more; None where it cannot be of it."""
        begins = self.part is None and self.scale == 99
        scale = _SCALES.get(word, 0)
        figure = _FIGURES.get(word, int(word) if word.isdecimal() else None)
        if word == "and":
            return self if self.below == 100 and not begins else None
        if scale == 2 and (begins or 0 < (self.part or 0) < 100):
            return _Number(self.whole, 100 * (self.part or 1), 100, self.scale)
        if 2 < scale < self.scale and (begins or self.part):
            return _Number(self.whole + (self.part or 1) * 10**scale, None, 100, scale)
        if figure is not None and (begins or 0 < figure < self.below):
            return _Number(self.whole, (self.part or 0) + figure, 10 if 20 <= figure < 100 else 0, self.scale)
        return None


def unheard(numbers: Sequence[str], rest: Sequence[str], said: Sequence[str]) -> list[str]:
    """The numbers of which a digit is not in what is left, `rest`, or that are no value of the words that were said."""
    dated = any(_PARTED.search(number) for number in numbers)
    heard: Counter[str] = Counter()
    for word, after in zip(rest, [*rest[1:], ""], strict=False):
        is_else = (word, after) == ("one", "half") or (word == "square" and "root" in said)
        if not is_else and (dated or word not in _MONTHS):
            heard.update(_DIGITS.get(word, word if word.isdigit() else ""))
    zeros = sum(word in _ZEROS or word == "0" for word in rest)
    missing = []
    for number in numbers:
        digits = Counter(digit for digit in number if digit in "123456789")
        if digits - heard or (not digits and not zeros):
            missing.append(number)
        zeros -= not digits
        heard -= digits
    missing += _without_point([number for number in numbers if number not in missing], said)
    whole = [number for number in numbers if _WHOLE.fullmatch(number) and number not in missing]
    runs = [[*run] for is_number, run in groupby(said, _is_of_a_number) if is_number] if whole else []
    values = {value for run in runs for value in _values(run)}
    for number in whole:
        value = re.sub(r"\D", "", number)
        if value not in values and not any(value in _values(part) for run in runs for part in _parts(run)):
            missing.append(number)
    return missing


def _without_point(numbers: Sequence[str], said: Sequence[str]) -> list[str]:
    """The fractions for which there is no word that divides them from the whole."""
    fractions = [number for number in numbers if _FRACTION.fullmatch(number)]
    return fractions[sum(word in _POINTS for word in said) :]


def _is_of_a_number(word: str) -> bool:
    return word in OF_A_NUMBER or word.isdecimal()


def _parts(run: list[str]) -> Iterator[list[str]]:
    """What may be one of several numbers that stand together."""
    for start in range(len(run)):
        for end in range(start + 1, min(start + _LONGEST_NUMBER, len(run)) + 1):
            yield run[start:end]


def _values(said: Sequence[str]) -> tuple[str, str]:
    """What number words may stand for, in digits: a value, and figures or pairs in a row, as years are read."""
    total = part = last = 0
    row = ""
    is_value = True
    for word in said:
        scale = _SCALES.get(word, 0)
        figure = _FIGURES.get(word, int(word) if word.isdecimal() else None)
        if scale == 2:
            part, row = (part or 1) * 100, f"{row}00"
        elif scale:
            total, part = total + (part or 1) * 10**scale, 0
        elif figure is not None:
            joins = last >= 20 and 0 < figure < 10
            is_value = is_value and (joins or part % 100 == 0)
            part += figure
            row = (row[:-1] if joins else row) + str(figure)
        last = figure or 0
    return (str(total + part) if is_value else row), row
