"""Whose voice it is: Resemblyzer's encoder gives each piece of speech a vector, alike for what one person says.

L. Wan et al., "Generalized End-to-End Loss for Speaker Verification", 2018 (arXiv:1710.10467). Network, windows and
weights are those of Resemblyzer 0.1.4 (resemble-ai/Resemblyzer, Apache-2.0). Imports torch.
"""

from __future__ import annotations

import io
from typing import Final, Self

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor

RATE: Final = 16_000
"""Hz."""

_HOP: Final = 160  # samples a frame
_WINDOW: Final = 160  # frames: 1.6 s
_STEP: Final = 77  # frames from one window to the next
_FILLED: Final = 0.75  # of a last window, or it is left out
_AT_ONCE: Final = 64  # windows


class VoiceEncoder(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Three LSTMs over mel spectra (40 bands, of power), and what the last one ends with."""

    def __init__(self) -> None:
        """With random weights."""
        super().__init__()
        self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = torch.nn.Linear(256, 256)
        self._mel = torchaudio.transforms.MelSpectrogram(
            *(RATE, 400), hop_length=_HOP, n_mels=40, mel_scale="slaney", norm="slaney", pad_mode="constant"
        )

    @classmethod
    def of(cls, checkpoint: bytes) -> Self:
        """With the weights of Resemblyzer's checkpoint, which holds more than those."""
        encoder = cls()
        weights = torch.load(io.BytesIO(checkpoint), map_location="cpu", weights_only=True)["model_state"]
        named = {name: weight for name, weight in weights.items() if name.startswith(("lstm.", "linear."))}
        encoder.load_state_dict({**encoder.state_dict(), **named})
        encoder.eval()
        return encoder

    def forward(self, windows: Tensor) -> Tensor:
        """Mel spectra (B, 160, 40) to vectors (B, 256) of length 1."""
        _, (hidden, _) = self.lstm(windows)
        return torch.nn.functional.normalize(self.linear(hidden[-1]).relu())

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """A vector (256,) of length 1, of samples (N,) at `RATE` that are speech from one end to the other.

        One at a time: in company its last bits, and so a verdict, could be others.
        """
        vectors = torch.cat([self(some) for some in self._windows(torch.from_numpy(samples)).split(_AT_ONCE)])
        return np.asarray(torch.nn.functional.normalize(vectors.mean(0), dim=0).numpy())

    def _windows(self, samples: Tensor) -> Tensor:
        """The windows (W, 160, 40) of samples (N,), which overlap by half."""
        frames = len(samples) // _HOP + 1
        starts = range(0, max(1, frames - _WINDOW + _STEP + 1), _STEP)
        if len(starts) > 1 and (len(samples) / _HOP - starts[-1]) / _WINDOW < _FILLED:
            starts = starts[:-1]
        padded = torch.nn.functional.pad(samples, (0, max(0, (starts[-1] + _WINDOW) * _HOP - len(samples))))
        return self._mel(padded)[:, : starts[-1] + _WINDOW].unfold(1, _WINDOW, _STEP).permute(1, 2, 0)
