"""Whether a take says a stretch again right after it, as a model does that loops and a reader does not.

The take's log-mel frames are held against themselves at every lag (a self-similarity matrix: J. Foote, "Visualizing
music and audio using self-similarity", ACM Multimedia 1999); a stretch that is said again is alike for as long as the
lag, or longer. A text that comes back to its words does so after others, so that its stretches are shorter than theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from voicegen.audio.mel_bands import mel_edges, triangles
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech

_HOP: Final = 0.02  # seconds
_WINDOW: Final = 15  # frames that are compared as one: about two syllables
_SHORTEST_LAG: Final = 15  # frames: what is alike at a lesser lag is one held sound
_LONGEST_LAG: Final = 500
_ALIKE: Final = 0.85  # correlation: the same words from the same voice have more, others hardly ever
_SHARE_OF_LAG: Final = 0.6  # where a repetition begins and ends its windows hold other sound as well
_SHARE_OF_LAG_IN_TEXT: Final = 0.6
_HELD: Final = 2.0**2  # of a band, in dB: a frame of no more is near its take's mean
_PIECE: Final = 1500  # frames looked at together; the next ones begin in their middle
_MELS: Final = 24
_RANGE: Final = 35.0  # dB from the loudest frame down: what is under it is no speech
_NEAR: Final = 1.4  # a voice says no two letters in the same time
_FEWEST_LETTERS: Final = 4  # that are written twice in a row and can be heard: not the two of "well"

Frames = NDArray[np.float32]


class RepeatsSettings(CheckSettings):
    """Bounds of `repeated`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """Seconds of the longest stretch that is said again at once, repetition included, and not so written."""
    return [{"repeated": round(_repeated(take), 2)} for take in takes]


def _repeated(take: Speech) -> float:
    frames = _frames(take)
    starts = range(0, max(len(frames) - _PIECE // 2, 1), _PIECE // 2)
    pieces = [_repetitions(frames[start : start + _PIECE]) for start in starts]
    found = {lag: max(piece.get(lag, 0) for piece in pieces) for lag in set().union(*pieces)}
    if not found:
        return 0.0
    letters, written = _repetitions_in(take.utterance.text)
    frames_a_letter = len(frames) / max(letters, 1)
    said = max(length - _so_written(lag, frames_a_letter, written) for lag, length in found.items())
    return max(said, 0.0) * _HOP


def _so_written(lag: int, frames_a_letter: float, written: Mapping[int, int]) -> float:
    """Frames of the longest repetition in the text whose lag is about that."""
    about = (run for apart, run in written.items() if lag / _NEAR < apart * frames_a_letter < lag * _NEAR)
    return max(about, default=0) * frames_a_letter


def _frames(take: Speech) -> Frames:
    """(N, mels) spectra in dB without their mean over time and that over bands; those of silence are zeros."""
    width, hop = max(round(2 * _HOP * take.sampling_rate), 2), max(round(_HOP * take.sampling_rate), 1)
    size = max(1 << (width - 1).bit_length(), 256)
    padded = np.pad(np.asarray(take.samples, dtype=np.float32), (0, width))
    windows = sliding_window_view(padded, width)[::hop] * np.hanning(width).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(windows, size))) @ _bands(take.sampling_rate, size)
    spectra = 10 * np.log10(power.astype(np.float32) + np.float32(1e-10))
    loudest = spectra.max(axis=1)
    sounding = loudest > loudest.max() - _RANGE
    shapes = spectra - spectra.mean(axis=1, keepdims=True)
    return np.where(sounding[:, None], shapes - shapes[sounding].mean(axis=0), np.float32(0))


@cache
def _bands(rate: int, size: int) -> Frames:
    """(size / 2 + 1, mels) weights of a spectrum's bins."""
    return triangles(mel_edges(80, min(7000, rate / 2), _MELS), rate, size).astype(np.float32)


def _repetitions(frames: Frames) -> dict[int, int]:
    """By lag, how many of the frames (N, mels) are in the longest stretch that is alike to what is a lag later.

    Those that are too short for their lag are left out.
    """
    if len(frames) < _WINDOW:
        return {}
    alike = _likeness(frames) > _ALIKE  # (T, lags)
    ends = np.arange(1, len(alike) + 1, dtype=np.int32)[:, None]
    runs = (ends - np.maximum.accumulate(np.where(alike, 0, ends), axis=0)).max(axis=0)
    lengths = np.where(runs > 0, runs + _WINDOW - 1, 0)
    lags = np.arange(len(lengths))
    (loops,) = np.nonzero((lags >= _SHORTEST_LAG) & (lengths >= _SHARE_OF_LAG * lags) & (runs > 0))
    return {int(lag): int(lengths[lag]) for lag in loops}


def _likeness(frames: Frames) -> Frames:
    """(T, lags): the correlation of the window that begins at each frame with that which begins each lag later.

    A window that is mostly silence counts as if it held half as much as the median, and one of a held sound as if it
    changed by 2 dB, so that little is alike to them.
    """
    count, lags = len(frames), min(len(frames), _LONGEST_LAG)
    later = np.pad(frames @ frames.T, ((0, 0), (0, lags)))
    row, column = later.strides
    products = as_strided(later, (count, lags), (row + column, column))  # [i, lag]: frame i by frame i + lag
    energies = _over_windows(np.square(frames).sum(axis=1, keepdims=True))[:, 0]
    energies = np.maximum(energies, max(np.median(energies) / 2, _HELD * frames.shape[1] * _WINDOW))
    shifted = sliding_window_view(np.pad(energies, (0, lags - 1), constant_values=np.inf), lags)
    return np.asarray(_over_windows(products) / np.sqrt(energies[:, None] * shifted))


def _over_windows(values: Frames) -> Frames:
    """(N, K) to (N - window + 1, K): sums over each window of frames."""
    sums = np.cumsum(values, axis=0)
    return np.concatenate([sums[_WINDOW - 1 : _WINDOW], sums[_WINDOW:] - sums[:-_WINDOW]])


def _repetitions_in(text: str) -> tuple[int, dict[int, int]]:
    """How many letters the text has, and by lag those of the longest stretch that is the same as what is a lag later.

    Those that are too short for their lag, or to be heard, are left out.
    """
    letters: NDArray[np.uint32] = np.frombuffer(
        "".join(sign for sign in text.lower() if sign.isalnum()).encode("utf-32-le"), dtype=np.uint32
    )
    found = {}
    for lag in range(1, len(letters)):
        differ = np.flatnonzero(np.concatenate([[True], letters[lag:] != letters[:-lag], [True]]))
        run = int(np.diff(differ).max()) - 1
        if run >= max(_SHARE_OF_LAG_IN_TEXT * lag, _FEWEST_LETTERS):
            found[lag] = run
    return len(letters), found


SPEC: Final = CheckSpec(
    name="repeats",
    settings=RepeatsSettings,
    measurements=(
        Measurement(
            "repeated", "Seconds of the longest stretch that is said twice in a row and not so written.", "it repeats"
        ),
    ),
    make=lambda _settings: measure,
)
