"""Where what was heard is not what was meant, and what speaks for its having been said so.

A recognizer writes names and rare words as it likes. So a place that differs is looked at in two ways: by its sounds,
and by how much likelier the words heard are, forced on the decoder, than those meant. Numbers are few, and a recognizer
knows them well: another one is likelier by much or it was not said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from voicegen.quality.recognizers.agreement import Code, matched, numbers_in
from voicegen.quality.recognizers.numbers import nearest
from voicegen.quality.recognizers.sounds import distance, lost_first, sounds, weight
from voicegen.quality.recognizers.whisper import Word


@dataclass(frozen=True, slots=True)
class Difference:
    """Neighbouring words that were meant, and those heard in their place; either may be none.

    Attributes:
        sounds: that are left out, put in or exchanged.
        put_in: sounds heard beyond as many as were meant.
        words: likewise of words.
        likelier: nats by which what was heard is likelier than what was meant, the word after it counted in.
        lost_first: sounds that the text begins with and that were not heard; 0 where the text begins elsewhere.
        lost_last: likewise of its end.
        other_number: whether both hold numbers, and not the same.
        heard: the place among the words heard: the first of them, and the one after the last.
    """

    sounds: float
    put_in: float
    words: int
    likelier: float
    lost_first: float
    lost_last: float
    other_number: bool
    heard: tuple[int, int]


def most(writings: Sequence[Sequence[Difference]], of: Callable[[Difference], float]) -> float:
    """The most that a stretch of what was heard differs by, each in that writing of the text where it is least.

    Args:
        writings: the differences of each, all from the same words heard.
        of: how much one is.
    """
    return max(
        (
            min(max((of(one) for one in places if begin <= one.heard[0] <= end), default=0.0) for places in writings)
            for begin, end in _stretches(one.heard for places in writings for one in places)
        ),
        default=0.0,
    )


def _stretches(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places that touch, as one."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(places):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def differences(meant: Sequence[Word], heard: Sequence[Word], language: str) -> list[Difference]:
    """The places where words that were forced differ from those heard, which were forced as well."""
    codes = matched([word.text for word in meant], [word.text for word in heard]).get_opcodes()
    return [_difference(meant, heard, there, here, language) for there, here in _places(codes)]


def _places(codes: Sequence[Code]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The places that are not equal, among the words meant and among those heard.

    What lacks before a word and is put in behind it, or the other way about, is one: "in Ulm and", heard "and Almond".
    """
    at = 0
    while at < len(codes):
        kind, i, j, k, m = codes[at]
        if {kind, *(code[0] for code in codes[at + 2 : at + 3])} == {"delete", "insert"} and _size(codes[at + 1]) == 1:
            at += 2
            _, _, j, _, m = codes[at]
        if kind != "equal":
            yield (i, j), (k, m)
        at += 1


def _size(code: Code) -> int:
    return code[2] - code[1]


def _difference(
    meant: Sequence[Word], heard: Sequence[Word], there: tuple[int, int], here: tuple[int, int], language: str
) -> Difference:
    of_text = sounds(_written(meant, there), language)
    of_take = nearest(of_text, _written(heard, here), language)
    likely, likelier = (
        sum(word.logprob for word in words[begin : end + 1]) for words, (begin, end) in ((meant, there), (heard, here))
    )
    return Difference(
        sounds=distance(of_text, of_take),
        put_in=weight(of_take) - weight(of_text),
        words=(here[1] - here[0]) - (there[1] - there[0]),
        likelier=likelier - likely,
        lost_first=lost_first(of_text, of_take) if there[0] == 0 else 0.0,
        lost_last=lost_first(of_text[::-1], of_take[::-1]) if there[1] == len(meant) else 0.0,
        other_number=_other_number(_written(meant, there), _written(heard, here), language),
        heard=here,
    )


def _other_number(meant: str, heard: str, language: str) -> bool:
    numbers = numbers_in(meant, language), numbers_in(heard, language)
    return all(numbers) and numbers[0] != numbers[1]


def _written(words: Sequence[Word], place: tuple[int, int]) -> str:
    return " ".join(word.text for word in words[slice(*place)])
