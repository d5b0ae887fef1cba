"""Whether a take says a stretch again right after it, as a model does that loops and a reader does not.

The take's log-mel frames are held against themselves at every lag (a self-similarity matrix: J. Foote, "Visualizing
music and audio using self-similarity", ACM Multimedia 1999); a stretch that is said again is alike for as long as the
lag, or longer. A text that comes back to its words does so after others, so that its stretches are shorter than theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.check import Check, CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech

_HOP: Final = 0.02  # seconds
_WINDOW: Final = 15  # frames that are compared as one: about two syllables
_SHORTEST_LAG: Final = 15  # frames: what is alike at a lesser lag is one held sound
_ALIKE: Final = 0.85  # correlation: the same words from the same voice have more, others hardly ever
_SHARE_OF_LAG: Final = 0.6  # where a repetition begins and ends its windows hold other sound as well
_SHARE_OF_LAG_IN_TEXT: Final = 0.9
_PIECE: Final = 1500  # frames looked at together; the next ones begin in their middle
_RANGE: Final = 35.0  # dB from the loudest frame down: what is under it is no speech


class RepeatsSettings(CheckSettings):
    """Bounds of `repeated`."""


def measure(takes: Sequence[Speech]) -> list[Scores]:
    """Seconds of the longest stretch that is said again at once, repetition included, and not so written."""
    return [{"repeated": round(_repeated(take), 2)} for take in takes]


def _repeated(take: Speech) -> float:
    frames = _frames(take)  # (N, mels)
    starts = range(0, max(len(frames) - _PIECE // 2, 1), _PIECE // 2)
    longest = max(_longest_repetition(frames[start : start + _PIECE]) for start in starts) * _HOP
    return max(longest - _share_repeated(take.utterance.text) * take.duration, 0.0) if longest else 0.0


def _frames(take: Speech) -> Any:
    """(N, mels) spectra in dB without their mean over time and that over bands; those of silence are zeros."""
    import torch

    samples = torch.from_numpy(np.asarray(take.samples, dtype=np.float32))
    mel = _mel_spectrogram(take.sampling_rate)
    spectra = 10 * torch.log10(mel(torch.nn.functional.pad(samples, (0, mel.n_fft))) + 1e-10).T
    loudest = spectra.amax(1)
    sounding = loudest > loudest.max() - _RANGE
    shapes = spectra - spectra.mean(1, keepdim=True)
    return (shapes - shapes[sounding].mean(0)) * sounding[:, None]


@cache
def _mel_spectrogram(rate: int) -> Any:
    from torchaudio.transforms import MelSpectrogram

    width = max(round(2 * _HOP * rate), 2)
    return MelSpectrogram(
        rate,
        n_fft=max(1 << (width - 1).bit_length(), 256),
        win_length=width,
        hop_length=max(round(_HOP * rate), 1),
        f_min=80.0,
        f_max=min(7000.0, rate / 2),
        n_mels=24,
        center=False,
    )


def _longest_repetition(frames: Any) -> int:
    """Of frames (N, mels), how many are alike to those one lag later, at the lag where they are most."""
    import torch

    alike = _likeness(frames) > _ALIKE  # (T, lags)
    ends = torch.arange(1, len(alike) + 1)[:, None]
    runs = (ends - torch.where(alike, 0, ends).cummax(0).values).amax(0) if len(alike) else torch.zeros(0)
    lengths = torch.where(runs > 0, runs + _WINDOW - 1, 0)
    lags = torch.arange(len(lengths))
    loops = (lags >= _SHORTEST_LAG) & (lengths >= _SHARE_OF_LAG * lags)
    return int((lengths * loops).max()) if len(lengths) else 0


def _likeness(frames: Any) -> Any:
    """(T, N): the correlation of the window that begins at each frame with that which begins each lag later.

    A window that is mostly silence counts as if it were half as loud as the median, so that little is alike to it.
    """
    import torch

    count = len(frames)
    places = max(count - _WINDOW + 1, 0)
    if places == 0:
        return torch.zeros(0, 0)
    later = torch.nn.functional.pad(frames @ frames.T, (0, count)).contiguous()
    products = torch.as_strided(later, (count, count), (2 * count + 1, 1))  # [i, lag]: frame i by frame i + lag
    energies = _over_windows(frames.square().sum(1, keepdim=True))[:, 0]
    energies = energies.clamp(min=float(energies.median()) / 2 + 1e-9)
    beyond = torch.full((count,), torch.inf, dtype=energies.dtype)
    shifted = torch.as_strided(torch.cat([energies, beyond]), (places, count), (1, 1))
    return _over_windows(products) / torch.sqrt(energies[:, None] * shifted)


def _over_windows(values: Any) -> Any:
    """(N, K) to (N - window + 1, K): sums over each window of frames."""
    import torch

    sums = torch.nn.functional.pad(torch.cumsum(values.double(), 0), (0, 0, 1, 0))
    return sums[_WINDOW:] - sums[:-_WINDOW]


def _share_repeated(text: str) -> float:
    """The share of the text's letters that the longest stretch has that is written twice in a row, or more often."""
    letters: NDArray[np.uint32] = np.frombuffer(
        "".join(sign for sign in text.lower() if sign.isalnum()).encode("utf-32-le"), dtype=np.uint32
    )
    longest = 0
    for lag in range(1, len(letters)):
        differ = np.flatnonzero(np.concatenate([[True], letters[lag:] != letters[:-lag], [True]]))
        run = int(np.diff(differ).max()) - 1
        longest = max(longest, run + lag if run >= _SHARE_OF_LAG_IN_TEXT * lag else 0)
    return longest / max(len(letters), 1)


def _make(_settings: RepeatsSettings) -> Check:
    return measure


SPEC: Final = CheckSpec(
    name="repeats",
    settings=RepeatsSettings,
    measurements=(
        Measurement(
            "repeated", "Seconds of the longest stretch that is said twice in a row and not so written.", "it repeats"
        ),
    ),
    make=_make,
)
