"""How a clip looks: its waveform and its mel spectrogram, small enough that a page can carry those of many clips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, BinaryIO, Final

import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray

WIDTH: Final = 400
"""Columns of a picture, however long the clip is."""
BANDS: Final = 64
"""Rows of its spectrogram, from 0 Hz to half the sampling rate on the mel scale."""
LEVELS: Final = 16
"""Of a band: 0 is `_RANGE` dB or more below the loudest."""
PICTURE_BYTES: Final = WIDTH * (1 + BANDS)

_RANGE = 75.0  # dB
_WINDOW = 1024  # samples, of a clip that is not so long that its columns are further apart


def picture(wav: BinaryIO) -> bytes:
    """The picture of a WAV, of `PICTURE_BYTES`.

    Returns:
        For each column the largest magnitude, 255 being the clip's own peak; then the bands, lowest first, `WIDTH`
        levels each.

    Raises:
        soundfile.LibsndfileError: it is no audio.
    """
    samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = torch.from_numpy(samples).mean(1)
    if len(mono) < WIDTH:
        mono = torch.nn.functional.pad(mono, (0, WIDTH - len(mono)))
    return _peaks(mono.numpy()).tobytes() + _spectrogram(mono, rate).tobytes()


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Has torch compute in this thread alone: what is done for one picture is too little to be shared out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _peaks(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    starts = np.linspace(0, len(samples), WIDTH, endpoint=False).astype(np.int64)
    peaks = np.maximum.reduceat(np.abs(samples), starts)
    return (peaks / max(float(peaks.max()), 1e-9) * 255).round().astype(np.uint8)


def _spectrogram(samples: Any, rate: int) -> NDArray[np.uint8]:
    hop = len(samples) // WIDTH
    window = max(_WINDOW, 1 << (hop - 1).bit_length())
    spectrum = torchaudio.functional.spectrogram(
        samples, 0, torch.hann_window(window), window, hop, window, power=2.0, normalized=False, pad_mode="constant"
    )[:, :WIDTH]  # (F, T)
    mel = _bands(rate, window) @ spectrum
    decibels = 10 * torch.log10(mel.clamp_min(1e-10))
    levels = (decibels - decibels.max() + _RANGE).clamp_min(0) / _RANGE * (LEVELS - 1)
    return np.asarray(levels.round(), np.uint8)


@cache
def _bands(rate: int, window: int) -> Any:
    return torchaudio.functional.melscale_fbanks(window // 2 + 1, 0.0, rate / 2, BANDS, rate, norm="slaney").T
