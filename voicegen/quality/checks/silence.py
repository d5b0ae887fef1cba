"""How much of a take is silence, and where: a voice that hesitates too long, or says nothing, has failed its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import FRAME, sound_of
from voicegen.records import Scores, Speech


class SilenceSettings(CheckSettings):
    """Bounds of `silence_before`, `silence_after`, `silence_within` and `silence_share`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """The silences of each take by its own floor; all of a take without sound is before its first."""
    return [_measured(take) for take in takes]


def _measured(take: Speech) -> Scores:
    frames = sound_of(take).frames
    sounding = np.flatnonzero(frames)
    if len(sounding) == 0:
        length = round(take.duration, 2)
        return {"silence_before": length, "silence_after": length, "silence_within": 0.0, "silence_share": 1.0}
    return {
        "silence_before": round(float(sounding[0]) * FRAME, 2),
        "silence_after": round((len(frames) - 1 - float(sounding[-1])) * FRAME, 2),
        "silence_within": round(float(np.diff(sounding, prepend=sounding[0] - 1).max() - 1) * FRAME, 2),
        "silence_share": round(1 - len(sounding) / len(frames), 3),
    }


SPEC: Final = CheckSpec(
    name="silence",
    settings=SilenceSettings,
    measurements=(
        Measurement("silence_before", "Seconds of silence before the take's first sound.", "its speech begins late"),
        Measurement("silence_after", "Seconds of silence after the take's last sound.", "it is silent at its end"),
        Measurement("silence_within", "Seconds of the longest silence between sounds.", "it falls silent within"),
        Measurement("silence_share", "Share of the take that is silence, 0 to 1.", "it is mostly silence"),
    ),
    make=lambda _settings: measure,
)
