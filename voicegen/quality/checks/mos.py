"""How good a take sounds to people, as DNSMOS guesses it: their mean opinion of speech, noise and the whole, 1 to 5.

Reddy et al., "DNSMOS P.835: A Non-Intrusive Perceptual Objective Speech Quality Metric to Evaluate Noise Suppressors",
2022 (arXiv:2110.01763). It is done as Microsoft's wheel `speechmos` does it, whose weights these are: windows of 9.01 s
at 16 kHz, one a second, a shorter take being repeated until it fills one; polynomials on what the network says of each;
the mean over the windows. That skips some windows after the seventh second, where their ends round down; here none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.model_files import ModelWheel
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.weights import Weights
from voicegen.records import Scores, Speech

INSTALL: Final = "`uv sync --group mos`"

WEIGHTS: Final = Weights(
    ModelWheel(
        package="speechmos",
        file="dnsmos_models/sig_bak_ovr.onnx",
        licence="mit",
        install=INSTALL,
        id="DNSMOS",
    ),
    sha256="269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
    needs="onnxruntime",
)
_RATE: Final = 16_000  # Hz
_WINDOW: Final = 144_160  # samples: 9.01 s
_AT_ONCE: Final = 16  # windows
_POLYNOMIALS: Final = {  # by what the network gives, in its order; the highest power first
    "mos_sig": (-0.08397278, 1.22083953, 0.0052439),
    "mos_bak": (-0.13166888, 1.60915514, -0.39604546),
    "mos": (-0.06766283, 1.11546468, 0.04602535),
}


class MosSettings(CheckSettings):
    """Bounds of `mos`, `mos_sig` and `mos_bak`."""


class _Mos:
    def __init__(self) -> None:
        self._session = _session(WEIGHTS.read())

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [self._measured(resample(take.samples, take.sampling_rate, _RATE)) for take in takes]

    def _measured(self, samples: NDArray[np.float32]) -> Scores:
        said = np.concatenate([self._session.run(None, {"input_1": some})[0] for some in _windows(samples)])
        opinions = zip(_POLYNOMIALS.items(), said.T, strict=True)
        return {name: round(float(np.polyval(powers, of).mean()), 3) for (name, powers), of in opinions}


def _windows(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The windows (N, _WINDOW) of a take, some at a time."""
    while len(samples) < _WINDOW:
        samples = np.concatenate([samples, samples])
    number = max(1, len(samples) // _RATE - _WINDOW // _RATE)
    every = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_RATE][:number]
    for first in range(0, number, _AT_ONCE):
        yield np.ascontiguousarray(every[first : first + _AT_ONCE])


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # there are quality.workers of them
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


SPEC: Final = CheckSpec(
    name="mos",
    settings=MosSettings,
    measurements=(
        Measurement("mos", "Predicted mean opinion of the whole, 1 to 5 (DNSMOS P.835, OVRL).", "it sounds bad"),
        Measurement("mos_sig", "Likewise of the speech alone (SIG).", "its speech sounds bad"),
        Measurement("mos_bak", "Likewise of what is behind it (BAK): 5 is no noise.", "there is noise behind it"),
    ),
    make=lambda _settings: _Mos(),
    look=lambda _settings: WEIGHTS.find(),
    apart=True,
)
