"""Loudness and true peak of a waveform (ITU-R BS.1770-5, mono), in numpy, which spares a run the import of torch."""

from __future__ import annotations

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

QUIETEST: Final = -70.0
"""LUFS of what BS.1770's absolute gate leaves nothing of, as of silence."""

_STEP: Final = 0.1  # seconds
_STEPS_A_BLOCK: Final = 4
_OFFSET: Final = -0.691  # dB: a full-scale sine of 997 Hz in one channel has -3.01 LUFS
_RELATIVE_GATE: Final = -10.0  # LU
_OVERSAMPLING: Final = 4
_PIECE: Final = 256  # samples that are oversampled together
_CROSSINGS: Final = 12  # of the filter with zero, to either side
_PASSED: Final = 0.99  # of the band
_CONTEXT: Final = math.ceil(_CROSSINGS / _PASSED)  # samples to either side that the filter hears
_MAY_PEAK: Final = 0.5  # of the largest sample: where no sample is larger, the wave between them is not the largest

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]


def loudness(samples: Samples, rate: int) -> float:
    """Integrated loudness of `samples` (N,) in LUFS, at least `QUIETEST`.

    A waveform of less than one gating block (400 ms) is one block by itself.
    """
    step = max(round(_STEP * rate), 1)
    until = np.concatenate([[0.0], np.cumsum(_weighted_energy(samples, step, rate))])
    whole = len(samples) // step - _STEPS_A_BLOCK + 1
    if whole < 1:
        power = until[-1:] / len(samples)
    else:
        power = (until[_STEPS_A_BLOCK:] - until[:-_STEPS_A_BLOCK])[:whole] / (_STEPS_A_BLOCK * step)
    power = power[_decibels(power) + _OFFSET > QUIETEST]
    if not len(power):
        return QUIETEST
    power = power[_decibels(power) > _decibels(power.mean()) + _RELATIVE_GATE]
    return max(float(_decibels(power.mean())) + _OFFSET, QUIETEST)


def true_peak(samples: Samples) -> float:
    """The largest magnitude of `samples` (N,) after oversampling by four, where full scale is 1.

    Only stretches with large samples are oversampled: in others there is no peak.
    """
    largest = np.abs(samples).max()
    padded = np.pad(samples, (_CONTEXT, -len(samples) % _PIECE + _CONTEXT))
    pieces = sliding_window_view(padded, _PIECE + 2 * _CONTEXT)[::_PIECE]
    pieces = pieces[np.abs(pieces).max(axis=1) >= _MAY_PEAK * largest]
    between = sliding_window_view(pieces, 2 * _CONTEXT + 1, axis=1) @ _oversampling()
    return float(max(largest, np.abs(between).max()))


@cache
def _oversampling() -> Samples:
    """(taps, 4): a sinc under a Hann window for each of four places from one sample to the next."""
    places = np.arange(-_CONTEXT, _CONTEXT + 1)[:, None] - np.arange(_OVERSAMPLING) / _OVERSAMPLING
    places = np.clip(places * _PASSED, -_CROSSINGS, _CROSSINGS)
    taps: Floats = np.sinc(places) * np.cos(places * np.pi / _CROSSINGS / 2) ** 2 * _PASSED
    return taps.astype(np.float32)


def _weighted_energy(samples: Samples, step: int, rate: int) -> Floats:
    """(steps,): the energy of each `step` samples after BS.1770's filters, by their spectra (Parseval).

    Each step is filtered by itself, which costs a fifth of filtering the whole; it moves speech by 0.02 LU at the most.
    """
    steps = np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)
    back, forward = _k_weighting(rate)
    weights = np.square(np.abs(np.fft.rfft(forward, step) / np.fft.rfft(back, step))) * 2 / step
    if step % 2 == 0:
        weights[-1] /= 2
    return np.square(np.abs(np.fft.rfft(steps))) @ weights


def _decibels(power: Floats) -> Floats:
    return 10 * np.log10(np.maximum(power, 1e-20))


@cache
def _k_weighting(rate: int) -> tuple[list[float], list[float]]:
    """Coefficients, back and forward, of BS.1770's two filters in one; at 48 kHz those of its tables.

    At other rates they are made from the same analog filters: B. De Man, "Evaluation of implementations of the EBU R128
    loudness measurement", AES 145, 2018.
    """
    tangent = math.tan(math.pi * 1681.9744509555319 / rate)
    quality, high = 0.7071752369554193, 10 ** (3.99984385397 / 20)
    band = high**0.499666774155
    scale = 1 + tangent / quality + tangent**2
    shelf = [
        (high + band * tangent / quality + tangent**2) / scale,
        2 * (tangent**2 - high) / scale,
        (high - band * tangent / quality + tangent**2) / scale,
    ]
    shelf_back = [1.0, 2 * (tangent**2 - 1) / scale, (1 - tangent / quality + tangent**2) / scale]
    tangent, quality = math.tan(math.pi * 38.13547087613982 / rate), 0.5003270373253953
    scale = 1 + tangent / quality + tangent**2
    pass_back = [1.0, 2 * (tangent**2 - 1) / scale, (1 - tangent / quality + tangent**2) / scale]
    back, forward = np.convolve(shelf_back, pass_back), np.convolve(shelf, [1.0, -2.0, 1.0])
    return back.tolist(), forward.tolist()
