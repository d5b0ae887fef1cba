"""Where in a take there is sound: by the take's own loudest and quietest moments, since each voice has a floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.records import Speech

FRAME: Final = 0.01
"""Seconds."""

_LOUD_FRAMES: Final = 10  # the level of speech is that of its tenth loudest frame: a click is shorter
_INAUDIBLE: Final = -60.0  # dBFS: a take that is nowhere louder than this is silent
_FLOOR: Final = 5.0  # percentile of the frames' levels
_ABOVE_FLOOR: Final = 10.0  # dB from the floor up: noise is not all of one level
_BELOW_SPEECH: Final = (25.0, 40.0)  # dB from speech down: what is nearer is speech, what is further is none
_NOTHING: Final = 1e-10  # -100 dBFS, of digital silence


@dataclass(frozen=True, slots=True)
class Sound:
    """What of a take is sound.

    Attributes:
        level: dBFS of its loudest tenth of a second.
        floor: dBFS of its quietest frames.
        threshold: dBFS over which it is sound.
        frames: (N,) bool, whether the 10 ms hold sound; a last piece of less than that is none of them.
    """

    level: float
    floor: float
    threshold: float
    frames: NDArray[np.bool_]

    @property
    def seconds(self) -> float:
        """How much of it is sound."""
        return int(self.frames.sum()) * FRAME


def sound_of(take: Speech) -> Sound:
    """Tells sound from silence: what is over the take's own floor, unless that is as loud as speech itself."""
    levels = decibels(take.samples, max(1, round(FRAME * take.sampling_rate)))
    speech = float(np.sort(levels)[-min(_LOUD_FRAMES, len(levels))])
    if speech < _INAUDIBLE:
        return Sound(speech, speech, _INAUDIBLE, np.zeros(len(levels), dtype=np.bool_))
    nearest, furthest = speech - _BELOW_SPEECH[0], speech - _BELOW_SPEECH[1]
    floor = float(np.percentile(levels, _FLOOR))
    threshold = float(np.clip(floor + _ABOVE_FLOOR, furthest, nearest))
    return Sound(speech, floor, threshold, levels > threshold)


def decibels(samples: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """DBFS (root mean square) of each `size` samples, at least -100; of all of them, where they are fewer."""
    size = min(size, len(samples))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64)
    return np.asarray(10 * np.log10(np.maximum(power / size, _NOTHING)))
