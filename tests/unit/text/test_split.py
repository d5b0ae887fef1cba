import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegen.text.split import split_for_speech, split_sentences

TEXTS = st.text(st.sampled_from('aB3.,!?;:…。，" ()\n-—\u0301é'), max_size=200)


def solid(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith went to the U.S. Army base.", "He left."],
        ["He lives in the U.S.", "The weather is nice."],
        ["It cost 3.14 dollars, e.g. almost nothing.", "Good!"],
        ['"Really?" she said.', '"Really?"', "She left."],
        ["wait... what?", "Yes!"],
        ["J. R. R. Tolkien wrote it.", "I read it."],
        ["No. 5 is alive.", "No.", "I see."],
        ["Apples, pears, etc.", "Then they left."],
        ["At 5 p.m. Bob left.", "At 6 p.m.", "The show began."],
        ["1. Take the lid off.", "2. Stir."],
        ["It was I.", "You know it."],
        ["She stood (alone.)", "He sat."],
        ["你好。", "世界！", "是的"],
    ],
)
def test_sentences_end_where_a_reader_ends_them(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


def test_sentences_of_scripts_without_spaces_are_split() -> None:
    assert split_sentences("你好。世界！是的") == ["你好。", "世界！", "是的"]


def test_a_blank_line_ends_a_sentence() -> None:
    assert split_sentences("A heading\n\nA sentence. Another") == ["A heading", "A sentence.", "Another"]


def test_parts_end_at_sentences_then_clauses_then_words() -> None:
    assert split_for_speech("One two. Three four. Five.", 20) == ["One two.", "Three four. Five."]
    assert split_for_speech("One two three, four five six", 16) == ["One two three,", "four five six"]
    assert split_for_speech("one two three four", 9) == ["one two", "three", "four"]


def test_parts_are_alike_in_length_rather_than_one_full_and_one_tiny() -> None:
    parts = split_for_speech("aaaa " * 11, 50)
    assert sorted(map(len, parts)) == [24, 29]


def test_a_word_longer_than_the_limit_is_cut_with_its_accents_kept() -> None:
    assert split_for_speech("abcde\u0301fgh", 5) == ["abcd", "e\u0301fgh"]


def test_short_text_is_one_part_and_no_text_none() -> None:
    assert split_for_speech(" Hello there. ", 50) == ["Hello there."]
    assert split_for_speech("  \n", 50) == []


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        split_for_speech("text", 0)


@given(TEXTS)
def test_sentences_hold_every_character_in_order(text: str) -> None:
    sentences = split_sentences(text)
    assert solid("".join(sentences)) == solid(text)
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(TEXTS, st.integers(1, 60))
def test_parts_hold_every_character_in_order_within_the_limit(text: str, max_chars: int) -> None:
    parts = split_for_speech(text, max_chars)
    assert solid("".join(parts)) == solid(text)
    assert all(0 < len(part) <= max_chars for part in parts)


# Each of these took minutes while the time grew with the square of the length.
@pytest.mark.parametrize("piece", ["Mr. Smith ", "A. B ", "x.Y. Z "])
def test_a_sentence_may_be_as_long_as_a_book(piece):
    assert split_sentences(piece * 50_000) == [(piece * 50_000).strip()]


def test_a_letter_with_more_accents_than_a_part_may_hold_is_cut_into_whole_parts():
    assert [len(part) for part in split_for_speech("a" + "\u0301" * 1000, 100)] == [100] * 10 + [1]
