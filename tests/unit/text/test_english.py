"""English in words: a golden table by kind, hard sentences by their phonemes, and what holds for every text."""

from __future__ import annotations

import re
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spoken_cases import cases, phoneme_error
from voicegen.text.english import in_words
from voicegen.text.english.numbers import cardinal, ordinal, year
from voicegen.text.spoken import to_spoken


@pytest.mark.parametrize(("kind", "written", "readings"), list(cases("english.txt")))
def test_what_is_written_is_read_as_a_person_reads_it(kind: str, written: str, readings: list[str]) -> None:
    assert to_spoken(written) in readings


@pytest.mark.parametrize("written", [written for _, written, _ in cases("english.txt")])
def test_what_is_in_words_is_read_as_it_stands(written: str) -> None:
    spoken = in_words(written)
    assert in_words(spoken) == spoken


@pytest.mark.parametrize(
    ("part", "size"), [("for building", 60), ("kept apart", 60), ("formulas and codes, kept apart", 30)]
)
def test_hard_sentences_sound_as_a_person_reads_them(part: str, size: int) -> None:
    errors = [
        phoneme_error(to_spoken(written), reading)
        for kind, written, [reading] in cases("hard_english.txt")
        if kind == part
    ]
    assert len(errors) == size
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
    [(1066, "ten sixty-six"), (1900, "nineteen hundred"), (1905, "nineteen oh five"), (2000, "two thousand"),
     (2009, "two thousand nine"), (2024, "twenty twenty-four")],
)  # fmt: skip
def test_years(number: int, words: str) -> None:
    assert year(number) == words


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("in 1908, 1948 and 2012", "in nineteen oh eight, nineteen forty-eight and twenty twelve"),
        ("in 1908, 1948, or 2012", "in nineteen oh eight, nineteen forty-eight, or twenty twelve"),
        ("Sales: 1250, 1300 units", "Sales: one thousand two hundred fifty, one thousand three hundred units"),
    ],
)
def test_years_one_after_another_are_all_read_as_years(written: str, said: str) -> None:
    assert to_spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("From 3:30 p.m. to 4:45 p.m. on Thursday.", "From three thirty PM to four forty-five PM on Thursday."),
        ("Till 4:45 p.m. On Thursday too.", "Till four forty-five PM. On Thursday too."),
        ("From 3 p.m. to 4 p.m. On Thursday too.", "From three PM to four PM. On Thursday too."),
    ],
)
def test_the_point_of_pm_ends_a_sentence_only_before_a_capital(written: str, said: str) -> None:
    assert to_spoken(written) == said
