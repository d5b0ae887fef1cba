"""How loud a take is against full scale: clipping and an offset are faults of a voice, or of what came after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech

_FULL_SCALE: Final = 0.999
"""Magnitude from which a sample counts as clipped: the largest of 16 bits is 0.99997."""


class LevelSettings(CheckSettings):
    """Bounds of `clipped` and `dc`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """`clipped`, the share of samples at full scale, and `dc`, the mean of all samples."""
    return [
        {
            "clipped": round(float(np.mean(np.abs(take.samples) >= _FULL_SCALE)), 6),
            "dc": round(float(np.mean(take.samples, dtype=np.float64)), 6),
        }
        for take in takes
    ]


SPEC: Final = CheckSpec(
    name="level",
    settings=LevelSettings,
    measurements=(
        Measurement("clipped", "Share of the take's samples that are at full scale, 0 to 1.", "it is clipped"),
        Measurement("dc", "Mean of the take's samples, full scale being 1.", "its samples are off centre"),
    ),
    make=lambda _settings: measure,
    of_takes=True,
)
