"""Finds what a spoken form has lost of the text as written, from the two texts alone.

Knows nothing of the rules that make a spoken form. Both texts are taken apart into words, numbers and signs, and walked
together. Where they differ, each word of the one must be said in the other, in full, by its letters or as what it is
short for; each number must be heard (`heard_numbers`), and each sign have its word. Formatting, and what is said to be
left out, is taken away before. Formulas in LaTeX are not looked into.

What it cannot see: another word in the place of one in capitals, and a word that is lost beside a longer reading which
happens to hold it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from voicegen.text.heard_numbers import ALSO_WORDS, OF_A_NUMBER, take_value, unheard, words_of
from voicegen.text.markup import TAG_NAMES, without_unread
from voicegen.text.roman import roman_value

_SAY: Final = {
    "%": "percent percentage per percentile", "‰": "per", "$": "dollar dollars peso pesos", "€": "euro euros",
    "£": "pound pounds", "¥": "yen yuan", "₹": "rupee rupees", "₽": "ruble rubles", "₩": "won", "&": "and",
    "+": "plus positive more", "=": "equals equal is", "±": "plus", "×": "times by", "÷": "divided", "≠": "not",
    "≈": "approximately about almost", "≤": "less most", "≥": "greater least more", "<": "less fewer under below",
    ">": "greater more over above", "√": "root", "∞": "infinity infinite", "∑": "sum", "∫": "integral",
    "∆": "delta change", "°": "degree degrees", "→": "to gives arrow", "←": "from arrow", "↔": "and arrow",
    "⇒": "implies gives", "§": "section sections", "#": "number hash hashtag", "@": "at", "-": "minus negative",
    "∈": "in element member", "∪": "union", "∩": "intersection", "⊂": "subset",
}  # fmt: skip
_SAYINGS: Final = {sign: tuple(words.split()) for sign, words in _SAY.items()}  # in order: the first is taken
_SIGNS: Final = "".join(sorted(set(_SAY) - set("<>#@-$")))
_MARKUP: Final = re.compile(
    rf"</?(?:{TAG_NAMES})(?:\s+[\w:-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+))?)*\s*/?>"
    r"|<[|｜][^<>\n]{1,40}[|｜]?>|<[^\s<>|｜]{1,40}[|｜]>"
    r"|(?<=[\w.,;:!?)\"”’] )\[\d+(?:[,–-] ?\d+)*\]|(?<=[\w.,;:!?)\"”’])\[\d+(?:[,–-] ?\d+)*\](?!\()"
    r"|(?:(?<=[a-z]{3})|(?<=[.,;:!?]))[¹²³⁰⁴-⁹]+(?=[\s.,;:!?]|$)|==(?=\w[^=\n]*\w==)|(?<=\w)==(?=[\s.,;!?]|$)"
    r"|^[ \t]*[-*+] \[[ xX]\]|\[\^[^\]\s]+\]:?|^ {0,3}\[[^\]\n]+\]:(?=\s*(?:<|\w+://|www\.))|^[ \t]*(?:```|~~~).*$"
    r"|(?<=\])\((?:[^()\s]|\([^()\s]*\))*(?:\s+(?:\"[^\"]*\"|'[^']*'))?\)"
    r"|\b[a-z][a-z0-9+.-]*://|^[ \t]*[+*•-][ \t]|^[ \t]*[=|:-][=|: \t-]{2,}$"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_FORMULA: Final = re.compile(
    r"\$\$.{1,3000}?\$\$|\\\(.{1,3000}?\\\)|\\\[.{1,3000}?\\\]|\\begin\{(\w+\*?)\}.{1,3000}?\\end\{\1\}"
    r"|(?<!\\)\$(?:(?![\s\d])(?:\\.|[^$\n\\]){1,60}|\d(?:\\.|[^$\s\\])*"
    r"|(?:\\\$|[^$\\])*?(?:\\(?!\$)|[\^_={}<>|])(?:\\.|[^$\\])*)(?<![\s\\])\$(?!\d)"
    r"|\\[a-zA-Z]+(?:\s?[\[{][^\[\]{}\n]*[\]}])*(?:[_^]\{[^{}]*\}|[_^]\w)*",
    re.DOTALL,
)
_TOKEN: Final = re.compile(
    r"(?P<number>[1-9]\d{0,2}(?:[ '_\xa0\u202f]\d{3})+(?!\d)|\d+(?:[.,:/–−-]\d+)*)"
    r"|(?P<word>[^\W\d_](?:\.[^\W\d_])+(?![^\W\d_])|[wW]/o\b|[^\W\d_]+(?:['’][^\W\d_]+)*)"
    rf"|(?P<sign>=+|(?!(?<=[a-zA-Z]{{2}})\+)[{re.escape(_SIGNS)}]|\$(?=\s?\.?\d)|(?<=\d)\$|(?<![\w.)])[−-](?=[.$€£]?\d)"
    r"|(?<=[\w)] )[<>](?= [\w(])|(?<![^\W\d] )\#(?=\d)|(?<=\w)@(?=\w))"
)
_MAY_BE_MARKED: Final = re.compile(r"[<¹²³⁰⁴-⁹=\[`~\x1b\x9b]|://|^[ \t]*[+*•=|:-]", re.MULTILINE)
_AFTER_DIGITS: Final = frozenset({"st", "nd", "rd", "th", "s", "k", "m", "b", "bn", "t", "x", "e", "mn", "tn"})
_SHORT_FOR: Final = {
    "lb": "pound pounds", "lbs": "pounds pound", "oz": "ounce ounces", "no": "number", "nos": "numbers", "eg": "for",
    "ie": "that", "mrs": "missus", "et": "and", "vs": "versus", "viz": "namely", "cf": "compare", "al": "others",
    "ppm": "parts", "mmhg": "millimeters", "ppb": "parts", "pp": "pages", "w/o": "without", "x": "by times",
}  # fmt: skip
_MAY_BE_ANYTHING: Final = re.compile(r"[A-Z].*[A-Z]|^[B-Z]$|[^\x00-\x7f’]")
_PARTED: Final = re.compile(r"[./–−-]")
_AHEAD: Final = (60, 200)  # tokens to look for where two texts meet again
_MOST: Final = 9  # lost pieces to look for
_RANGE: Final = 6  # tokens in "$5 - $10"
_MERGED: Final = 6  # stretches that may be taken together


_POOR_ANCHORS: Final = frozenset({*OF_A_NUMBER, "a", "the", "of", "to", "per", "dot", "slash", "dash", "in", "is", "w"})


@dataclass(frozen=True, slots=True)
class _Tokens:
    """A text taken apart: the `keys` by which two texts are compared, what each is, and how it is written."""

    keys: list[str]
    kinds: list[str]
    written: list[str]

    @classmethod
    def of(cls, text: str) -> _Tokens:
        keys: list[str] = []
        kinds: list[str] = []
        written: list[str] = []
        end_of_number = -1
        for token in _TOKEN.finditer(text):
            kind, sign = str(token.lastgroup), token[0]
            glued = token.start() == end_of_number and sign.lower().removesuffix("'s") in _AFTER_DIGITS
            if glued or (sign == "s" and text[token.start() - 1 : token.start()] in ("'", "’", ")")):
                continue
            end_of_number = token.end() if kind == "number" else -1
            keys.append(_key(sign) if kind == "word" else sign)
            kinds.append(kind)
            written.append(sign)
        return cls(keys, kinds, written)

    def part(self, start: int, end: int) -> Iterator[tuple[str, str, str]]:
        return zip(self.keys[start:end], self.kinds[start:end], self.written[start:end], strict=True)


def lost(written: str, spoken: str, left_out: Iterable[str] = (), *, english: bool = True) -> tuple[str, ...]:
    """The words, numbers and signs of `written` that are neither said in `spoken` nor `left_out`: the first few.

    Args:
        written: the text as written, which may be Markdown.
        spoken: what is said of it.
        left_out: pieces of it that are known not to be said, as written, in order.
        english: whether numbers and signs are said in English; in another language any word may say one.
    """
    if written == spoken:
        return ()
    read = _Tokens.of(_bare(written, left_out))
    said = _Tokens.of(spoken if spoken.isascii() else unicodedata.normalize("NFKC", spoken))
    return tuple(islice(_walk(read, said, english), _MOST))


def has_formula(written: str) -> bool:
    """Whether there is a formula in LaTeX in a text, which `lost` does not look into."""
    return _FORMULA.search(written) is not None


@lru_cache(2**14)
def _key(word: str) -> str:
    key = word.casefold().replace("’", "'").replace(".", "")
    return key[:-2] if key.endswith("'s") and key[:-2] in OF_A_NUMBER else key


def _bare(written: str, left_out: Iterable[str]) -> str:
    """`written` without what is left out and without formatting."""
    place = 0
    for piece in left_out:
        found = written.find(piece, place)
        found = written.find(piece) if found < 0 else found
        if found >= 0:
            written = f"{written[:found]} {written[found + len(piece) :]}"
            place = found
    if _MAY_BE_MARKED.search(written):
        written = _MARKUP.sub(" ", without_unread(written))
    if "$" in written or "\\" in written:
        written = _FORMULA.sub(" ", written)
    written = html.unescape(written) if "&" in written else written
    if not written.isascii():
        written = unicodedata.normalize("NFKC", "".join(map(_apart, written)))
    return written


def _apart(character: str) -> str:
    """A fraction or a raised digit does not join the number before it; what is no character says nothing."""
    if character.isalpha() or character.isascii():
        return character
    category = unicodedata.category(character)
    return f" {character} " if category in ("No", "So") else "" if category == "Cf" else character


def _walk(read: _Tokens, said: _Tokens, english: bool) -> Iterator[str]:
    """Walks both texts from one stretch that differs to the next; those that explain each other are taken together."""
    at, heard = _while_equal(read, said, 0, 0)
    before = (at, heard)  # where the stretch before this one begins
    while at < len(read.keys):
        end, end_heard = at, heard
        missing: list[str] = []
        first: tuple[list[str], int, int] | None = None
        for _ in range(_MERGED):
            end, end_heard = _meet(read, said, end, end_heard)
            missing = _unexplained([*read.part(at, end)], said.keys[heard:end_heard], english)
            first = first or (missing, end, end_heard)
            if missing:
                again = _unexplained([*read.part(before[0], end)], said.keys[before[1] : end_heard], english)
                missing = again and missing
            if not missing or end == len(read.keys) or end - at > _AHEAD[0]:
                break
            end, end_heard = _while_equal(read, said, end, end_heard)
        if missing and first:
            missing, end, end_heard = first
        yield from missing
        before = at, heard
        at, heard = _while_equal(read, said, end, end_heard)


def _while_equal(read: _Tokens, said: _Tokens, at: int, heard: int) -> tuple[int, int]:
    end, end_heard = len(read.keys), len(said.keys)
    while at < end and heard < end_heard:
        key = read.keys[at]
        words = 1 if key == said.keys[heard] else words_of(key, said.keys, heard)
        if not words:
            break
        at, heard = at + 1, heard + words
    return at, heard


def _meet(read: _Tokens, said: _Tokens, at: int, heard: int) -> tuple[int, int]:
    """Where, from two places that differ, both texts have the same word again, or end."""
    for ahead in _AHEAD:
        places: dict[str, int] = {}
        for place, key in enumerate(said.keys[heard : heard + ahead]):
            if key not in _POOR_ANCHORS:
                places.setdefault(key, place)
        met = [
            (skipped + places[key], skipped) for skipped, key in enumerate(read.keys[at : at + ahead]) if key in places
        ]
        if met:
            both, skipped = min(met)
            return at + skipped, heard + both - skipped
    return min(at + ahead, len(read.keys)), min(heard + ahead, len(said.keys))


def _unexplained(read: Sequence[tuple[str, str, str]], said: Sequence[str], english: bool) -> list[str]:
    """What of a stretch of the written text has no part in the stretch that was said for it."""
    left = Counter(said)
    needed = []
    for key, kind, written in read:
        if left[key] > 0:
            left[key] -= 1
        else:
            needed.append((key, kind, written))
    if not needed:
        return []
    rest = []
    for key in said:
        if left[key] > 0:
            left[key] -= 1
            rest.append(key)
    of_kind = {kind: [token for token in needed if token[1] == kind] for kind in ("sign", "number", "word")}
    numbers = [written for _, _, written in of_kind["number"]]
    if english:
        missing = _unsaid_signs([key for key, _, _ in read], [key for key, _, _ in of_kind["sign"]], rest)
        if numbers:
            of_kind["word"] = [word for word in of_kind["word"] if not _says_its_value(word[2], rest)]
            missing += unheard(numbers, rest, said)
            also = ALSO_WORDS | {"and"} if any(key == "et" for key, _, _ in needed) else ALSO_WORDS
            rest = [key for key in rest if key not in OF_A_NUMBER or key in also]
            for _ in filter(_PARTED.search, numbers):
                _remove(rest, ("to", "of", "over", "slash"))
    else:
        missing = [written for _, kind, written in needed if kind != "word"][len(rest) :]
    words = of_kind["word"]
    for says in (_says_in_full, _says_for_short, _says_at_all):
        words = [word for word in words if not says(word[0], word[2], rest)]
    return missing + [written for _, _, written in words]


def _unsaid_signs(read: Sequence[str], signs: Sequence[str], rest: list[str]) -> list[str]:
    """Takes the words of signs; one is enough for both ends of a range, and cents alone are said of less than one."""
    below_one = ("cents", "cent", "pence", "penny", "paise") if any(key.startswith("0.") for key in read) else ()
    missing = []
    said_of_range: set[str] = set()
    if len(read) <= _RANGE and not any(key[0].isalpha() for key in read):
        said_of_range = {sign for sign in signs if any(word in rest for word in _SAYINGS[_sign(sign)])}
    for sign in signs:
        also = below_one if sign in "$€£₹" else ()
        if not _remove(rest, (*_SAYINGS[_sign(sign)], *also)) and sign not in said_of_range:
            missing.append(sign)
    return missing


def _sign(sign: str) -> str:
    return "-" if sign == "−" else sign[0]


def _remove(rest: list[str], words: Iterable[str]) -> bool:
    found = next((word for word in words if word in rest), None)
    if found is not None:
        rest.remove(found)
    return found is not None


def _says_its_value(written: str, rest: list[str]) -> bool:
    """Takes the words for the value of a Roman numeral."""
    value = roman_value(written)
    return value > 0 and take_value(value, rest)


def _says_in_full(key: str, _written: str, rest: list[str]) -> bool:
    """Takes the words that are together written as `key`, as of a name in camel case or letters said one by one."""
    for place in range(len(rest)):
        joined = ""
        for end in range(place, len(rest)):
            joined += rest[end]
            if joined == key:
                del rest[place : end + 1]
                return True
            if not key.startswith(joined):
                break
    return False


def _says_for_short(key: str, _written: str, rest: list[str]) -> bool:
    """Takes the words that begin as `key` does and hold its letters in order."""
    short = _SHORT_FOR.get(key, "").split()
    for place, word in enumerate(rest):
        for end in range(place + 1, min(place + 5, len(rest) + 1)):
            if word in short or (word[0] == key[0] and _holds(iter("".join(rest[place:end])), key)):
                del rest[place:end]
                return True
    return False


def _says_at_all(_key: str, written: str, rest: list[str]) -> bool:
    """Takes any word for one that may be read as anything: in capitals, or with letters that are not English."""
    place = next((place for place, word in enumerate(rest) if len(word) > 1), None)
    if place is None or not _MAY_BE_ANYTHING.search(written):
        return False
    del rest[place]
    return True


def _holds(letters: Iterator[str], key: str) -> bool:
    return all(letter in letters for letter in key)
