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

_TAPS: Final = 128  # of the filter: 8 ms, in which most of what comes straight from a loudspeaker is
_LEAD: Final = 24  # of them before the delay that was found
_MOST: Final = 0.6
"""Share of what is heard from which on it is an echo. With a browser on a machine too busy to play without gaps, echoes
were 0.68 and more; the same voice with other words was 0.55 and less, and over 0.4 only where words were the same."""
_LATE: Final = round(8.0 * RATE)  # samples that a player may be behind what it was sent, gaps included
_NEAR: Final = round(0.5 * RATE)  # that it may have come to be behind since it was last heard
_EARLY: Final = round(0.2 * RATE)  # that its clock may be ahead
_NOTHING: Final = 1e-4  # less than any microphone gives that is open
_TAIL: Final = 0.5  # seconds that are still heard when it has been told to be silent

Samples = NDArray[np.float32]


class Played:
    """What was sent to one player, and when; every time is that of one clock, in seconds."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._began = 0.0
        self._stopped: float | None = None
        self.begin()

    def begin(self) -> None:
        """Another answer is played; the one before it is over."""
        self._pieces, self._stopped = [], None
        self._behind: int | None = None  # samples that the player was behind when it was last heard
        self._resampler = soxr.ResampleStream(RATE_OUT, RATE, 1, dtype="float32", quality="MQ")

    def add(self, samples: Samples, now: float) -> None:
        """Takes samples (N,) at the connection's rate that are played after those before them."""
        if not self._pieces:
            self._began = now
        self._pieces.append(self._resampler.resample_chunk(samples))

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
        if len(heard) < 2 * _TAPS:
            return False
        played = np.concatenate([np.zeros(HEARD, np.float32), *self._pieces])  # a beginning is heard after silence
        start = round((now - self._began) * RATE) + HEARD - len(heard)  # of what is heard, were nothing behind
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


def _share(heard: Samples, played: Samples) -> tuple[float, int]:
    """How much of the energy of what is heard is what is played, and from where in it on.

    Both halves are looked for by themselves: a player that came to wait for more had a gap between them.
    """
    halves = np.array_split(heard, 2)
    places = [_delay(half, played) for half in halves]
    left = sum(_left(half, played, place) for half, place in zip(halves, places, strict=True))
    return 1.0 - left / max(float(heard @ heard), 1e-9 * len(heard)), places[0]


def _left(heard: Samples, played: Samples, delay: int) -> float:
    """The energy of what is heard without what is played, through the filter that leaves the least."""
    start = delay + _LEAD + 1
    around = np.pad(played, (_TAPS, _TAPS))[start : start + len(heard) + _TAPS - 1]
    alike = np.array([around[: len(around) - shift] @ around[shift:] for shift in range(_TAPS)])
    alike[0] += 1e-3 * alike[0] + 1e-9  # little of the filter is made of noise alone
    gram = alike[np.abs(np.subtract.outer(np.arange(_TAPS), np.arange(_TAPS)))]
    taps = np.linalg.solve(gram, np.correlate(around, heard, "valid"))
    left = heard - np.correlate(around, taps, "valid")
    return float(left @ left)


def _delay(heard: Samples, played: Samples) -> int:
    """Where in what is played that what is heard begins, most likely: the peak of the normalized cross-correlation."""
    size = 1 << (len(played) + len(heard)).bit_length()
    spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size))
    places = len(played) - len(heard) + 1
    products = np.fft.irfft(spectrum, size)[:places]
    summed = np.concatenate([[0.0], np.cumsum(played.astype(np.float64) ** 2)])
    energies = summed[len(heard) :] - summed[: -len(heard)]
    return int(np.argmax(np.abs(products) / np.sqrt(energies + 1e-6 * float(energies.max()) + 1e-12)))
