"""How loud a take is to the ear, and how high its wave goes between samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech

_TOGETHER: Final = 4
"""Takes; more would be filled up with more silence, which costs as much as sound."""


class LoudnessSettings(CheckSettings):
    """Bounds of `lufs` and `true_peak`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """`lufs` and `true_peak` of each take; those of one rate and about one length are measured together."""
    scores: list[Scores] = [{}] * len(takes)
    by_rate: dict[int, list[int]] = defaultdict(list)
    for place in sorted(range(len(takes)), key=lambda place: len(takes[place].samples)):
        by_rate[takes[place].sampling_rate].append(place)
    for rate, places in by_rate.items():
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            for place, found in zip(some, _measured([takes[place] for place in some], rate), strict=True):
                scores[place] = found
    return scores


def _measured(takes: Sequence[Speech], rate: int) -> list[Scores]:
    import torch

    from voicegen.audio.loudness import loudness, true_peak

    lengths = torch.tensor([len(take.samples) for take in takes])
    waveforms = torch.zeros(len(takes), int(lengths.max()))
    for row, take in zip(waveforms, takes, strict=True):
        row[: len(take.samples)] = torch.from_numpy(np.ascontiguousarray(take.samples, dtype=np.float32))
    peaks = 20 * true_peak(waveforms, rate).clamp(min=1e-6).log10()
    return [
        {"lufs": round(level, 2), "true_peak": round(peak, 2)}
        for level, peak in zip(loudness(waveforms, lengths, rate).tolist(), peaks.tolist(), strict=True)
    ]


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
