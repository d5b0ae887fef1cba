import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spoken_cases import cases
from voicegen.text.english.numbers import cardinal
from voicegen.text.spoken import LeftOut, spoken_form
from voicegen.text.wording import IN_ENGLISH, Wording

GERMAN = Wording("de")
SKIPPING = Wording("en", code="skip", url="skip")


@pytest.mark.parametrize(
    ("written", "spoken", "left_out"),
    [
        ("Before.\n\n```py\nx = 1\n```\n\nAfter.", "Before. After.", [LeftOut("code", "x = 1")]),
        ("1. ```\n   go\n   ```\n2. Done", "one. two. Done", [LeftOut("code", "go")]),
        ("Great 👍🏽 work ❤️!", "Great work!", [LeftOut("emoji", "👍🏽"), LeftOut("emoji", "❤️")]),
        ("A :+1: and :smile: here.", "A and here.", [LeftOut("emoji", ":+1:"), LeftOut("emoji", ":smile:")]),
        ("Look: ![](a.png)", "Look:", [LeftOut("image", "a.png")]),
        ("See [it](https://a.org) and ![a cat](b.png).", "See it and a cat.", []),
        ("**Bold** <b>tags</b><!-- note -->, \x07bells[^1] and | bars", "Bold tags, bells and bars", []),
    ],
)
def test_what_stands_apart_from_sentences_is_listed_and_formatting_is_not(written, spoken, left_out):
    form = spoken_form(written, IN_ENGLISH)
    assert (form.text, list(form.left_out), form.problem) == (spoken, left_out, None)


def test_a_sentence_that_would_lose_code_or_an_address_says_so_unless_that_is_wanted():
    code = "Rufe `print('x')` auf."
    address = "Siehe https://example.org/a."
    assert spoken_form(code, GERMAN).problem == (
        "a sentence would lose code that is not read in de: print('x'); text.code=skip leaves it out"
    )
    assert spoken_form(address, GERMAN).problem == (
        "a sentence would lose an address that is not read in de: https://example.org/a; text.url=skip leaves it out"
    )
    assert spoken_form(code, Wording("de", code="skip")).problem is None
    assert spoken_form(address, Wording("de", url="skip")).left_out == (
        LeftOut("url", "https://example.org/a", inside=True),
    )


def test_addresses_that_are_no_part_of_a_sentence_may_be_left_out():
    form = spoken_form("Quellen:\n\n1. https://a.org\n2. <https://b.org>", GERMAN)
    assert [piece.text for piece in form.left_out] == ["https://a.org", "https://b.org"]
    assert form.problem is None


def test_code_that_is_words_is_read_in_every_language():
    assert spoken_form("Die Funktion `read_file()` liest.", GERMAN).text == "Die Funktion read file liest."


def test_english_may_skip_what_it_can_read():
    form = spoken_form("Call `len()` now, or see https://a.org.", SKIPPING)
    assert form.text == "Call now, or see."
    assert [piece.text for piece in form.left_out] == ["len()", "https://a.org"]
    assert form.problem is None


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("C♯ is not D♭.", "C sharp is not D flat."),
        ("Press ⌥S.", "Press Option S."),
        ("❶ Mix ❷ bake", "one Mix two bake"),
        ("A ⊎ B at 5 ℃", "A multiset union B at five degrees Celsius"),
        ("| Works | Fast |\n|---|---|\n| ✅ | ✗ |", "Works, Fast. yes, no"),
        ("● one ■ two ├─ three", "● one ■ two ├─ three"),
    ],
)
def test_signs_that_mean_something_are_said(written, spoken):
    assert spoken_form(written, IN_ENGLISH).text == spoken


WORDS = (
    st.text("bcdfgklmnprtvz", min_size=3, max_size=7)
    .filter(lambda word: not re.search(r"(.)\1", word))
    .map(lambda word: "o".join(word))
)
NUMBERS = st.integers(2, 999_999)
SIGNS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "≠": "is not equal to",
    "→": "to",
    "√": "the square root of",
    "€": "euro",
}


@st.composite
def phrases(draw):
    """Markdown, and what it says in order."""
    kind = draw(st.sampled_from(["word", "number", "sign", "code", "bold", "link", "address", "file", "fence", "item"]))
    word, other = draw(WORDS), draw(WORDS)
    match kind:
        case "word":
            return f"{word} ", [word]
        case "number":
            number = draw(NUMBERS)
            return f"{word} has {number} {other}. ", [word, cardinal(number), other]
        case "sign":
            sign = draw(st.sampled_from(sorted(SIGNS)))
            return f"{word} {sign} {other} ", [word, SIGNS[sign], other]
        case "code":
            number = draw(st.integers(2, 99))
            return f"`{word}({other}[{number}])` ", [word, other, cardinal(number)]
        case "bold":
            return f"**{word}** _{other}_ ", [word, other]
        case "link":
            return f"[{word} {other}](https://x.org/{other}) ", [word, other]
        case "address":
            return f"https://{word}.org/{other} ", [word, "dot", "org", "slash", other]
        case "file":
            return f"{word}/{other}.py ", [word, other]
        case "fence":
            return f"\n\n```\n{word}\n```\n\n", []
        case _:
            return f"\n\n- {word}\n- {other}\n\n", [word, other]


@given(st.lists(phrases(), min_size=1, max_size=12))
def test_every_word_number_and_sign_is_said_in_order_or_listed(parts):
    text = "".join(written for written, _ in parts)
    form = spoken_form(text, IN_ENGLISH)
    place = 0
    for said in (word for _, words in parts for word in words):
        found = form.text.find(said, place)
        assert found >= 0, f"{said!r} of {text!r} is not in {form.text[place:]!r}"
        place = found + len(said)
    fences = re.findall(r"```\n(.*)\n```", text)
    assert [piece.text for piece in form.left_out] == fences
    assert form.problem is None


PLAIN_WORD = re.compile(r"(?<![^\s(\"“*])(?<!\d )[a-z]{4,}(?=[\s,;!?)*]|:\s|\.?$)")  # no unit, no abbreviation


@pytest.mark.parametrize("name", ["english.txt", "hard_english.txt"])
def test_no_plain_word_of_the_golden_sentences_is_lost(name):
    for _, written, _ in cases(name):
        form = spoken_form(written, IN_ENGLISH)
        spoken = form.text.casefold()
        lost = [word for word in PLAIN_WORD.findall(written) if word not in spoken]
        assert not lost, (written, form.text)
        assert not form.left_out
        assert not re.search(r"\d", form.text)
