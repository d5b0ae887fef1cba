"""How what was heard agrees with what was to be said: letters without spaces, words, and how each would be written.

Both sides are compared in the same form, of two: numbers as digits (by Whisper's own normalizer, as transformers has
it), and everything in words (by our spoken form). Spaces count in neither, since recognizers join and part words at
will; the better of the two holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Final

from rapidfuzz.distance import Levenshtein

from voicegen.text.spoken import to_spoken

_BRACKET: Final = re.compile(r"[][(){}<>]")  # the normalizers take what is in brackets for no speech
_TENS: Final = re.compile(r"(?i)\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-(?=[a-z])")
_NUMBER: Final = re.compile(r"(?<![\w.,])\d{5,}(?!\w|[.,]\w)")

_CLAUSE: Final = re.compile(r"\s*([^\w\s]*\s*)(.+?)([^\w\s]*)(?=\s*$|(?<![\w\s])\s|\s[^\w\s])")

_NO_WORDS: Final = re.compile(r"\d|\b[IVXLC]+\b")  # numbers, in digits or as Romans wrote them
_RUN_ON: Final = re.compile(r"([$£€¥][\d,]+\.\d+)|(?<=\w)\.(?=\d+\b)")  # and what only looks like that: $25.50

Code = tuple[str, int, int, int, int]
"""Of `difflib`: what became of the words meant from the first number to the second, and which were heard instead."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What differs.

    Attributes:
        cer: letters inserted, left out and exchanged, over the letters meant.
        wer: likewise of words.
    """

    cer: float
    wer: float


def agreement(meant: str, heard: str, language: str) -> Agreement:
    """Compares a transcript with the text."""
    forms = [_compared(form(meant), form(heard)) for form in (_in_digits(language), _in_words(language))]
    return min(forms, key=lambda found: found.cer)


def written_as_heard(meant: Sequence[str], heard: Sequence[str], language: str) -> list[str]:
    """The words meant, in the recognizer's writing where what it wrote says the same, as `42` does forty-two."""
    parts: list[str] = []
    codes = matched(meant, heard).get_opcodes()
    while codes:
        kind, _, _, k, _ = codes[0]
        size = 1 if kind == "equal" else _said_alike(codes, meant, heard, language)
        parts += heard[k : codes[size - 1][4]] if size else _alike_at_ends(codes[0], meant, heard, language)
        codes = codes[max(size, 1) :]
    return parts


def _said_alike(codes: Sequence[Code], meant: Sequence[str], heard: Sequence[str], language: str) -> int:
    """How many of the places, from the first, say the same: `$8.4 billion` is two around the word that both have.

    Some say it after the word before them alone, as the X of a pope does.
    """
    _, i, _, k, _ = codes[0]
    for size in (1, 3):
        if len(codes) >= size:
            _, _, j, _, m = codes[size - 1]
            before = (0, 1) if min(i, k) > 0 and _NO_WORDS.search(" ".join(heard[k:m])) else (0,)
            if any(_says_the_same(meant[i - more : j], heard[k - more : m], language) for more in before):
                return size
        if not _NO_WORDS.search(" ".join(heard[k : codes[0][4]])):
            break
    return 0


def _alike_at_ends(code: Code, meant: Sequence[str], heard: Sequence[str], language: str) -> list[str]:
    """The words of a place, its numbers as they were heard where only what is between or beside them is said otherwise.

    Of "January first, two thousand one, not" and "January 1, 2001, out" that is "January 1, 2001, not".
    """
    _, i, j, k, m = code
    if not _NO_WORDS.search(" ".join(heard[k:m])):
        return list(meant[i:j])
    for more in (0, 1) if min(i, k) > 0 else (0,):
        a, b = _alike_at_end(meant[i - more : j], heard[k - more : m], language, lambda words, size: words[:size])
        if a > more:
            return [*heard[k : k - more + b], *meant[i - more + a : j]]
    a, b = _alike_at_end(meant[i:j], heard[k:m], language, lambda words, size: words[-size:])
    return [*meant[i : j - a], *heard[m - b : m]]


def _alike_at_end(
    meant: Sequence[str], heard: Sequence[str], language: str, end: Callable[[Sequence[str], int], Sequence[str]]
) -> tuple[int, int]:
    """The most words at one end of both that say the same numbers."""
    forms = (_in_digits(language), _in_words(language))
    sizes = {(form, _run_together(form, end(meant, size))): size for size in range(1, len(meant) + 1) for form in forms}
    for size in range(len(heard), 0, -1):
        words = end(heard, size)
        if _NO_WORDS.search(" ".join(words)):
            for form in forms:
                if alike := sizes.get((form, _run_together(form, words))):
                    return alike, size
    return 0, 0


def parted(heard: str, meant: Sequence[str]) -> list[str]:
    """The words heard; numbers of a list are parted from the sentence before, where no number has a point."""
    return (heard if "point" in meant else _RUN_ON.sub(lambda found: found[1] or ". ", heard)).split()


def portions(meant: Sequence[str], heard: Sequence[Sequence[str]]) -> list[list[str]]:
    """The words meant, parted as those heard in stretches of a take are."""
    blocks = matched(meant, [word for stretch in heard for word in stretch]).get_matching_blocks()
    cuts, before = [0], 0
    for stretch in heard[:-1]:
        before += len(stretch)
        block = next(block for block in blocks if block.b + block.size > before or block.size == 0)
        cuts.append(min(max(cuts[-1], block.a + max(0, before - block.b)), len(meant)))
    return [list(meant[begin:end]) for begin, end in zip(cuts, [*cuts[1:], len(meant)], strict=True)]


def in_digits(words: Sequence[str], language: str) -> list[str]:
    """The words with numbers in digits, as a recognizer writes them: none goes on beyond a mark of punctuation."""
    if language != "en":
        return list(words)
    numbers = _english().standardize_numbers
    clauses = _CLAUSE.findall(_TENS.sub(r"\1 ", " ".join(words)))
    written = " ".join(f"{before}{numbers(clause)}{after}" for before, clause, after in clauses)
    return _NUMBER.sub(lambda number: f"{int(number[0]):,}", written).split()


def numbers_in(text: str, language: str) -> str:
    """The digits of all its numbers, one after another, however they are written."""
    return "".join(re.findall(r"\d", " ".join(_in_digits(language)(text))))


def matched(meant: Sequence[str], heard: Sequence[str]) -> SequenceMatcher[str]:
    """Which words are the same, whatever their case and marks."""
    return SequenceMatcher(None, list(map(_plain, meant)), list(map(_plain, heard)), autojunk=False)


def _compared(meant: list[str], heard: list[str]) -> Agreement:
    letters = "".join(meant), "".join(heard)
    return Agreement(
        cer=round(Levenshtein.distance(*letters) / max(1, len(letters[0])), 4),
        wer=round(Levenshtein.distance(meant, heard) / max(1, len(meant)), 4),
    )


def _says_the_same(meant: Sequence[str], heard: Sequence[str], language: str) -> bool:
    forms = (_in_digits(language), _in_words(language))
    return any(_run_together(form, meant) == _run_together(form, heard) for form in forms)


def _run_together(form: Callable[[str], list[str]], words: Sequence[str]) -> str:
    return "".join(form(" ".join(words)))


def _plain(word: str) -> str:
    return re.sub(r"[^\w']", "", word.lower())


def _in_digits(language: str) -> Callable[[str], list[str]]:
    normalize = _english() if language == "en" else _basic()
    return lambda text: normalize(_BRACKET.sub(" ", text)).split()


def _in_words(language: str) -> Callable[[str], list[str]]:
    return lambda text: _basic()(_BRACKET.sub(" ", to_spoken(text, language))).split()


@cache
def _english():  # type: ignore[no-untyped-def]
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})


@cache
def _basic():  # type: ignore[no-untyped-def]
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    return BasicTextNormalizer(remove_diacritics=True)
