"""Whether a take begins and ends in speech: one that was cut does, and a voice that finished its text does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voicegen.quality.check import Check, CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import decibels, sound_of
from voicegen.records import Scores, Speech

_EDGE: Final = 0.02  # seconds
_SPEECH_RANGE: Final = 15.0  # dB: what is nowhere quieter than that has no ends to be heard


class EdgesSettings(CheckSettings):
    """Bounds of `head_level` and `tail_level`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """How far the first and the last 20 ms are over what is silence in the take, by its own floor; null of a hum."""
    return [_measured(take) for take in takes]


def _measured(take: Speech) -> Scores:
    size = max(1, round(_EDGE * take.sampling_rate))
    sound = sound_of(take)
    if sound.level - sound.floor < _SPEECH_RANGE:
        return {"head_level": None, "tail_level": None}
    silence = sound.threshold
    head, tail = take.samples[:size], take.samples[-size:]
    return {
        "head_level": round(float(decibels(head, size)[0]) - silence, 1),
        "tail_level": round(float(decibels(tail, size)[0]) - silence, 1),
    }


def _make(_settings: EdgesSettings) -> Check:
    return measure


SPEC: Final = CheckSpec(
    name="edges",
    settings=EdgesSettings,
    measurements=(
        Measurement("head_level", "dB of the first 20 ms over what is silence in the take.", "it begins within speech"),
        Measurement("tail_level", "dB of the last 20 ms over what is silence in the take.", "it ends within speech"),
    ),
    make=_make,
    of_takes=True,
)
