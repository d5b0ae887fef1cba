from hypothesis import given
from hypothesis import strategies as st

from voicegen.reading.marker_scanner import Control, MarkerScanner


def scan(markers: list[str], pieces: list[str]) -> list[str | Control]:
    scanner = MarkerScanner(markers)
    events: list[str | Control] = [event for piece in pieces for event in scanner.feed(piece)]
    return [*events, scanner.flush()]


def test_a_marker_is_found_where_it_is_split_over_pieces() -> None:
    assert scan(["<end>"], ["a<", "en", "d>b"]) == ["a", Control("<end>"), "b", ""]


def test_only_what_may_become_a_marker_is_held_back() -> None:
    scanner = MarkerScanner(["\nUser:"])
    assert list(scanner.feed("one\ntwo\n")) == ["one\ntwo"]
    assert list(scanner.feed("Us")) == []
    assert list(scanner.feed("ed.")) == ["\nUsed."]


def test_the_longer_of_two_markers_at_one_place_wins() -> None:
    assert scan(["<a", "<a>"], ["<a>x"]) == [Control("<a>"), "x", ""]


def test_a_tag_may_be_written_in_another_case_or_with_blanks_and_is_told_as_it_was_written() -> None:
    for pieces in (["a</Think \t>b"], list("a</Think \t>b")):
        scanner = MarkerScanner([], ["</think>"])
        events = [event for piece in pieces for event in scanner.feed(piece)]
        assert events == ["a", Control("</think>"), "b"]
        assert isinstance(events[1], Control)
        assert events[1].text == "</Think \t>"


def test_what_only_looks_like_a_tag_is_text() -> None:
    scanner = MarkerScanner(["<end>"], ["<think>"])
    assert "".join(str(event) for event in scanner.feed("a <thin king> <End> < think> <think")) == (
        "a <thin king> <End> < think> "
    )
    assert scanner.flush() == "<think"


def test_without_markers_nothing_is_held() -> None:
    assert list(MarkerScanner([]).feed("<x")) == ["<x"]


@given(st.lists(st.text(alphabet="<ab>x", max_size=5)))
def test_no_text_is_lost(pieces: list[str]) -> None:
    events = scan(["<ab>", "x>"], pieces)
    assert "".join(event.name if isinstance(event, Control) else event for event in events) == "".join(pieces)
