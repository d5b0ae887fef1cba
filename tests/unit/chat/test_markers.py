from hypothesis import given
from hypothesis import strategies as st

from voicegen.chat.markers import Control, MarkerScanner


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


def test_without_markers_nothing_is_held() -> None:
    assert list(MarkerScanner([]).feed("<x")) == ["<x"]


@given(st.lists(st.text(alphabet="<ab>x", max_size=5)))
def test_no_text_is_lost(pieces: list[str]) -> None:
    events = scan(["<ab>", "x>"], pieces)
    assert "".join(event.name if isinstance(event, Control) else event for event in events) == "".join(pieces)
