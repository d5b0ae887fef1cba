"""Where what was heard is not what was meant, and what speaks for its having been said so.

A recognizer writes names and rare words as it likes. So a place that differs is looked at in two ways: by its sounds,
and by how much likelier the words heard are, forced on the decoder, than those meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicegen.quality.recognizers.agreement import matched
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
    """

    sounds: float
    put_in: float
    words: int
    likelier: float
    lost_first: float
    lost_last: float


def differences(meant: Sequence[Word], heard: Sequence[Word], language: str) -> list[Difference]:
    """The places where words that were forced differ from those heard, which were forced as well."""
    return [
        _difference(meant, heard, (i, j), (k, m), language)
        for kind, i, j, k, m in matched([word.text for word in meant], [word.text for word in heard]).get_opcodes()
        if kind != "equal"
    ]


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
    )


def _written(words: Sequence[Word], place: tuple[int, int]) -> str:
    return " ".join(word.text for word in words[slice(*place)])
