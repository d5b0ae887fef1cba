import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegen.text.heard_numbers import numbers_said
from voicegen.text.rewriting import said_of_rewrite
from voicegen.text.spoken import spoken_form
from voicegen.text.wording import IN_ENGLISH


def said_of(rewrite: str, written: str) -> str | None:
    form = spoken_form(written, IN_ENGLISH)
    left_out = [piece.text for piece in form.left_out]
    return said_of_rewrite(rewrite, written, left_out, form.text, IN_ENGLISH)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("one thousand two hundred fifty", "1250"),
        ("fifteen hundred and one", "1501"),
        ("two million three hundred thousand and one", "2300001"),
        ("twenty-three, two three, two and three", "23 2 3 2 3"),
        ("twenty twenty-four", "20 24"),
        ("twenty, thirty", "20 30"),
        ("zero zero seven", "0 0 7"),
        ("minus three point one four percent", "minus 3 point 1 4 percent"),
        ("two and a half, three quarters", "2 half 3 quarter"),
        ("the fourth of March", "4 march"),
        ("March fourth", "4 march"),
        ("a hundred thousand", "100000"),
        ("23 apples", "23"),
        ("no number", ""),
    ],
)
def test_the_numbers_of_a_text_in_words_are_known_by_their_values(text: str, numbers: str) -> None:
    assert " ".join(numbers_said(text)) == numbers


@pytest.mark.parametrize(
    ("written", "rewrite", "said"),
    [
        ("It weighs 5 kg.", "It weighs five kilograms.", "It weighs five kilograms."),
        ("It rose 5% in 2024.", "It rose by 5 percent in 2024.", "It rose by five percent in twenty twenty-four."),
        ("It costs $1,500.", "It costs fifteen hundred dollars.", "It costs fifteen hundred dollars."),
        ("- Salt\n- Flour", "Salt, and flour.", "Salt, and flour."),
        ("| Name | Age |\n|---|---|\n| Ann | 7 |", "Name and age of Ann: 7.", "Name and age of Ann: seven."),
    ],
)
def test_a_rewrite_that_says_all_and_adds_a_little_is_spoken(written: str, rewrite: str, said: str) -> None:
    assert said_of(rewrite, written) == said


@pytest.mark.parametrize(
    ("written", "rewrite"),
    [
        ("It weighs 5 kg.", "It weighs six kilograms."),
        ("It weighs 5 kg.", "It weighs 5, yes, 5 kilograms."),
        ("Ann is 30 and Bob is 40.", "Ann is 40 and Bob is 30."),
        ("It was 23 degrees.", "It was two three degrees."),
        ("It was 5 degrees.", "It was minus 5 degrees."),
        ("It grew by 5.", "It grew by 5 percent."),
        ("It grew by 5 a day.", "It grew by 5 and a half a day."),
        ("We met on 3/4/2021 in Rome.", "We met on April third, 2021 in Rome."),
        (r"It is $x^2 = 4$ here.", "It is x squared equals five here."),
        (r"It is $\sin x$ here.", "It is x here."),
        ("You must stop now.", "You must not stop now."),
        ("You can't stop now.", "You can stop now."),
        ("Add the salt and stir.", "Add the salt."),
        ("Bread rises.", "Sure! Here is the text: Bread rises."),
        ("Bread rises.", "Bread rises. Anything else?"),
        ("Bread rises.", "Bread rises. Bread rises."),
        ("Bread rises.", ""),
        ("Bread rises.", "🙂"),
        ("Bread rises.", "Bread, as 面包, rises."),
        ("Bread rises.", "Bread " + "and bread " * 20_000 + "rises."),
    ],
)
def test_a_rewrite_that_loses_or_changes_something_or_speaks_of_itself_is_not_spoken(
    written: str, rewrite: str
) -> None:
    assert said_of(rewrite, written) is None


_NUMBERS = st.lists(st.integers(0, 20_000), min_size=1, max_size=3)


def _text(numbers: list[int], spelled: bool) -> str:
    names = [
        spoken_form(f"{number:,}", IN_ENGLISH).text.rstrip(".") if spelled else f"{number:,}" for number in numbers
    ]
    return "We saw " + " and then ".join(f"{name} birds" for name in names) + " there."


@given(_NUMBERS, _NUMBERS, st.booleans())
def test_no_number_is_ever_changed(written: list[int], rewrite: list[int], spelled: bool) -> None:
    said = said_of(_text(rewrite, spelled), _text(written, False))
    assert (said is not None) == (written == rewrite)
