import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chat_tokenizers import harmony_tokenizer, think_tokenizer
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.reading.parsing import TextParser
from voicegen.reading.stops import StopFinder, before_stop


def given_on(strings: list[str], pieces: list[str]) -> list[str]:
    stops = StopFinder(strings)
    return [*(stops.feed(piece) for piece in pieces), stops.flush()]


def test_an_answer_ends_before_a_stop_string_split_over_pieces() -> None:
    assert given_on(["###"], ["One.", " #", "#", "# Two.", "Three."]) == ["One.", " ", "", "", "", ""]


def test_only_what_may_begin_a_stop_string_is_held_back() -> None:
    assert given_on(["END"], ["the EN", "EN", "try"]) == ["the ", "EN", "ENtry", ""]
    assert given_on(["END"], ["the EN"]) == ["the ", "EN"]


def test_without_stop_strings_all_is_passed_on_as_it_comes() -> None:
    assert given_on([], ["a", "b"]) == ["a", "b", ""]


def test_the_string_that_is_whole_first_ends_the_answer() -> None:
    assert before_stop("xabcd", ["abcd", "bc"]) == ("xa", True)
    assert before_stop("xabcd", ["bc", "abc"]) == ("x", True)


@given(st.text("ab", max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3), st.data())
def test_the_pieces_change_nothing(text: str, strings: list[str], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    answer, found = before_stop(text, strings)
    assert "".join(given_on(strings, pieces)) == answer
    assert not any(string in answer for string in strings)
    assert found == any(string in text for string in strings)
    assert text.startswith(answer)


REASONED = {
    harmony_tokenizer: "<|channel|>analysis<|message|>A ###.<|end|><|start|>assistant<|channel|>final<|message|>{}",
    think_tokenizer: "<think>A ###.</think>{}",
}


@pytest.mark.parametrize("tokenizer", REASONED)
def test_a_stop_string_ends_the_answer_and_not_the_reasoning(tokenizer) -> None:  # type: ignore[no-untyped-def]
    template = ChatTemplate(tokenizer())
    parser = template.parser().stopping_at(["###"])
    given_so_far = ""
    for token in template.encode(REASONED[tokenizer].format("One. ## Two.### Three.")):
        given_so_far += "".join(delta.text for delta in parser.feed(token) if delta.channel == "answer")
        if parser.stopped:
            break
    parser.finish()
    assert given_so_far == parser.answer == "One. ## Two."
    assert parser.reasoning == "A ###."
    assert parser.found_stop


def test_text_held_for_a_stop_string_that_never_came_is_part_of_the_answer() -> None:
    parser = TextParser().stopping_at(["###"])
    parser.feed("<think>x</think>One. ##")
    assert parser.answer == "One. "
    assert [delta.text for delta in parser.finish()] == ["##"]
    assert (parser.answer, parser.stopped) == ("One. ##", False)


def test_a_call_after_a_stop_string_is_not_made() -> None:
    parser = TextParser().stopping_at(["###"])
    parser.feed('<think>x</think>One.###<tool_call>{"name": "f", "arguments": {}}</tool_call>')
    parser.finish()
    assert (parser.answer, parser.tool_calls) == ("One.", ())
