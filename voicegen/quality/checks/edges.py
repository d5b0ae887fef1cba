"""Whether a take begins and ends in speech: one that was cut does, and a voice that finished its text does not.

Some voices begin loud, but from rest, so that their wave goes to both sides from its first samples on. A cut one begins
anywhere in a wave of some milliseconds, and so to one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.check import Check, CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import decibels, sound_of
from voicegen.records import Scores, Speech

_EDGE: Final = 0.02  # seconds
_ONSET: Final = 0.002  # seconds: less than half a wave of a voice
_ONSET_OF_HISS: Final = 0.005
_HISS: Final = 8_800  # times a second that a wave changes its side, from which on it is a hiss
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
    first, whole = _side(take.samples, take.sampling_rate), float(np.mean(take.samples))
    offset = min(abs(first), abs(first - whole))  # digital silence is none, however far off centre the rest is
    head, tail = take.samples[:size], take.samples[-size:]
    return {
        "head_level": round(float(decibels(head, size)[0]) - silence, 1),
        "head_offset": round(20 * float(np.log10(max(offset, _NOTHING))) - silence, 1),
        "tail_level": round(float(decibels(tail, size)[0]) - silence, 1),
    }


def _side(samples: NDArray[np.float32], rate: int) -> float:
    """The mean of the first moment, whose sign and size say how far to one side a wave begins."""
    head = samples[: max(2, round(_ONSET_OF_HISS * rate))]
    if np.count_nonzero(np.diff(np.signbit(head))) * rate < _HISS * len(head):
        return float(np.mean(head[: max(1, round(_ONSET * rate))]))
    return float(np.average(head, weights=np.hanning(2 * len(head) + 1)[-len(head) - 1 : -1]))


def _make(_settings: EdgesSettings) -> Check:
    return measure


SPEC: Final = CheckSpec(
    name="edges",
    settings=EdgesSettings,
    measurements=(
        Measurement("head_level", "dB of the first 20 ms over what is silence in the take.", "it begins within speech"),
        Measurement(
            "head_offset",
            "dB of the mean of the take's first 2 ms (5 ms, fading, of a hiss) over what is silence in it: how far to one "
            "side its wave begins.",
            "it begins within a wave",
        ),
        Measurement("tail_level", "dB of the last 20 ms over what is silence in the take.", "it ends within speech"),
    ),
    make=_make,
    of_takes=True,
)
