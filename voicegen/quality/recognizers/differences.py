"""Where what was heard is not what was meant, and what speaks for its having been said so.

A recognizer writes names and rare words as it likes. So a place that differs is looked at in two ways: by its sounds,
and by how much likelier the words heard are, forced on the decoder, than those meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicegen.quality.recognizers.agreement import matched
from voicegen.quality.recognizers.sounds import distance, sounds, weight
from voicegen.quality.recognizers.whisper import Word


@dataclass(frozen=True, slots=True)
class Difference:
    """Neighbouring words that were meant, and those heard in their place; either may be none.

    Attributes:
        sounds: that are left out, put in or exchanged.
        missing: sounds meant beyond as many as were heard; less than 0, where more were heard.
        words: that were heard beyond as many as were meant.
        likelier: nats by which what was heard is likelier than what was meant, the word after it counted in.
        first: whether the text begins with it.
        last: whether the text ends with it.
    """

    sounds: float
    missing: float
    words: int
    likelier: float
    first: bool
    last: bool


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
    of_text, of_take = (
        sounds(" ".join(word.text for word in words[begin:end]), language)
        for words, (begin, end) in ((meant, there), (heard, here))
    )
    likely, likelier = (
        sum(word.logprob for word in words[begin : end + 1]) for words, (begin, end) in ((meant, there), (heard, here))
    )
    return Difference(
        sounds=distance(of_text, of_take),
        missing=weight(of_text) - weight(of_take),
        words=(here[1] - here[0]) - (there[1] - there[0]),
        likelier=likelier - likely,
        first=there[0] == 0,
        last=there[1] == len(meant),
    )
