"""Finishing of good takes for a dataset: trimmed to a margin, faded at the edges, and brought to one loudness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voicegen.audio.loudness import QUIETEST
from voicegen.quality.check import Measurement
from voicegen.quality.checks import loudness
from voicegen.quality.sound import FRAME, sound_of
from voicegen.records import Scores, Speech
from voicegen.settings import Settings

DONE: Final = (
    Measurement("trimmed_before", "Seconds of silence taken away before the speech; null: not finished."),
    Measurement("trimmed_after", "Seconds of silence taken away after the speech; null: not finished."),
    Measurement("gain", "dB by which the clip was made louder; null: not finished."),
    Measurement("loudness", "Integrated loudness of the clip in LUFS (BS.1770); null: not finished."),
)
"""What was done to a take, and what it came to: columns of the manifest."""

_ROUNDED: Final = 0.01  # dB: peak and gain are both rounded to that


class FinishConfig(Settings):
    """How good takes are finished.

    Attributes:
        margin: seconds of silence that stay before and after the speech, at the most; None trims nothing.
        fade: seconds over which both edges are faded, 0 being not at all.
        loudness: LUFS that each clip is brought to by one gain; None leaves the voice's own.
        true_peak: dBTP that the gain lifts no peak over.
    """

    margin: Annotated[float, Field(ge=0, le=10)] | None
    fade: Annotated[float, Field(ge=0, le=0.1)]
    loudness: Annotated[float, Field(ge=-60, le=-5)] | None
    true_peak: Annotated[float, Field(ge=-20, le=0)]


def finish(takes: Sequence[Speech], settings: FinishConfig) -> list[tuple[Speech, Scores]]:
    """Finishes takes, each of which holds sound; gives each with what was done to it."""
    trimmed = [_trimmed(take, settings) for take in takes]
    levels = loudness.measure([take for take, _ in trimmed])
    return [_at_loudness(take, done, level, settings) for (take, done), level in zip(trimmed, levels, strict=True)]


def at_clip_time(scores: Scores, done: Scores, duration: float) -> Scores:
    """What was measured of a take, with its words' times as they are in the clip of it, of `duration` seconds."""
    words, before = scores.get("words"), done["trimmed_before"]
    if not isinstance(words, str) or not isinstance(before, float):
        return scores
    moved = [
        [word, *(round(min(max(second - before, 0.0), duration), 3) for second in times)]
        for word, *times in json.loads(words)
    ]
    return {**scores, "words": json.dumps(moved, ensure_ascii=False)}


def _trimmed(take: Speech, settings: FinishConfig) -> tuple[Speech, dict[str, float]]:
    start, end = 0, len(take.samples)
    sounding = np.flatnonzero(sound_of(take).frames)
    if settings.margin is not None and len(sounding):
        frame = FRAME * take.sampling_rate
        margin = settings.margin * take.sampling_rate
        start = max(start, round(float(sounding[0]) * frame - margin))
        end = min(end, round(float(sounding[-1] + 1) * frame + margin))
    samples = _faded(take.samples[start:end], round(settings.fade * take.sampling_rate))
    before, after = start / take.sampling_rate, (len(take.samples) - end) / take.sampling_rate
    done = {"trimmed_before": round(before, 3), "trimmed_after": round(after, 3)}
    return replace(take, samples=samples), done


def _faded(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    size = min(size, len(samples) // 2)
    faded = samples.copy()
    ramp = np.sin(np.linspace(0, np.pi / 2, size, dtype=np.float32)) ** 2
    faded[:size] *= ramp
    faded[len(faded) - size :] *= ramp[::-1]
    return faded


def _at_loudness(take: Speech, done: dict[str, float], level: Scores, settings: FinishConfig) -> tuple[Speech, Scores]:
    lufs, peak = float(level["lufs"] or 0), float(level["true_peak"] or 0)
    gain = 0.0
    if settings.loudness is not None and lufs > QUIETEST:
        gain = round(min(settings.loudness - lufs, settings.true_peak - peak - _ROUNDED), 2)
    louder = take.samples * np.float32(10 ** (gain / 20))
    return replace(take, samples=louder), {**done, "gain": gain, "loudness": round(lufs + gain, 2)}
