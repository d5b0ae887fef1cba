"""Joins the parts of one text, streamed or whole: no clicks, and pauses no longer than the voice's own.

A voice ends a part with some silence and begins the next with some. Where the two together are at least as long as a
pause should be, they are the pause; where not, digital silence makes up what is missing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SENTENCE_PAUSE: Final = 0.15  # seconds of silence after a sentence, at least
CLAUSE_PAUSE: Final = 0.04  # the same inside one
FADE: Final = 0.005  # seconds

_QUIET: Final = 0.01  # share of a part's peak up to which its samples are silence: -40 dB
_SENTENCE_MARKS: Final = (".", "!", "?", "…", "。", "！", "？", "।", "؟")


class Joiner:
    """Takes the pieces of one part after another, float32 mono (N,) at `rate` Hz, and gives what may be played by then.

    All that it gives joins to one waveform, which does not depend on where the pieces are cut. It is behind by 5 ms,
    and by the silence at the beginning of a part.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._fade = round(FADE * rate)
        self._held = _nothing()  # of this part, not given yet: the end may have to be faded
        self._end = _nothing()  # of this part, given or not: as much of it as a pause is long
        self._peak = 0.0  # of this part
        self._missing: int | None = None  # samples of silence wanted before this part speaks; None once it does
        self._quiet = 0.0  # magnitude that the beginning of this part is silence up to

    def add(self, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes a piece of the current part."""
        self._peak = max(self._peak, float(np.abs(piece).max(initial=0.0)))
        longest = round(SENTENCE_PAUSE * self._rate)
        self._end = np.concatenate([self._end, piece])[-longest:]
        held = np.concatenate([self._held, piece])
        if self._missing is not None:
            silence = _silent(held, self._quiet)
            if len(held) < self._fade or (silence == len(held) and silence < self._missing):
                self._held = held
                return _nothing()
            held = self._begun(held, silence)
        keep = max(len(held) - self._fade, 0)
        self._held = held[keep:]
        return held[:keep]

    def next_part(self, text: str) -> NDArray[np.float32]:
        """Ends the current part, whose text is given; another one follows."""
        given = self.end()
        fade = min(self._fade, len(given))
        given[len(given) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        self._quiet = _QUIET * self._peak
        silence = _silent(self._end[::-1], self._quiet)
        self._missing = max(round(_pause_after(text) * self._rate) - silence, 0)
        self._end, self._peak = _nothing(), 0.0
        return given

    def end(self) -> NDArray[np.float32]:
        """Gives what is left of the current part."""
        held, self._held = self._held, _nothing()
        return held.copy() if self._missing is None else self._begun(held, _silent(held, self._quiet))

    def _begun(self, samples: NDArray[np.float32], silence: int) -> NDArray[np.float32]:
        """A part's beginning, faded in, after the silence that its own leaves wanting."""
        assert self._missing is not None
        fade = min(self._fade, len(samples))
        faded = samples.copy()
        faded[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        wanting = np.zeros(max(self._missing - silence, 0), dtype=np.float32)
        self._missing = None
        return np.concatenate([wanting, faded])


def joined(parts: list[tuple[str, NDArray[np.float32]]], rate: int) -> NDArray[np.float32]:
    """One waveform (N,) of the parts of a text, each with what it says; a single part stays as it is."""
    joiner = Joiner(rate)
    pieces = []
    for place, (text, samples) in enumerate(parts):
        pieces.append(joiner.add(samples))
        pieces.append(joiner.next_part(text) if place < len(parts) - 1 else joiner.end())
    return np.concatenate(pieces)


def _nothing() -> NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


def _silent(samples: NDArray[np.float32], quiet: float) -> int:
    """How many samples the silence at the beginning has."""
    loud = np.flatnonzero(np.abs(samples) > quiet)
    return int(loud[0]) if len(loud) else len(samples)


def _pause_after(text: str) -> float:
    ends_sentence = text.rstrip("\"'”’»)]").endswith(_SENTENCE_MARKS)
    return SENTENCE_PAUSE if ends_sentence else CLAUSE_PAUSE
