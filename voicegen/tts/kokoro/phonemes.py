"""From text to the phonemes that Kokoro was trained on: espeak-ng's, in misaki's notation.

Source of the notation: misaki's EN_PHONES.md (hexgrad), which writes English in 49 signs: diphthongs and affricates are
one sign each, American has no length marks.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from voicegen.errors import ModelError
from voicegen.text.languages import family

_LANGUAGE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt", "z": "zh"}
)
"""What the first letter of a voice's name says."""

_ESPEAK: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "en-us", "es": "es", "fr": "fr", "hi": "hi", "it": "it", "pt": "pt-br"}
)
_BRITISH: Final = "en-gb-x-rp"

_AFFRICATES: Final = (("dʒ", "ʤ"), ("tʃ", "ʧ"), ("ts", "ʦ"), ("dz", "ʣ"))
_ENGLISH: Final = (
    *_AFFRICATES[:2], ("eɪ", "A"), ("aɪ", "I"), ("aʊ", "W"), ("ɔɪ", "Y"), ("oʊ", "O"), ("əʊ", "Q"), ("ɐ", "ə"),
    ("n̩", "ᵊn"), ("l̩", "ᵊl"), ("əl", "ᵊl"), ("ɬ", "l"), ("ʔ", "t"), ("r", "ɹ"),
)  # fmt: skip
_AMERICAN: Final = (*_ENGLISH, ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ː", ""), ("ɾ", "T"))
_OF_BRITAIN: Final = (*_ENGLISH, ("eə", "ɛː"), ("iə", "ɪə"), ("ᵻ", "ɪ"), ("ɚ", "ə"))

_SPEAKING: Final = threading.Lock()  # espeak-ng keeps its voice for the whole process, between two calls


def speaks(voice: str, language: str) -> bool:
    """Whether a voice is to speak a language: its own, by its name's first letter, or English, with its accent."""
    own = own_language(voice)
    return own is None or family(language) in ("en", own)


def own_language(voice: str) -> str | None:
    """The code of the language of a voice, by its name's first letter; None where that says none."""
    return _LANGUAGE_OF.get(voice[0]) if "_" in voice else None


def check_language(language: str) -> None:
    """Refuses a language of which no phonemes are made here.

    Raises:
        ModelError: says which are.
    """
    if family(language) not in _ESPEAK:
        raise ModelError(f"Kokoro speaks {', '.join(_ESPEAK)} here, not {language}: choose another language or model")


def phonemes_of(text: str, language: str, voice: str) -> str:
    """The phonemes of `text` as the voice says them, with its punctuation."""
    dialect = _BRITISH if family(language) == "en" and voice[:1] == "b" else _ESPEAK[family(language)]
    # espeak leaves out the sign of an ellipsis, and would run the words at its sides together.
    parts = [_spoken(part, dialect) for part in re.split(r"…|\.{3,}", text)]
    return "… ".join(part for part in parts if part)


def tokens_of(phonemes: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The numbers of phonemes; a sign that the model does not know is left out, but for what it is composed of."""
    known: list[int] = []
    for sign in unicodedata.normalize("NFC", phonemes):
        parts = sign if sign in vocabulary else unicodedata.normalize("NFD", sign)
        known += [vocabulary[part] for part in parts if part in vocabulary]
    return known


def _spoken(text: str, dialect: str) -> str:
    with _SPEAKING:
        sentences: Sequence[Sequence[Any]] = _espeak().phonemize(dialect, text)
    spoken = " ".join("".join(sentence) for sentence in sentences).strip()
    signs = {"en-us": _AMERICAN, _BRITISH: _OF_BRITAIN}.get(dialect, _AFFRICATES)
    for heard, written in signs:
        spoken = spoken.replace(heard, written)
    return spoken


@cache
def _espeak() -> Any:
    from piper.phonemize_espeak import EspeakPhonemizer

    return EspeakPhonemizer()
