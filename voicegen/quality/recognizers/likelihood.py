"""What forced words tell of a take: how unlikely its worst words are, and where time is missing or left over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.recognizers.whisper import Word

_NEIGHBOURS: Final = 3  # words: one alone may be a name that nobody knows
_DIGIT: Final = 4.5  # letters that a digit is said as
_WORD: Final = 1.5  # letters' time that a word takes besides its letters, and the least that one has
_LEAST: Final = 3.5
_PAUSE: Final = 0.35  # seconds that a voice may rest behind a mark
_PACES: Final = (0.035, 0.1)  # seconds a letter, the least and the most that a voice is taken to speak at
_MARKS: Final = ".,:;?!"

Times = NDArray[np.float64]


def doubt(words: Sequence[Word]) -> float:
    """The worst mean of neighbouring words' negative log-probability, in nats a word."""
    logs = np.array([word.logprob for word in words])
    return -float((_sums(logs, min(_NEIGHBOURS, len(logs))) / min(_NEIGHBOURS, len(logs))).min())


def rushed(words: Sequence[Word]) -> float | None:
    """The least time that neighbouring words take, over what the take's own pace gives them: words are missing."""
    if len(words) <= _NEIGHBOURS:
        return None
    taken, due = _times(words)
    return float((_sums(taken, _NEIGHBOURS) / _sums(due, _NEIGHBOURS)).min())


def lingering(words: Sequence[Word]) -> float | None:
    """The most seconds that two words take beyond that, the last one aside: something else is said there."""
    if len(words) <= _NEIGHBOURS:
        return None
    taken, due = _times(words)
    rests = np.array([_PAUSE * (word.text[-1] in _MARKS) for word in words])
    return float(_sums(taken - due - rests, 2)[:-1].max())


def _times(words: Sequence[Word]) -> tuple[Times, Times]:
    """Seconds that each word takes, and those due to it."""
    taken = np.array([word.end - word.start for word in words])
    letters = np.array([_letters(word.text) for word in words])
    return taken, letters * np.clip(np.median(taken / letters), *_PACES)


def _letters(word: str) -> float:
    said = sum(_DIGIT if sign.isdigit() else 1.0 for sign in word if sign.isalnum())
    return max(_LEAST, said + _WORD)


def _sums(values: Times, size: int) -> Times:
    return np.convolve(values, np.ones(size), "valid")
