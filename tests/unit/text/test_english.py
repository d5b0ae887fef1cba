"""English in words: a golden table by kind, hard sentences by their phonemes, and what holds for every text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from piper.phonemize_espeak import EspeakPhonemizer

from voicegen.text.english import in_words
from voicegen.text.english.numbers import cardinal, ordinal, year
from voicegen.text.spoken import to_spoken

GOLDEN = Path(__file__).parents[2] / "golden"


def _cases(name: str) -> Iterator[tuple[str, str, list[str]]]:
    kind = ""
    for line in (GOLDEN / name).read_text(encoding="utf-8").splitlines():
        written, divided, spoken = line.partition(" => ")
        if divided and not line.startswith("#"):
            yield kind, written, spoken.split(" | ")
        elif line.startswith("["):
            kind = line.strip("[]")


@pytest.mark.parametrize(("kind", "written", "readings"), list(_cases("english.txt")))
def test_what_is_written_is_read_as_a_person_reads_it(kind: str, written: str, readings: list[str]) -> None:
    assert to_spoken(written) in readings


@pytest.mark.parametrize("written", [written for _, written, _ in _cases("english.txt")])
def test_what_is_in_words_is_read_as_it_stands(written: str) -> None:
    spoken = in_words(written)
    assert in_words(spoken) == spoken


def _phonemes(text: str) -> list[str]:
    sounds = "".join(sound for sentence in _ESPEAK.phonemize("en-us", text) for sound in sentence)
    return [sound for sound in sounds if unicodedata.category(sound)[0] == "L"]


def _distance(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for at, sound in enumerate(one, 1):
        before, row[0] = row[0], at
        for place, against in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (sound != against))
    return row[-1]


_ESPEAK = EspeakPhonemizer()


@pytest.mark.parametrize("half", ["for building", "kept apart"])
def test_hard_sentences_sound_as_a_person_reads_them(half: str) -> None:
    errors = []
    for kind, written, [reading] in _cases("hard_english.txt"):
        if kind == half:
            meant = _phonemes(reading)
            errors.append(_distance(meant, _phonemes(to_spoken(written))) / len(meant))
    assert len(errors) == 60
    assert fmean(errors) <= 0.05
    assert sum(error <= 0.05 for error in errors) >= 0.9 * len(errors)


@given(st.text(st.sampled_from("0123456789.,:-/$%€°²×+=()[]#@&<>~^'\" abcXIVkmGB"), max_size=40))
def test_no_digit_is_left_to_the_voice_and_nothing_changes_twice(text: str) -> None:
    spoken = in_words(text)
    assert not re.search(r"\d", spoken)
    assert in_words(spoken) == spoken


@given(st.text(max_size=60))
def test_any_text_is_read_without_a_complaint(text: str) -> None:
    assert isinstance(to_spoken(text), str)


@given(st.integers(-(10**30), 10**30))
def test_a_cardinal_is_words_alone(number: int) -> None:
    assert re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", cardinal(number))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zeroth"),
        (1, "first"),
        (12, "twelfth"),
        (20, "twentieth"),
        (101, "one hundred first"),
        (1000, "one thousandth"),
    ],
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1066, "one thousand sixty-six"), (1900, "nineteen hundred"), (1905, "nineteen oh five"), (2000, "two thousand"),
     (2009, "two thousand nine"), (2024, "twenty twenty-four")],
)  # fmt: skip
def test_years(number: int, words: str) -> None:
    assert year(number) == words
