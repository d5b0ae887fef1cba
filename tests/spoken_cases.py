"""Sentences with the way a person reads them, and how far a spoken form is from it by ear."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def cases(name: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields kind, what is written, and the readings that are right."""
    kind = ""
    for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines():
        written, divided, spoken = line.partition(" => ")
        if divided and not line.startswith("#"):
            yield kind, written, spoken.split(" | ")
        elif line.startswith("["):
            kind = line.strip("[]")


def phoneme_error(spoken: str, reading: str) -> float:
    """The edit distance of two texts' phonemes, as espeak says them, over those of the second."""
    meant = _phonemes(reading)
    return _distance(meant, _phonemes(spoken)) / len(meant)


def _phonemes(text: str) -> list[str]:
    sounds = "".join(sound for sentence in _espeak().phonemize("en-us", text) for sound in sentence)
    return [sound for sound in sounds if unicodedata.category(sound)[0] == "L"]


@cache
def _espeak():
    from piper.phonemize_espeak import EspeakPhonemizer

    return EspeakPhonemizer()


def _distance(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for at, sound in enumerate(one, 1):
        before, row[0] = row[0], at
        for place, against in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (sound != against))
    return row[-1]
