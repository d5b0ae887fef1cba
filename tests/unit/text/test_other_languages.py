import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegen.text.spoken import to_spoken
from voicegen.text.wording import Wording


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "Es sind 3,5 kg. Ja.", "Es sind drei Komma fünf Kilogramm. Ja."),
        ("de-AT", "Das 2. Kapitel endet am 3. Mai. Es hat 21 Seiten.",
         "Das zweite Kapitel endet am dritten Mai. Es hat einundzwanzig Seiten."),
        ("de", "Um 18:20 Uhr kostet es 12,50 €.", "Um achtzehn Uhr zwanzig kostet es zwölf Euro fünfzig Cent."),
        ("fr", "Il y a 21 maisons.", "Il y a vingt et un maisons."),
        ("es", "El 45 % en 1999.", "El cuarenta y cinco por ciento en mil novecientos noventa y nueve."),
        ("zh-CN", "有21个人。", "有21个人。"),
        ("hi", "21 लोग", "21 लोग"),
        ("xx", "21 of them", "21 of them"),
    ],
)  # fmt: skip
def test_numbers_of_other_languages_are_words_where_a_library_knows_them(language, written, spoken):
    assert to_spoken(written, language) == spoken


def test_a_language_whose_numbers_are_left_to_the_voice_says_so():
    for language in ("hi", "ja", "zh-CN", "xx"):
        told = f"numbers are left to the voice, as their words are not known in {language}"
        assert Wording(language).remark == told
    assert [Wording(language).remark for language in ("en", "de", "pt-BR")] == [None] * 3


def test_what_is_no_sentence_by_its_length_is_left_to_the_voice():
    text = "und 21 " * 10_000
    assert to_spoken(text, "de") == text.strip()


@settings(max_examples=60, deadline=None)
@given(st.text("0123456789 .,:-/%€()'abskgm²éß\n"))
def test_any_digits_and_signs_can_be_given(text):
    to_spoken(text, "de")


def test_a_number_beyond_the_librarys_words_is_left_to_the_voice() -> None:
    assert to_spoken("Es sind 1000000000000000.", "de") == "Es sind 1000000000000000."
