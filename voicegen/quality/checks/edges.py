"""Whether a take begins and ends in speech: one that was cut does, and a voice that finished its text does not.

Some voices begin loud, but from rest, so that their wave goes to both sides from its first samples on. A cut one begins
anywhere in a wave of some milliseconds, and so to one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import decibels, sound_of
from voicegen.records import Scores, Speech

_EDGE: Final = 0.02  # seconds
_ONSET: Final = 0.002  # seconds: less than half a wave of a voice
_ONSET_OF_HISS: Final = 0.006
_HISS: Final = 5_500  # times a second that a wave changes its side, from which on it is a hiss
_NOTHING: Final = 1e-5  # -100 dBFS
_SPEECH_RANGE: Final = 15.0  # dB: what is nowhere quieter than that has no ends to be heard


class EdgesSettings(CheckSettings):
    """Bounds of `head_level`, `head_offset` and `tail_level`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """How far a take's edges are over what is silence in it, by its own floor; null of a hum."""
    return [_measured(take) for take in takes]


def _measured(take: Speech) -> Scores:
    size = max(1, round(_EDGE * take.sampling_rate))
    sound = sound_of(take)
    if sound.level - sound.floor < _SPEECH_RANGE:
        return {"head_level": None, "head_offset": None, "tail_level": None}
    silence = sound.threshold
    head, tail = (float(decibels(edge, size)[0]) - silence for edge in (take.samples[:size], take.samples[-size:]))
    onset = take.samples[: max(2, round(_ONSET_OF_HISS * take.sampling_rate))]
    hiss = head > 0 and _crossings(onset) * take.sampling_rate >= _HISS
    first = _fading_mean(onset) if hiss else _mean(onset[: max(1, round(_ONSET * take.sampling_rate))])
    offset = min(abs(first), abs(first - _mean(take.samples)))  # digital silence is none, if the rest is off centre
    return {
        "head_level": None if hiss else round(head, 1),
        "head_offset": round(20 * float(np.log10(max(offset, _NOTHING))) - silence, 1),
        "tail_level": round(tail, 1),
    }


def _crossings(samples: NDArray[np.float32]) -> float:
    """How often a wave changes its side, from one sample to the next in the mean."""
    return float(np.mean(np.diff(np.signbit(samples))))


def _mean(samples: NDArray[np.float32]) -> float:
    return float(np.mean(samples))


def _fading_mean(samples: NDArray[np.float32]) -> float:
    """The mean with weights that fade to none at the end, so that of high sounds next to nothing is left."""
    return float(np.average(samples, weights=np.hanning(2 * len(samples) + 1)[len(samples) : -1]))


SPEC: Final = CheckSpec(
    name="edges",
    settings=EdgesSettings,
    measurements=(
        Measurement(
            "head_level",
            "dB of the first 20 ms over what is silence in the take; null where it begins with a hiss.",
            "it begins within speech",
        ),
        Measurement(
            "head_offset",
            "dB of the mean of the take's first 2 ms (6 ms, fading, of a hiss) over what is silence in it: how far to "
            "one side its wave begins.",
            "it begins within a wave",
        ),
        Measurement("tail_level", "dB of the last 20 ms over what is silence in the take.", "it ends within speech"),
    ),
    make=lambda _settings: measure,
    of_takes=True,
)
