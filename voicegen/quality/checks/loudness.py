"""How loud a take is to the ear, and how high its wave goes between samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.loudness import loudness, true_peak
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech


class LoudnessSettings(CheckSettings):
    """Bounds of `lufs` and `true_peak`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """`lufs` and `true_peak` of each take."""
    return [_measured(np.asarray(take.samples, dtype=np.float32), take.sampling_rate) for take in takes]


def _measured(samples: NDArray[np.float32], rate: int) -> Scores:
    peak = 20 * math.log10(max(true_peak(samples), 1e-6))
    return {"lufs": round(loudness(samples, rate), 2), "true_peak": round(peak, 2)}


SPEC: Final = CheckSpec(
    name="loudness",
    settings=LoudnessSettings,
    measurements=(
        Measurement(
            "lufs", "Integrated loudness of the take in LUFS (BS.1770), at least -70.", "its loudness is out of bounds"
        ),
        Measurement(
            "true_peak", "Largest magnitude in dBTP, oversampled by four, at least -120.", "its peaks are out of bounds"
        ),
    ),
    make=lambda _settings: measure,
)
