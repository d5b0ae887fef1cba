"""Whose voice it is: Resemblyzer's encoder gives each piece of speech a vector, alike for what one person says.

L. Wan et al., "Generalized End-to-End Loss for Speaker Verification", 2018 (arXiv:1710.10467). Network, windows and
weights are those of Resemblyzer 0.1.4 (resemble-ai/Resemblyzer, Apache-2.0). Imports torch.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from typing import Final, Self

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from voicegen.records import Speech

_RATE: Final = 16_000  # Hz
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
            *(_RATE, 400), hop_length=_HOP, n_mels=40, mel_scale="slaney", norm="slaney", pad_mode="constant"
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
    def embed(self, speech: Sequence[Speech]) -> NDArray[np.float32]:
        """Vectors (N, 256) of length 1, of what holds speech from one end to the other and is loud enough."""
        windows = [self._windows(samples) for samples in _resampled(speech)]
        vectors = torch.cat([self(some) for some in torch.cat(windows).split(_AT_ONCE)])
        means = torch.stack([some.mean(0) for some in vectors.split([len(some) for some in windows])])
        return np.asarray(torch.nn.functional.normalize(means).numpy())

    def _windows(self, samples: Tensor) -> Tensor:
        """The windows (W, 160, 40) of samples (N,), which overlap by half."""
        frames = len(samples) // _HOP + 1
        starts = range(0, max(1, frames - _WINDOW + _STEP + 1), _STEP)
        if len(starts) > 1 and (len(samples) / _HOP - starts[-1]) / _WINDOW < _FILLED:
            starts = starts[:-1]
        padded = torch.nn.functional.pad(samples, (0, max(0, (starts[-1] + _WINDOW) * _HOP - len(samples))))
        return self._mel(padded)[:, : starts[-1] + _WINDOW].unfold(1, _WINDOW, _STEP).permute(1, 2, 0)


def _resampled(speech: Sequence[Speech]) -> list[Tensor]:
    """The samples (N,) of each at the encoder's rate; those of one rate are resampled together."""
    samples: dict[int, Tensor] = {}
    by_rate = sorted(range(len(speech)), key=lambda place: speech[place].sampling_rate)
    for rate, group in groupby(by_rate, key=lambda place: speech[place].sampling_rate):
        places = list(group)
        batch = pad_sequence([torch.from_numpy(speech[place].samples) for place in places], batch_first=True)
        converted = torchaudio.functional.resample(batch, rate, _RATE)
        for row, place in zip(converted, places, strict=True):
            samples[place] = row[: -(-len(speech[place].samples) * _RATE // rate)]
    return [samples[place] for place in range(len(speech))]
