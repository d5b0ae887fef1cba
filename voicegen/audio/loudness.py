"""Loudness and true peak of several waveforms at a time, on whatever device they are (ITU-R BS.1770-5, mono)."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

QUIETEST: Final = -70.0
"""LUFS of what BS.1770's absolute gate leaves nothing of, as of silence."""

_STEP: Final = 0.1  # seconds
_STEPS_A_BLOCK: Final = 4
_OFFSET: Final = -0.691  # dB: a full-scale sine of 997 Hz in one channel has -3.01 LUFS
_RELATIVE_GATE: Final = -10.0  # LU
_OVERSAMPLING: Final = 4
_PIECE: Final = 256  # samples that are oversampled together
_CONTEXT: Final = 32  # samples to either side that the filter hears
_TAPS: Final = 12  # zero crossings of the filter to either side
_MAY_PEAK: Final = 0.5  # of the largest sample: where no sample is larger, the wave between them is not the largest


def loudness(waveforms: Tensor, lengths: Tensor, rate: int) -> Tensor:
    """Integrated loudness, (B,) LUFS, of `waveforms` (B, N), of which row i holds `lengths[i]` samples, then zeros.

    A waveform of less than one gating block (400 ms) is one block by itself; at least `QUIETEST`.
    """
    import torch

    step = max(round(_STEP * rate), 1)
    energy = _weighted_energy(waveforms, step, rate).double()  # (B, steps)
    count = max(energy.shape[1] - _STEPS_A_BLOCK + 1, 1)
    until = torch.nn.functional.pad(torch.cumsum(energy, 1), (1, _STEPS_A_BLOCK), value=0)
    until[:, energy.shape[1] + 1 :] = until[:, energy.shape[1], None]
    starts = torch.arange(count, device=waveforms.device) * step
    ends = torch.minimum(starts + _STEPS_A_BLOCK * step, lengths[:, None])
    power = (until[:, _STEPS_A_BLOCK:][:, :count] - until[:, :count]) / (ends - starts).clamp(min=1)  # (B, blocks)
    whole = (starts + _STEPS_A_BLOCK * step <= lengths[:, None]) | (starts == 0)
    heard = whole & (_decibels(power) + _OFFSET > QUIETEST)
    gate = _decibels(_mean(power, heard)) + _RELATIVE_GATE
    heard &= _decibels(power) > gate[:, None]
    return (_decibels(_mean(power, heard)) + _OFFSET).clamp(min=QUIETEST)


def true_peak(waveforms: Tensor, rate: int) -> Tensor:
    """The largest magnitude of `waveforms` (B, N), (B,), after oversampling by four, where full scale is 1.

    Only stretches with large samples are oversampled: in others there is no peak.
    """
    import torch
    from torchaudio.functional import resample

    largest = waveforms.abs().amax(1)
    count = -(-waveforms.shape[1] // _PIECE)
    padded = torch.nn.functional.pad(waveforms, (_CONTEXT, count * _PIECE - waveforms.shape[1] + _CONTEXT))
    pieces = padded.unfold(1, _PIECE + 2 * _CONTEXT, _PIECE)  # (B, count, piece with its context)
    row, place = torch.nonzero(pieces.abs().amax(2) >= _MAY_PEAK * largest[:, None], as_tuple=True)
    finer = resample(pieces[row, place], rate, rate * _OVERSAMPLING, lowpass_filter_width=_TAPS)
    inner = finer[:, _CONTEXT * _OVERSAMPLING : -_CONTEXT * _OVERSAMPLING].abs().amax(1)
    return largest.scatter_reduce(0, row, inner, "amax")


def _weighted_energy(waveforms: Tensor, step: int, rate: int) -> Tensor:
    """(B, steps): the energy of each `step` samples after BS.1770's filters, by their spectra (Parseval).

    Each step is filtered by itself, which costs a fifth of filtering the whole; it moves speech by 0.02 LU at the most.
    """
    import torch

    count = max(-(-waveforms.shape[1] // step), 1)
    steps = torch.nn.functional.pad(waveforms, (0, count * step - waveforms.shape[1])).unfold(1, step, step)
    back, forward = (torch.tensor(side, dtype=torch.float64, device=waveforms.device) for side in _k_weighting(rate))
    weights = (torch.fft.rfft(forward, step) / torch.fft.rfft(back, step)).abs().square() * 2 / step
    if step % 2 == 0:
        weights[-1] /= 2
    spectra = torch.view_as_real(torch.fft.rfft(steps)).square().sum(-1)  # (B, steps, bins)
    return spectra @ weights.to(spectra.dtype)


def _decibels(power: Tensor) -> Tensor:
    return 10 * power.clamp(min=1e-20).log10()


def _mean(power: Tensor, heard: Tensor) -> Tensor:
    """(B,): over the blocks that are heard; 0 where none is."""
    return (power * heard).sum(1) / heard.sum(1).clamp(min=1)


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
