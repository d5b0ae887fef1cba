"""Splits text for speaking: into sentences, and into parts of bounded length that end where a reader breathes."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MARK = re.compile(
    r"(?P<mark>[.!?…]+|[。！？।؟]+)(?P<closing>[\"'”’»)\]]*)(?P<space>\s+|$|(?<=[。！？।])|(?<=[。！？][”’」』]))"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_CLAUSE = re.compile(r"(?:[,;:—–][\"'”’»)\]]*|\s[-—–]|[.!?…][\"'”’»)\]]*)\s+|(?<=[，、；：])")
_WORD = re.compile(r"\s+")
_LAST_WORD = re.compile(r"[^\s\"'“‘(\[]+$")
_DECIMAL = re.compile(r"\d\.\s*$")
_LOOK_BACK = 100  # characters: no abbreviation, initial or number of a list is as long
_FIRST_WORD = re.compile(r"[\"'“‘(\[]*([^\W\d_]+)")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER_LAST: Final = _words(
    "dr mr mrs ms mx prof rev hon gen col sgt capt lt maj cmdr sen rep gov pres st mt ft messrs mme mlle "
    "vs v cf e.g i.e eg ie viz al approx ca"
)
_BEFORE_A_NUMBER: Final = _words(
    "no nos fig figs eq p pp vol ch sec art op nr jan feb mar apr jun jul aug sep sept oct nov dec"
)
_SOMETIMES_LAST: Final = _words(
    "etc inc ltd co corp jr sr bros dept est ph.d m.d b.a m.a d.c a.m p.m a.d b.c b.c.e c.e"
)
_OPENERS: Final = _words(
    "a an the this that these those he she it we they you i his her its our their your my there here who what when "
    "where why how which if in on at by for from to with after before as while since although but and or so yet then "
    "however moreover therefore also some many most all no not each every one another both nobody everyone is are was "
    "were do does did can could will would should let now today yesterday tomorrow please yes"
)


def split_sentences(text: str) -> list[str]:
    """Splits `text` at the ends of its sentences and at blank lines; abbreviations, initials and decimals end nothing.

    The pieces are stripped, none is empty, and together they hold every character of `text` but white space, in order.
    """
    return [sentence for paragraph in _PARAGRAPH.split(text) for sentence in _cut(paragraph, _sentence_ends(paragraph))]


def split_for_speech(text: str, max_chars: int) -> list[str]:
    """Splits `text` into parts of at most `max_chars` characters, alike in length, as few as that allows.

    Parts end at sentence ends where they can, else after clauses, else between words; only a single word longer than
    `max_chars` is cut inside. The parts hold every character of `text` but white space, in order.

    Raises:
        ValueError: `max_chars` is not positive.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars must be at least 1, not {max_chars}")
    if len(text.strip()) <= max_chars:
        return [text.strip()] if text.strip() else []
    parts: list[str] = []
    short: list[str] = []
    for sentence in split_sentences(text):
        if len(sentence) <= max_chars:
            short.append(sentence)
            continue
        parts += _packed(short, max_chars) + _split_long_sentence(sentence, max_chars)
        short = []
    return parts + _packed(short, max_chars)


def last_sentence_end(text: str) -> int:
    """Where the last sentence ends in a text that may have been cut; 0 where none does.

    What would have followed is not known: a mark behind a digit may be a decimal's, and ends nothing.
    """
    ends = [
        end for end in _sentence_ends(f"{text.rstrip()} The") if not _DECIMAL.search(text[:end]) or text[end:].strip()
    ]
    return ends[-1] if ends else 0


def _sentence_ends(text: str) -> list[int]:
    """Offsets just after each sentence end inside `text`."""
    ends = []
    start = 0
    for match in _MARK.finditer(text):
        before = text[max(start, match.start() - _LOOK_BACK) : match.start()]  # not all: a sentence may be a book
        if _ends_sentence(before, match["mark"], match["closing"], text[match.end() : match.end() + 40]):
            ends.append(match.end())
            start = match.end()
    return ends


def _ends_sentence(before: str, mark: str, closing: str, after: str) -> bool:
    """Whether `mark`, between `before` (the last of the sentence) and `after`, ends a sentence rather than a word."""
    if not after:
        return True
    if mark[0] in "。！？।؟":
        return True
    next_letter = after.lstrip("\"'“‘«([")[:1]
    if next_letter.islower():
        return False
    if mark != "." or closing:
        return True
    last = _LAST_WORD.search(before)
    word = last.group().lower() if last else ""
    if word in _NEVER_LAST or (word in _BEFORE_A_NUMBER and next_letter.isdigit()):
        return False
    if word.isdigit() and before.strip() == word:
        return False  # "1. Take the lid off": the number of a list
    if len(word) == 1 and word.isalpha() and word != "i":
        return False  # an initial
    if word in _SOMETIMES_LAST or re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return _opens_sentence(after)
    return True


def _opens_sentence(after: str) -> bool:
    """Whether `after` begins with a word that, in capitals, hardly ever follows inside a sentence."""
    first = _FIRST_WORD.match(after)
    return first is not None and first.group(1).lower() in _OPENERS


def _split_long_sentence(sentence: str, max_chars: int) -> list[str]:
    """Splits at clauses, and the clauses that are still too long between words."""
    pieces: list[str] = []
    for clause in _cut(sentence, [match.end() for match in _CLAUSE.finditer(sentence)]):
        if len(clause) <= max_chars:
            pieces.append(clause)
        else:
            words = [piece for word in _WORD.split(clause) for piece in _split_word(word, max_chars)]
            pieces += _packed(words, max_chars)
    return _packed(pieces, max_chars)


def _split_word(word: str, max_chars: int) -> list[str]:
    """Cuts a word longer than `max_chars`, keeping accents with their letters where there is room."""
    pieces = []
    start = 0
    while len(word) - start > max_chars:
        ends = (end for end in range(start + max_chars, start, -1) if not unicodedata.combining(word[end]))
        end = next(ends, start + max_chars)
        pieces.append(word[start:end])
        start = end
    return [*pieces, word[start:]] if word else pieces


def _cut(text: str, ends: list[int]) -> list[str]:
    """The stripped, non-empty pieces of `text` between the offsets `ends`."""
    starts = [0, *ends]
    pieces = (text[start:end].strip() for start, end in zip(starts, [*ends, len(text)], strict=True))
    return [piece for piece in pieces if piece]


def _packed(pieces: list[str], max_chars: int) -> list[str]:
    """Joins neighbours by spaces into the fewest parts of at most `max_chars`, with the longest as short as can be."""
    if not pieces:
        return []
    fewest = len(_greedy(pieces, max_chars))
    low, high = max(map(len, pieces)), max_chars
    while low < high:
        middle = (low + high) // 2
        if len(_greedy(pieces, middle)) > fewest:
            low = middle + 1
        else:
            high = middle
    return _greedy(pieces, low)


def _greedy(pieces: list[str], max_chars: int) -> list[str]:
    parts = [pieces[0]]
    for piece in pieces[1:]:
        if len(parts[-1]) + 1 + len(piece) <= max_chars:
            parts[-1] += " " + piece
        else:
            parts.append(piece)
    return parts
