"""Change of sample rate for many waveforms at once, on a GPU. Imports torch.

torchaudio's windowed sinc, with a filter as near to that of soxr's VHQ as its parameters come: up to 0.9 of half the
lower rate the two differ by less than -75 dB. On a CPU soxr (`resample.py`) takes less time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torchaudio.transforms import Resample

_LARGEST: Final = 1000
"""Of either rate, divided by what both have in common: the filter has a row for each sample of the one."""

_SAMPLES_AT_ONCE: Final = 1 << 22


class BatchResampler:
    """Takes waveforms from one rate to another; what a waveform becomes does not depend on the others.

    It computes in float64: in float32 a GPU may round to ten bits on the way (TF32), which leaves a noise of -60 dB.

    Attributes:
        rate: Hz, of what it gives.
    """

    def __init__(self, from_rate: int, to_rate: int, device: torch.device | str) -> None:
        """For waveforms at `from_rate` Hz, which become such at `to_rate`, on a torch device that knows float64."""
        self.rate = to_rate
        self._from_rate = from_rate
        self._device = torch.device(device)
        self._resample = Resample(
            from_rate,
            to_rate,
            "sinc_interp_kaiser",
            lowpass_filter_width=96,
            rolloff=0.955,
            beta=11.0,
            dtype=torch.float64,
        ).to(self._device)

    @staticmethod
    def is_for(from_rate: int, to_rate: int) -> bool:
        """Whether two rates have so much in common that the filter is a small one, as all usual ones have."""
        return from_rate != to_rate and max(from_rate, to_rate) // gcd(from_rate, to_rate) <= _LARGEST

    def __call__(self, waveforms: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """float32 waveforms (N_i,) to such of (ceil(N_i * to_rate / from_rate),), in order."""
        return [resampled for batch in _batches(waveforms) for resampled in self._resampled(batch)]

    def _resampled(self, waveforms: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        padded = np.zeros((len(waveforms), max(1, *map(len, waveforms))), np.float32)  # (B, N)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        with torch.inference_mode():
            found = self._resample(torch.from_numpy(padded).to(self._device, torch.float64)).float().cpu().numpy()
        for row, waveform in zip(found, waveforms, strict=True):
            yield row[: -(-len(waveform) * self.rate // self._from_rate)].copy()


def _batches(waveforms: Sequence[NDArray[np.float32]]) -> Iterator[Sequence[NDArray[np.float32]]]:
    """Waveforms in order, as many together as do not become too much when they are padded."""
    start, longest = 0, 0
    for place, waveform in enumerate(waveforms):
        longest = max(longest, len(waveform))
        if place > start and longest * (place + 1 - start) > _SAMPLES_AT_ONCE:
            yield waveforms[start:place]
            start, longest = place, len(waveform)
    if start < len(waveforms):
        yield waveforms[start:]
