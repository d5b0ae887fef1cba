import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicegen.text.spoken import to_spoken
from voicegen.text.wording import IN_ENGLISH, Wording
from voicegen.voicechat.sentences import SpeakablePieces

ANSWERS = {
    "plain": "Hello there. Dr. Smith paid $3.50, e.g. for tea. He left at 7:45 p.m. on Jan. 5. Then nothing.",
    "marked up": "**Paris. The city** is *big. And* old. See [the site. It](http://x.org/a.b?c=d) now. `A. B` is it.",
    "document": "# A title\n\nIntro: one, two.\n\n1. First thing. It is good.\n2. Second\n- x\n- y\n\n"
    "| a | b |\n|---|---|\n| 1. A | 2 |\nDone. OK",
    "code": "Run this:\n```python\nx = 1. \nprint('A. B')\n```\nThat was it. Right?",
    "sums": "5 * 3 is 15. 2 * 2 is 4. Use snake_case names, and be _very. very_ careful. Fine.",
    "formulas": "We know $f(x, y) = 2$ and \\( a, b \\). Then:\n\n\\[\n2x. Y\n- y = 3\n\\]\n\nIt is $5. Or $6. Fine.",
    "unclosed": "It is **bold. And goes on. Then [this one. And `that. End",
}


def pieces(text: str, size: int = 1) -> list[str]:
    speakable = SpeakablePieces()
    out = [piece for start in range(0, len(text), size) for piece in speakable.add(text[start : start + size])]
    return out + speakable.finish()


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def test_a_sentence_is_given_as_soon_as_the_next_word_is_whole():
    speakable = SpeakablePieces()
    assert speakable.add("It is warm. The") == []
    assert speakable.add(" sun") == ["It is warm."]
    assert speakable.finish() == ["The sun"]


def test_the_first_piece_may_be_a_clause_and_later_ones_are_whole_sentences():
    text = "When the sun has set at last, the birds fall silent. After a while, they wake again, and sing. So it goes."
    assert pieces(text) == [
        "When the sun has set at last,",
        "the birds fall silent.",
        "After a while, they wake again, and sing.",
        "So it goes.",
    ]


@pytest.mark.parametrize(
    "text", ["Yes, it is so, I think", "On the 4th of July, 2024 it rained", "Roughly 1,000,000 of them"]
)
def test_a_first_clause_is_not_cut_short_nor_before_a_number(text):
    speakable = SpeakablePieces()
    assert speakable.add(text) == []
    assert speakable.finish() == [to_spoken(text)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Bees collect nectar from flowers and use it to make honey.", "Bees collect nectar from flowers"),
        ("A boat sails against the wind by using its sails.", "A boat sails against the wind"),
        ("It lies between the river Elbe and the river Oder.", "It lies between the river Elbe and the river Oder."),
        ("The number that we look for is 15 and 3 more.", "The number that we look for is fifteen and three more."),
        ("It is **bold and brave, they say, and** it wins.", "It is bold and brave, they say, and it wins."),
    ],
)
def test_a_long_first_sentence_begins_with_a_phrase(text, first):
    assert pieces(text)[0] == first


def test_phrases_are_looked_for_in_english_only():
    text = "Die Bienen sammeln den Nektar or so."
    assert SpeakablePieces(Wording("de")).add(text) == []
    assert SpeakablePieces(IN_ENGLISH).add(text) == ["Die Bienen sammeln den Nektar"]


def test_abbreviations_decimals_and_times_end_nothing():
    assert pieces(ANSWERS["plain"]) == [
        "Hello there.",
        "Doctor Smith paid three dollars and fifty cents, for example for tea.",
        "He left at seven forty-five PM on January fifth.",
        "Then nothing.",
    ]


def test_emphasis_links_and_code_are_never_cut_inside():
    assert pieces(ANSWERS["marked up"]) == [
        "Paris. The city is big. And old.",
        "See the site. It now.",
        to_spoken("`A. B` is it."),
    ]


def test_headings_items_and_tables_are_pieces_of_their_own():
    assert pieces(ANSWERS["document"]) == [
        "A title",
        "Intro: one, two.",
        "one. First thing.",
        "It is good.",
        "two. Second",
        "x",
        "y",
        "a, b. one. A, two",
        "Done.",
        "OK",
    ]


def test_a_block_of_code_is_not_spoken():
    assert pieces(ANSWERS["code"]) == ["Run this:", "That was it.", "Right?"]


def test_markup_that_is_never_closed_delays_a_paragraph_but_loses_nothing():
    assert letters("".join(pieces(ANSWERS["unclosed"]))) == letters(to_spoken(ANSWERS["unclosed"]))
    assert pieces("It is **bold. And on.\n\nNext one. End") == ["It is bold. And on.", "Next one.", "End"]


def test_nothing_to_say_gives_no_pieces():
    assert pieces("") == pieces(" \n\n---\n") == pieces("```\ncode\n```") == []


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_every_word_is_said_once_whatever_the_deltas(name, size):
    assert letters("".join(pieces(ANSWERS[name], size))) == letters(to_spoken(ANSWERS[name]))


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["One", "two.", "three,", "e.g.", "**a", "b**", "`c`", "[d](http://e.org)", "4.5", "!", "\n\n"])
    ),
    sizes=st.lists(st.integers(1, 9), min_size=1),
)
def test_every_word_of_any_prose_is_said_once_in_order(words, sizes):
    text = " ".join(words)
    speakable = SpeakablePieces()
    said, position = [], 0
    while position < len(text):
        size = sizes[position % len(sizes)]
        said += speakable.add(text[position : position + size])
        position += size
    assert letters("".join(said + speakable.finish())) == letters(to_spoken(text))


def test_of_an_answer_that_was_cut_only_what_is_whole_is_said() -> None:
    pieces = SpeakablePieces()
    said = pieces.add("It rains a lot today. It pours. The ol") + pieces.finish(cut=True)
    assert (" ".join(said), pieces.left_out) == ("It rains a lot today. It pours.", ["The ol"])
