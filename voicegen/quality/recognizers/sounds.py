"""How words sound, as espeak-ng reads them: a recognizer that writes "plant chat" for "planchette" heard the word.

Where espeak-ng does not know the language, letters stand for sounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final

from voicegen.text.languages import family
from voicegen.text.spoken import to_spoken

_ESPEAK: Final[Mapping[str, str]] = MappingProxyType({"en": "en-us", "pt": "pt-br", "zh": "cmn"})
"""What espeak-ng calls a language, where it is not by its code."""
_TO_BE_READ: Final = re.compile(r"[\d%$€£&+=°]")
_NO_WORD: Final = re.compile(r"[^\w' ]+")
_VOWELS: Final = frozenset("aeiouyæœøɐɑɒɔəɛɜɤɨɪɯʊʌᵻɘɵɞɚɝ")
_SLIGHT: Final = frozenset("əɐᵻ")
_KINDS: Final = MappingProxyType(
    {
        sign: signs[0]
        for signs in ("pb", "tdɾθðʔ", "kɡgxqcç", "fvβ", "szʃʒʂʐɕʑ", "nmŋɲ", "lɬʎ", "rɹʁɾɻ", "wʍ", "h", "jʲ")
        for sign in signs
    }
)
"""Consonants, by what they are taken for."""
_SLURRED: Final = frozenset("hj")
_OF_A_KIND: Final = 0.3  # of a sound: how far two of a kind are from each other


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound of speech: its sign, of which kind it is, and how much its loss is heard (1 a plain consonant's)."""

    sign: str
    kind: str
    weight: float


Sounds = tuple[Sound, ...]


@lru_cache(65536)
def sounds(text: str, language: str) -> Sounds:
    """The sounds of a text, numbers and signs as they are read."""
    return tuple(sound for word in spoken_words(text, language) for sound in _of_word(word, language))


def spoken_words(text: str, language: str) -> list[str]:
    """Its words, numbers and signs as they are read."""
    spoken = to_spoken(text, language) if _TO_BE_READ.search(text) else text
    return _NO_WORD.sub(" ", spoken).split()


def weight(spoken: Sounds) -> float:
    """How many sounds those are."""
    return sum(sound.weight for sound in spoken)


def distance(meant: Sounds, heard: Sounds) -> float:
    """How many sounds are left out, put in or exchanged: the least that makes the one of the other."""
    return _distances(meant, heard)[-1][-1]


def lost_first(meant: Sounds, heard: Sounds) -> float:
    """How many sounds are left out before the first one that was heard, less those that were heard in their place."""
    rows = _distances(meant[::-1], heard[::-1])  # so that the way back begins where the text does
    lost, i, j = 0.0, len(meant), len(heard)
    while i or j:
        one, other = meant[-i] if i else None, heard[-j] if j else None
        if one and other and rows[i][j] == rows[i - 1][j - 1] + _between(one, other):
            if _between(one, other) < 1:
                break
            lost, i, j = lost + one.weight - other.weight, i - 1, j - 1
        elif one and rows[i][j] == rows[i - 1][j] + one.weight:
            lost, i = lost + one.weight, i - 1
        elif other:
            lost, j = lost - other.weight, j - 1
    return lost


def _distances(meant: Sounds, heard: Sounds) -> list[list[float]]:
    """(meant + 1, heard + 1): of the first so many of either."""
    rows = [[0.0]]
    for sound in heard:
        rows[0].append(rows[0][-1] + sound.weight)
    for one in meant:
        before, row = rows[-1], [rows[-1][0] + one.weight]
        for place, other in enumerate(heard):
            row.append(
                min(before[place] + _between(one, other), before[place + 1] + one.weight, row[-1] + other.weight)
            )
        rows.append(row)
    return rows


def _between(one: Sound, other: Sound) -> float:
    if one.sign == other.sign:
        return 0.0
    return _OF_A_KIND if one.kind == other.kind else 1.0


@lru_cache(65536)
def _of_word(word: str, language: str) -> Sounds:
    found = []
    for sign in _signs(word, language):
        if sign in _VOWELS:
            found.append(Sound(sign, "vowel", 0.5 if sign in _SLIGHT else 0.8))
        elif sign in _KINDS:
            found.append(Sound(sign, _KINDS[sign], 0.5 if _KINDS[sign] in _SLURRED else 1.0))
    return tuple(found)


def _signs(word: str, language: str) -> str:
    code = family(language)
    try:
        sentences = _espeak().phonemize(_ESPEAK.get(code, code), word)
    except RuntimeError:  # espeak-ng has no such language
        return word.lower()
    return "".join(sign for sentence in sentences for sign in sentence)


@cache
def _espeak() -> Any:
    from piper.phonemize_espeak import EspeakPhonemizer

    return EspeakPhonemizer()
