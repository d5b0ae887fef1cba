"""Formulas in LaTeX: their words are in the golden table, here is where they stand and what is done with the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegen.text.spoken import LeftOut, spoken_form, to_spoken
from voicegen.text.wording import IN_ENGLISH, Wording


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("We get\n\\[\nx = \\frac{1}{2}\n\\]\nso it holds.", "We get x equals one half so it holds."),
        ("\\begin{align*}\n2x &= 8 \\\\\nx &= 4\n\\end{align*}", "two x equals eight, x equals four"),
        ("$$\n- x = 3\n$$", "minus x equals three"),
        ("- $x$ is one\n- \\(y\\) is two", "x is one. y is two"),
        ("| a | b |\n|---|---|\n| $|x|$ | $\\frac12$ |", "a, b. the absolute value of x, one half"),
        ("**$x_1$** and *$x_2$* and $a*b*c$", "x one and x two and a times b times c"),
        ("If $x<y$ and $y>z$.", "If x is less than y and y is greater than z."),
    ],
)
def test_a_formula_is_read_wherever_it_stands(written, spoken):
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is $5, or 10$ for two.", "It is five dollars, or ten dollars for two."),
        ("From $5 to $x$.", "From five dollars to x."),
        ("It was US$ 5 and C$ 6.", "It was five US dollars and six Canadian dollars."),
        ("Set $HOME and $PATH now.", "Set dollar HOME and dollar PATH now."),
        (r"It is \$5 or \$6.", "It is five dollars or six dollars."),
        (r"C:\Users\pi and \n stay.", "C colon backslash Users backslash pi and backslash n stay."),
        (r"A \[note\] stays.", "A [note] stays."),
        (r"Write \usepackage now.", "Write backslash usepackage now."),
    ],
)
def test_money_names_paths_and_escapes_are_no_formulas(written, spoken):
    assert to_spoken(written) == spoken


def test_code_holds_no_formulas():
    form = spoken_form("A\n\n```\n$x$ \\frac12\n```\n\nand `$y`.", IN_ENGLISH)
    assert form.text == "A. and dollar y."
    assert form.left_out == (LeftOut("code", r"$x$ \frac12"),)


@pytest.mark.parametrize(
    "written",
    [
        r"$\foo{x}$",
        r"\(\frac{1\)",
        r"$$\unknown x$$",
        r"\begin{nothing}x\end{nothing}",
        r"$\begin{pmatrix}\end{pmatrix}$",
    ],
)
def test_a_formula_without_words_is_left_out_and_its_row_may_not_be_taken_as_said(written):
    form = spoken_form(f"So {written} holds.", IN_ENGLISH)
    assert form.text == "So holds."
    assert form.left_out == (LeftOut("maths", written, inside=True),)
    assert form.problem is not None
    assert form.problem.startswith("a sentence would lose a formula that has no words in en: ")


def test_another_language_has_formulas_read_where_the_library_has_its_words():
    assert to_spoken(r"Also $x^2 = \frac{1}{3}$.", "de") == "Also x Quadrat ist gleich ein Drittel."
    assert spoken_form(r"Niin $\frac{1}{3}$ on.", Wording("fi")).left_out == (
        LeftOut("maths", r"$\frac{1}{3}$", inside=True),
    )


COMMANDS = r"\\(?:si|SI|num|unit|SIrange|begin\{(?:pmatrix|cases)\}|end\{(?:pmatrix|cases)\}|binom|sqrt|overset|lim|ce)"
PIECES = COMMANDS + r"|\\?(?:frac|sum|left\(|right\)|text\{|mid|[\\\[\]()])|\$\$?|[{}()|xaé^_&%#~'`.: \n]|12"


@given(st.lists(st.from_regex(PIECES, fullmatch=True), max_size=25).map("".join))
def test_anything_that_looks_like_a_formula_is_read_without_a_complaint(text):
    spoken = to_spoken(text)
    assert "\ufffc" not in spoken
    assert "\n" not in spoken


# Each of these took minutes if the search for an end were made again and again.
@pytest.mark.parametrize("opening", [r"\[ ", r"\( ", r"\begin{align} ", "$ ", "$$", "` `` ``` ", r"\frac{", "(" * 50])
def test_any_number_of_openings_without_an_end_is_text(opening):
    assert to_spoken(opening * 5_000 + "\n\nThen words.").endswith("Then words.")
