"""The characters of a text that mean something: composed, without another dress, without what steers a terminal."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)|\x1b[ -/]*[0-~]"
)
_LETTERS_IN_DISGUISE = ("<font>", "<wide>", "<narrow>", "<circle>", "<initial>", "<medial>", "<final>", "<isolated>")
_LIGATURES_AND_NUMERALS = re.compile("[\ufb00-\ufb06\u2160-\u217f]")
_NUMBERS_IN_DISCS = "".join(map(chr, range(0x2776, 0x2794)))  # which Unicode decomposes to nothing
_HALF_WIDTH_JAMO = re.compile("[\uffa0-\uffdc]")  # their full forms would no longer join to syllables
_JOINERS = "\u200c\u200d"  # letters of some scripts need them
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def printable(text: str) -> str:
    """Composes accents, undresses letters and drops escape sequences, controls, invisible and private characters."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.isascii():
        text = unicodedata.normalize("NFC", _BEYOND_ASCII.sub(lambda character: _plain(character[0]), text))
    if text.replace("\n", "").isprintable():
        return text
    return "".join(filter(_is_kept, text))


def _is_kept(character: str) -> bool:
    if character in "\n\t" + _JOINERS or character.isprintable():
        return True
    return unicodedata.category(character)[0] == "Z"


@lru_cache(1024)
def _plain(character: str) -> str:
    """A letter or digit without its dress; raised and lowered ones and fractions stay, as they mean something else."""
    if character in _NUMBERS_IN_DISCS:
        return f"{unicodedata.numeric(character):.0f}"
    if not character.isalnum() or _HALF_WIDTH_JAMO.match(character):
        return character
    dressed = unicodedata.decomposition(character).startswith(_LETTERS_IN_DISGUISE)
    folds = dressed or _LIGATURES_AND_NUMERALS.match(character)
    return unicodedata.normalize("NFKC", character) if folds else character
