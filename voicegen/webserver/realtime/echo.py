"""Whether what a microphone hears is what a loudspeaker plays.

A browser takes the echo out of its microphone, as well as it can; a program, or a browser whose loudspeakers stand far
away, does not. So before speech is believed to be the user's, it is held against what was sent to be played: where
that, through a short filter (least squares, as an echo canceller's), makes up most of it, it is no user's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from voicegen.webserver.ears import RATE
from voicegen.webserver.engine import RATE as RATE_OUT

HEARD: Final = round(0.4 * RATE)
"""Samples that are held against what is played."""

_RATE: Final = 8_000  # Hz, of what is compared: below 4 kHz is enough of speech to tell it by
_SHARP: Final = 0.9  # of a sample is taken off the next: the lowest tones are loud, and alike whatever is said
_PARTS: Final = 4  # of what is heard that are looked for by themselves: a player comes to be later between two
_TAPS: Final = 64  # of the filter: 8 ms, most of what comes straight from a loudspeaker; LAPACK solves more by threads
_LEAD: Final = 12  # of them before the delay that was found
_MOST: Final = 0.42
"""Share of what is heard from which on it is an echo; `python -m tests.bench.echoes` says how many it finds."""
_LATE: Final = round(8.0 * _RATE)  # samples that a player may be behind what it was sent, gaps included
_NEAR: Final = round(0.5 * _RATE)  # that it may have come to be behind since it was last heard
_EARLY: Final = round(0.2 * _RATE)  # that its clock may be ahead
_NOTHING: Final = 1e-4  # less than any microphone gives that is open
_TAIL: Final = 0.5  # seconds that are still heard when it has been told to be silent

Samples = NDArray[np.float32]


class Played:
    """What was sent to one player, and when; every time is that of one clock, in seconds."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._sent = 0  # samples, pauses among them, at the connection's rate
        self._began = 0.0
        self._stopped: float | None = None
        self.begin()

    def begin(self) -> None:
        """Another answer is played; the one before it is over."""
        self._pieces, self._sent, self._stopped = [], 0, None
        self._behind: int | None = None  # samples that the player was behind when it was last heard
        self._resampler = soxr.ResampleStream(RATE_OUT, _RATE, 1, dtype="float32", quality="MQ")

    def add(self, samples: Samples, now: float) -> None:
        """Takes samples (N,) at the connection's rate that are played after those before them."""
        if not self._pieces:
            self._began = now
        pause = max(0, round((now - self._began) * RATE_OUT) - self._sent)  # nobody plays what is not there yet
        self._sent += pause + len(samples)
        waited = np.concatenate([np.zeros(pause, np.float32), samples])
        self._pieces.append(self._resampler.resample_chunk(waited))

    def stop(self, now: float) -> None:
        """The player was told to be silent."""
        self._stopped = now if self._stopped is None else self._stopped

    def is_heard_in(self, heard: Samples, now: float) -> bool:
        """Whether the samples that a microphone gave by now are, for the most part, what is played."""
        if not self._pieces or (self._stopped is not None and now > self._stopped + _TAIL + HEARD / RATE):
            return False
        if len(heard) < HEARD:
            return True  # as far as so little can tell: a user goes on, and is heard a moment later
        heard = heard[_first_sound(heard) :]
        if len(heard) < RATE // 50:
            return False
        heard = _sharpened(soxr.resample(heard, RATE, _RATE, quality="MQ"))
        silence = np.zeros(round(HEARD / RATE * _RATE), np.float32)  # that a beginning is heard after
        played = _sharpened(np.concatenate([silence, *self._pieces]))
        start = round((now - self._began) * _RATE) + len(silence) - len(heard)  # of what is heard, were nothing behind
        near = [] if self._behind is None else [(start - self._behind - _NEAR, start - self._behind + _NEAR)]
        for first, last in (*near, (start - _LATE, start + _EARLY)):
            first = max(0, first)
            around = played[first : max(0, last) + len(heard)]
            if len(around) <= len(heard):
                continue
            share, delay = _share(heard, around)
            if share > _MOST:
                self._behind = start - first - delay
                return True
        return False


def _first_sound(heard: Samples) -> int:
    """Where a microphone that was opened in the middle of what is played begins to give something.

    The filter cannot make an echo that begins at once of a sound that went on before.
    """
    return int(np.argmax(np.abs(heard) > _NOTHING))


def _sharpened(samples: Samples) -> Samples:
    return samples[1:] - np.float32(_SHARP) * samples[:-1]


def _share(heard: Samples, played: Samples) -> tuple[float, int]:
    """How much of the energy of what is heard is what is played, and where in it, by the end, what is heard began.

    A player that came to wait for more had a gap, and one that caught up left something out. So parts of what is heard
    are looked for by themselves, and between the delays of two it is the first up to where, through the filter of all,
    that leaves the least. Where they are put together so, the filter is found again.
    """
    delays = _delays(heard, played)
    for part in range(1, _PARTS):
        if abs(delays[part] - delays[part - 1]) < _LEAD:  # no gap is so short, and the filter makes up for it
            delays[part] = delays[part - 1]
    padded = np.pad(played, len(heard) + _TAPS)
    begins = [delay + len(heard) + _LEAD + 1 for delay in delays]
    sources = np.stack([padded[begin : begin + len(heard) + _TAPS - 1] for begin in begins])
    even = [part * len(heard) // _PARTS for part in range(1, _PARTS)]
    taps = _filter(heard, _joined(sources, even))
    left = np.stack([_left(heard, source, taps) for source in sources])
    joined = _joined(sources, _cuts(left))
    left = _left(heard, joined, _filter(heard, joined))
    return 1.0 - float(left.sum()) / max(float(heard @ heard), 1e-9 * len(heard)), delays[-1]


def _joined(sources: Samples, cuts: list[int]) -> Samples:
    """Of sources (K, N) the first up to the first cut, and so on."""
    at = np.arange(sources.shape[1])
    return sources[np.searchsorted(cuts, at - (_TAPS - 1 - _LEAD), "right"), at]


def _cuts(left: NDArray[np.floating]) -> list[int]:
    """Where the next of K sources goes on, so that the sum of what they leave at every moment (K, N) is least."""
    sums = np.pad(np.cumsum(left, 1, np.float64), ((0, 0), (1, 0)))
    least, more = sums[0], []
    for after in sums[1:]:
        more.append(least - after)
        least = after + np.minimum.accumulate(more[-1])
    cuts = [len(least) - 1]
    for one in reversed(more):
        cuts.insert(0, int(np.argmin(one[: cuts[0] + 1])))
    return cuts[:-1]


def _filter(heard: Samples, played: Samples) -> NDArray[np.floating]:
    """The taps that make what is heard of what is played, as nearly as it can be made: the least squares."""
    alike = np.array([played[: len(played) - shift] @ played[shift:] for shift in range(_TAPS)])
    alike[0] += 1e-3 * alike[0] + 1e-9  # little of the filter is made of noise alone
    gram = alike[np.abs(np.subtract.outer(np.arange(_TAPS), np.arange(_TAPS)))]
    return np.linalg.solve(gram, np.correlate(played, heard, "valid"))


def _left(heard: Samples, played: Samples, taps: NDArray[np.floating]) -> NDArray[np.floating]:
    """The energy, at every moment, of what is heard without what is played."""
    return (heard - np.correlate(played, taps, "valid")) ** 2


def _delays(heard: Samples, played: Samples) -> list[int]:
    """Where in what is played that what is heard begins, as each part of it alone has it, most likely.

    It is the peak of the normalized cross-correlation.
    """
    length = len(heard) // _PARTS
    size = -(-len(played) // 4096) * 4096  # has no large prime factor
    parts = heard[: _PARTS * length].reshape(_PARTS, length)
    spectra = np.fft.rfft(played, size) * np.conj(np.fft.rfft(parts, size))
    products = np.fft.irfft(spectra, size)[:, : len(played) - length + 1]
    summed = np.concatenate([[0.0], np.cumsum(played.astype(np.float64) ** 2)])
    energies = summed[length:] - summed[:-length]
    places = np.argmax(np.abs(products) / np.sqrt(energies + 1e-3 * float(energies.max()) + 1e-12), axis=1)
    return [int(place) - part * length for part, place in enumerate(places)]
