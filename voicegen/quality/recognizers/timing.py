"""Where forced words take less time than they need, or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.recognizers.sounds import sounds, spoken_words, weight
from voicegen.quality.recognizers.whisper import Word

_NEIGHBOURS: Final = 3  # words: the times of one alone are rough
_WORD: Final = 1.0  # sounds' time that a word takes besides its sounds, and the least that one has
_LEAST: Final = 2.0
_PAUSE: Final = 0.4  # seconds that a voice may rest behind a mark
_PACES: Final = (0.04, 0.14)  # seconds a sound, the least and the most that a voice is taken to speak at
_MARKS: Final = ".,:;?!)"
_CLOSING: Final = ")]\"'”’"

Times = NDArray[np.float64]


def rushed(words: Sequence[Word], language: str) -> float | None:
    """The least time that neighbouring words take, over what the take's own pace gives them: words are missing."""
    if len(words) <= _NEIGHBOURS:
        return None
    taken, due = _times(words, language)
    return float((_sums(taken, _NEIGHBOURS) / _sums(due, _NEIGHBOURS)).min())


def lingering(words: Sequence[Word], language: str) -> float | None:
    """The most seconds that two words take beyond that, the last one aside: something else is said there."""
    if len(words) <= _NEIGHBOURS:
        return None
    taken, due = _times(words, language)
    rests = np.array([_PAUSE * _rests_after(word.text) for word in words])
    return float(_sums(taken - due - rests, 2)[:-1].max())


def _times(words: Sequence[Word], language: str) -> tuple[Times, Times]:
    """Seconds that each word takes, and those due to it."""
    taken = np.array([word.end - word.start for word in words])
    units = np.array([_units(word.text, language) for word in words])
    return taken, units * np.clip(np.median(taken / units), *_PACES)


def _units(word: str, language: str) -> float:
    count = max(1, len(spoken_words(word, language)))
    return max(_LEAST, weight(sounds(word, language)) + _WORD * count)


def _rests_after(word: str) -> bool:
    return word[-1:] in _MARKS or word.rstrip(_CLOSING)[-1:] in _MARKS


def _sums(values: Times, size: int) -> Times:
    return np.convolve(values, np.ones(size), "valid")
