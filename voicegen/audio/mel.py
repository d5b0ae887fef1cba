"""Log-mel spectrograms, of one waveform or of a padded batch, on whatever device they are. Imports torch."""

from __future__ import annotations

from typing import Final

import torch
import torchaudio
from torch import Tensor

_WINDOW: Final = 0.025  # seconds
_HOP: Final = 0.01
_LEAST: Final = 1e-10  # power


class LogMel(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """Waveforms to log-mel spectrograms by torchaudio's `MelSpectrogram`.

    Hann windows of 25 ms every 10 ms, the first around the first sample; HTK's mel scale up to half the sampling rate;
    the natural logarithm of power, not under 1e-10. Silence lies beyond both ends, so that the frames of a waveform are
    the same alone and padded in a batch. A module: `.to(device)` moves it.

    Attributes:
        hop: samples a frame.
    """

    BANDS: Final = 80

    def __init__(self, sampling_rate: int) -> None:
        """For waveforms at `sampling_rate` Hz."""
        super().__init__()
        window = round(_WINDOW * sampling_rate)
        self.hop = round(_HOP * sampling_rate)
        self._mel = torchaudio.transforms.MelSpectrogram(
            sampling_rate,
            n_fft=max(512, 1 << (window - 1).bit_length()),  # with fewer, the lowest bands hold no frequency
            win_length=window,
            hop_length=self.hop,
            n_mels=self.BANDS,
            pad_mode="constant",
        )

    def forward(self, waveforms: Tensor) -> Tensor:
        """`waveforms` (..., N) float32 in [-1, 1] to (..., N // hop + 1, 80) float32."""
        power: Tensor = self._mel(waveforms)
        return power.clamp(min=_LEAST).log().transpose(-1, -2)

    def frames(self, lengths: Tensor) -> Tensor:
        """How many frames waveforms of `lengths` (B,) samples have; what comes after them in a batch is of padding."""
        return lengths // self.hop + 1
