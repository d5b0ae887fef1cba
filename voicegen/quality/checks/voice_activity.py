"""How much of a take is somebody speaking: noise, a tone and silence are not, however loud they are.

By Silero's voice activity detector (github.com/snakers4/silero-vad, version 6), which faster-whisper brings along and
runs: it says of each 32 ms at 16 kHz how likely they are speech, knowing what was before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.model_files import ModelWheel
from voicegen.quality.check import Check, CheckSettings, CheckSpec, Measurement
from voicegen.quality.recognizers.files import INSTALL
from voicegen.quality.weights import find_weights, read_weights
from voicegen.records import Scores, Speech

_WHEEL: Final = ModelWheel(
    package="faster-whisper",
    module="faster_whisper",
    file="assets/silero_vad_v6.onnx",
    version="1.2.1",
    licence="mit",
    install=INSTALL,
    id="Silero's voice activity detector",
)
_SHA256: Final = "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2"
_RATE: Final = 16_000  # Hz
_WINDOW: Final = 512  # samples that it hears at a time
_LIKELY: Final = 0.5  # Silero's own bound of what is speech


class VoiceActivitySettings(CheckSettings):
    """Bounds of `speech_share`."""


class _VoiceActivity:
    def __init__(self) -> None:
        content = read_weights(_WHEEL, _SHA256, "onnxruntime")
        from faster_whisper.vad import SileroVADModel

        self._detect = SileroVADModel(content)  # on one thread: there are quality.workers of them

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [self._measured(resample(take.samples, take.sampling_rate, _RATE)) for take in takes]

    def _measured(self, samples: NDArray[np.float32]) -> Scores:
        windows = np.pad(samples, (0, -len(samples) % _WINDOW))
        return {"speech_share": round(float(np.mean(self._detect(windows) >= _LIKELY)), 3)}


def _look(_settings: VoiceActivitySettings) -> None:
    find_weights(_WHEEL, "onnxruntime")


def _make(_settings: VoiceActivitySettings) -> Check:
    return _VoiceActivity()


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
    make=_make,
    look=_look,
    apart=True,
)
