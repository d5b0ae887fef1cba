"""Silero's voice activity detector: how likely it is that somebody speaks, in each 32 ms at 16 kHz.

github.com/snakers4/silero-vad, version 6, which faster-whisper brings along and runs. It knows what was before.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.model_files import ModelWheel
from voicegen.quality.recognizers.files import INSTALL
from voicegen.quality.weights import Weights

RATE: Final = 16_000  # Hz
WINDOW: Final = 512  # samples that it hears at a time
LIKELY: Final = 0.5  # Silero's own bound of what is speech

_CONTEXT: Final = 64  # samples before a window that it is given again
WEIGHTS: Final = Weights(
    ModelWheel(
        package="faster-whisper",
        file="assets/silero_vad_v6.onnx",
        licence="mit",
        install=INSTALL,
        id="Silero's voice activity detector",
    ),
    sha256="4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
    needs="onnxruntime",
)


def look_for_detector() -> None:
    """Refuses where the detector is not installed.

    Raises:
        MissingDependency: says the command that installs it.
    """
    WEIGHTS.find()


def load_detector() -> Any:
    """The detector, on one thread: called with samples (N,), N a multiple of `WINDOW`, it gives a likelihood a window.

    Raises:
        MissingDependency: it is not installed.
        ModelError: its weights are others than they must be.
    """
    content = WEIGHTS.read()
    from faster_whisper.vad import SileroVADModel

    return SileroVADModel(content)


class Activity:
    """The detector on one stream: what it is given is heard after what it was given before.

    Args:
        detector: what `load_detector` gives; many streams may share it.
    """

    def __init__(self, detector: Any) -> None:
        self._session = detector.session
        self._context = np.zeros(_CONTEXT, np.float32)
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)

    def likelihood(self, window: NDArray[np.float32]) -> float:
        """How likely it is that somebody speaks in the next `WINDOW` samples."""
        heard = np.concatenate([self._context, window])[None]
        said, self._hidden, self._cell = self._session.run(None, {"input": heard, "h": self._hidden, "c": self._cell})
        self._context = window[-_CONTEXT:]
        return float(said[0])
