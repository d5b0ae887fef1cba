"""How much of a take is somebody speaking: noise, a tone and silence are not, however loud they are.

By Silero's voice activity detector (`recognizers/silero.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.recognizers.silero import LIKELY, RATE, WINDOW, load_detector, look_for_detector
from voicegen.records import Scores, Speech


class VoiceActivitySettings(CheckSettings):
    """Bounds of `speech_share`."""


class _VoiceActivity:
    def __init__(self) -> None:
        self._detect = load_detector()  # on one thread: there are quality.workers of them

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [self._measured(resample(take.samples, take.sampling_rate, RATE)) for take in takes]

    def _measured(self, samples: NDArray[np.float32]) -> Scores:
        windows = np.pad(samples, (0, -len(samples) % WINDOW))
        return {"speech_share": round(float(np.mean(self._detect(windows) >= LIKELY)), 3)}


SPEC: Final = CheckSpec(
    name="voice_activity",
    settings=VoiceActivitySettings,
    measurements=(
        Measurement(
            "speech_share",
            "Share of the take in which somebody speaks, 0 to 1 (Silero VAD).",
            "too little of it is speech",
        ),
    ),
    make=lambda _settings: _VoiceActivity(),
    look=lambda _settings: look_for_detector(),
    apart=True,
)
