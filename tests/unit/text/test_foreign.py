import pytest

from voicegen.text.spoken import LeftOut, spoken_form
from voicegen.text.wording import Wording

ROMANIZING = Wording("en", foreign="romanize")


@pytest.mark.parametrize(
    ("written", "language", "lost"),
    [
        ("你好，世界。", "en", ["你好，世界。"]),
        ("The word 你好 means hello, (北京) is a city.", "en", ["你好", "北京"]),
        ("Привет, мир!", "de", ["Привет, мир"]),
        ("Guten Tag, שלום!", "de", ["שלום"]),
        ("नमस्ते दुनिया", "en", ["नमस्ते दुनिया"]),
        ("λόγος means word", "en", ["λόγος"]),
        ("Привет こんにちは", "ru", ["こんにちは"]),
        ("# 東京\n\nis a city", "en", ["東京"]),
    ],
)
def test_words_in_a_script_that_the_language_does_not_have_are_refused_with_the_reason(written, language, lost):
    form = spoken_form(written, Wording(language))
    assert form.left_out == tuple(LeftOut("foreign", text, inside=True) for text in lost)
    assert form.problem == (
        f"these letters are not read in {language}: {lost[0]}; set tts.language to what is written, or "
        "text.foreign=romanize to have it in Latin letters"
    )


@pytest.mark.parametrize(
    ("written", "language"),
    [
        ("The café in Łódź, says Søren Müller, is très bon.", "en"),
        ("Nguyễn Văn Thiệu, Čapek, İstanbul, Þór, Ǆ, ʻokina, ʃ", "en"),
        ("你好 AI 世界", "zh-CN"),
        ("こんにちは東京タワー 時々", "ja"),
        ("안녕하세요 大韓民國", "ko"),
        ("Привет, Anna", "ru"),
        ("Ελληνικά", "el"),
        ("नमस्ते", "hi"),
        ("مرحبا", "ar_JO"),
        ("Δx ist α", "de"),
    ],
)
def test_the_languages_own_script_and_latin_letters_with_accents_stay(written, language):
    form = spoken_form(written, Wording(language))
    assert form.text == written
    assert form.problem is None


def test_single_greek_letters_are_symbols():
    assert (
        spoken_form("The angle Δθ and 5 μm of π", Wording()).text == "The angle delta theta and five micrometers of pi"
    )


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("The word 你好 (北京) means hello.", "The word Ni Hao (Bei Jing) means hello."),
        ("Привет, мир!", "Privet, mir!"),
        ("你好，世界。谢谢！", "Ni Hao, Shi Jie. Xie Xie!"),
        ("안녕하세요", "An Nyeong Ha Se Yo"),
        ("λόγος means word", "logos means word"),
    ],
)
def test_foreign_words_can_be_had_in_latin_letters(written, spoken):
    form = spoken_form(written, ROMANIZING)
    assert (form.text, form.left_out, form.problem) == (spoken, (), None)


def test_very_much_of_another_script_takes_no_time():
    assert spoken_form("你好 " * 30_000, Wording()).text == ""
    assert spoken_form("你好 " * 30_000, Wording("zh")).text.startswith("你好 你好")
