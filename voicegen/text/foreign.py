"""Text in a script that the voices of a language do not read, such as Chinese under an English voice.

A letter's script is the first word of its Unicode name. Every language may have Latin letters, with any accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

_SCRIPTS: Final = {
    "zh": "CJK BOPOMOFO", "yue": "CJK", "ja": "CJK HIRAGANA KATAKANA", "ko": "HANGUL CJK", "el": "GREEK",
    "ru": "CYRILLIC", "uk": "CYRILLIC", "be": "CYRILLIC", "bg": "CYRILLIC", "sr": "CYRILLIC", "mk": "CYRILLIC",
    "kk": "CYRILLIC", "ky": "CYRILLIC", "mn": "CYRILLIC", "tt": "CYRILLIC", "tg": "CYRILLIC", "ba": "CYRILLIC",
    "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "ps": "ARABIC", "sd": "ARABIC", "ug": "ARABIC", "ckb": "ARABIC",
    "he": "HEBREW", "yi": "HEBREW", "hi": "DEVANAGARI", "mr": "DEVANAGARI", "ne": "DEVANAGARI", "sa": "DEVANAGARI",
    "bn": "BENGALI", "as": "BENGALI", "pa": "GURMUKHI", "gu": "GUJARATI", "or": "ORIYA", "ta": "TAMIL",
    "te": "TELUGU", "kn": "KANNADA", "ml": "MALAYALAM", "si": "SINHALA", "th": "THAI", "lo": "LAO", "km": "KHMER",
    "my": "MYANMAR", "ka": "GEORGIAN", "hy": "ARMENIAN", "am": "ETHIOPIC", "ti": "ETHIOPIC", "bo": "TIBETAN",
    "dv": "THAANA", "chr": "CHEROKEE",
}  # fmt: skip
_OF_NO_SCRIPT: Final = {
    "MODIFIER", "MICRO", "SUPERSCRIPT", "SUBSCRIPT", "FEMININE", "MASCULINE", "ALEF", "BET", "GIMEL", "DALET",
}  # fmt: skip
_ALSO: Final = {"IDEOGRAPHIC": "CJK", "KATAKANA-HIRAGANA": "KATAKANA"}
_SYMBOLS: Final = 2  # Greek letters in a row that are symbols yet, and no word
_NOT_LATIN: Final = re.compile(r"[^\W\d_\u0041-\u024f\u1e00-\u1eff]")
_WIDE_MARKS: Final = re.compile("[\u3001-\u303f\uff01-\uff0f\uff1a-\uff20،؛؟۔।]*")
_BETWEEN_WORDS: Final = re.compile(r"[^\w\n\x1f]{0,3}")


def without_foreign(text: str, language: str, put: Callable[[str], str]) -> str:
    """`text` with what `put` makes of each stretch that is not in a script of `language`, a code without a country."""
    pieces = []
    place = 0
    while (letter := _NOT_LATIN.search(text, place)) is not None:
        start = letter.start()
        end = _end_of_stretch(text, start, language)
        pieces += [text[place:start], put(text[start:end]) if end > start else text[start]]
        place = max(end, start + 1)
    return "".join([*pieces, text[place:]])


def in_latin(text: str) -> str:
    """`text` in Latin letters, as AnyAscii has them: by the sound, and a syllable a Chinese character."""
    from anyascii import anyascii

    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[,.;:!?])(?=\w)", " ", anyascii(text))


def _end_of_stretch(text: str, start: int, language: str) -> int:
    """Where foreign words that begin at `start` end; `start` where none do."""
    end = start
    while (word := _end_of_word(text, start, language)) > start:
        end = _after(_WIDE_MARKS, text, word)
        start = _after(_BETWEEN_WORDS, text, end)
    return end


def _after(signs: re.Pattern[str], text: str, place: int) -> int:
    found = signs.match(text, place)
    return found.end() if found else place


def _end_of_word(text: str, start: int, language: str) -> int:
    end = start
    while end < len(text) and (_is_foreign(text[end], language) or (end > start and _belongs(text[end]))):
        end += 1
    is_symbol = end - start <= _SYMBOLS and all(_script(letter) == "GREEK" for letter in text[start:end])
    return start if is_symbol else end


def _belongs(sign: str) -> bool:
    """Whether it is a mark on the letter before it, or joins it to the next."""
    return unicodedata.category(sign)[0] == "M" or sign in "\u200c\u200d"


@cache
def _is_foreign(letter: str, language: str) -> bool:
    script = _script(letter)
    return bool(script) and script not in ("LATIN", *_SCRIPTS.get(language, "").split())


@cache
def _script(letter: str) -> str:
    """The script of a letter; "" for a sign, and for a letter that stands for itself in every script."""
    if not letter.isalpha():
        return ""
    words = unicodedata.name(letter, "UNNAMED").removeprefix("HALFWIDTH ").split()
    return "" if words[0] in _OF_NO_SCRIPT else _ALSO.get(words[0], words[0])
