"""How a clip looks: its waveform and its mel spectrogram, small enough that a page can carry those of many clips.

In NumPy: every run ends with a page, and one whose models need no torch would load it for these alone.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Final

import numpy as np
import soundfile
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from voicegen.audio.mel_bands import mel_edges, triangles

WIDTH: Final = 400
"""Columns of a picture, however long the clip is."""
BANDS: Final = 64
"""Rows of its spectrogram, from 0 Hz to half the sampling rate on the mel scale."""
LEVELS: Final = 16
"""Of a band: 0 is `_RANGE` dB or more below the loudest."""
PICTURE_BYTES: Final = WIDTH * (1 + BANDS)

_RANGE = 75.0  # dB
_WINDOW = 1024  # samples, of a clip that is not so long that its columns are further apart
_AT_ONCE = 2**14  # samples of windows transformed together, where one is not longer: more is memory cleared anew


def picture(wav: bytes) -> bytes:
    """The picture of the clip in an audio file's bytes, of `PICTURE_BYTES`.

    Returns:
        For each column the largest magnitude, 255 being the clip's own peak; then the bands, lowest first, `WIDTH`
        levels each.

    Raises:
        soundfile.LibsndfileError: it is no audio.
    """
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    mono = samples.mean(1)
    mono = np.pad(mono, (0, max(0, WIDTH - len(mono))))
    return _peaks(mono).tobytes() + _spectrogram(mono, rate).tobytes()


def _peaks(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    starts = np.linspace(0, len(samples), WIDTH, endpoint=False).astype(np.int64)
    peaks = np.maximum.reduceat(np.abs(samples), starts)
    return (peaks / max(float(peaks.max()), 1e-9) * 255).round().astype(np.uint8)


def _spectrogram(samples: NDArray[np.float32], rate: int) -> NDArray[np.uint8]:
    hop = len(samples) // WIDTH
    window = max(_WINDOW, 1 << (hop - 1).bit_length())
    windows = sliding_window_view(np.pad(samples, window // 2), window)[::hop][:WIDTH]  # (T, N)
    shape, bands = np.hanning(window + 1)[:-1].astype(np.float32), _bands(rate, window)
    some = max(1, _AT_ONCE // window)
    mel = np.concatenate(
        [_power(windows[start : start + some] * shape) @ bands for start in range(0, WIDTH, some)]
    ).T  # (B, T)
    decibels = 10 * np.log10(np.maximum(mel, 1e-10))
    levels = np.maximum(decibels - decibels.max() + _RANGE, 0) / _RANGE * (LEVELS - 1)
    return np.ascontiguousarray(levels.round(), np.uint8)


def _power(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power spectra (T, F) of windows (T, N)."""
    spectra = np.fft.rfft(windows)
    return (spectra.real**2 + spectra.imag**2).astype(np.float32, copy=False)


@cache
def _bands(rate: int, window: int) -> NDArray[np.float32]:
    """Triangles (F, B) of equal area."""
    edges = mel_edges(0, rate / 2, BANDS)
    return (triangles(edges, rate, window) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)
