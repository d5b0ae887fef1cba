"""What comes in from one microphone: who speaks when, and the samples of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from voicegen.quality.recognizers.silero import WINDOW, Activity
from voicegen.webserver.ears import LONGEST, RATE
from voicegen.webserver.engine import RATE as RATE_IN
from voicegen.webserver.realtime.echo import HEARD
from voicegen.webserver.realtime.session import ServerVad
from voicegen.webserver.realtime.turns import Turns

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody begins to speak, so many milliseconds from the stream's beginning."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """They have ended; `samples` (N,) at `RATE` are what they said."""

    at_ms: int
    samples: Samples


class Hearing:
    """One stream.

    Args:
        activity: the detector.
        vad: how turns are told; None where the client says itself where they end.
        is_echo: whether samples (N,) at `RATE` that end now are what is being played.
        longest: seconds of a turn; a longer one is ended there.
    """

    def __init__(
        self,
        activity: Activity,
        vad: ServerVad | None,
        is_echo: Callable[[Samples], bool] = lambda _samples: False,
        longest: float = LONGEST,
    ) -> None:
        self._activity = activity
        self._is_echo = is_echo
        self._longest = round(min(longest, LONGEST) * RATE)
        self._resampler = soxr.ResampleStream(RATE_IN, RATE, 1, dtype="float32", quality="MQ")
        self._waiting = np.zeros(0, np.float32)  # less than a window
        self._kept = np.zeros(0, np.float32)  # of the turn, or before one as much as may belong to it
        self._heard = 0  # samples that were heard so far
        self.listen_by(vad)

    def listen_by(self, vad: ServerVad | None) -> None:
        """Tells turns otherwise from now on."""
        self._vad = vad
        self._turns = Turns(vad.threshold, vad.silence_duration_ms) if vad else Turns()

    @property
    def speaking(self) -> bool:
        """Whether somebody is in the middle of a turn."""
        return self._turns.speaking

    @property
    def is_full(self) -> bool:
        """Whether there is no room for more."""
        return len(self._kept) >= self._longest

    def add(self, samples: Samples) -> Iterator[Began | Ended]:
        """Takes more samples (N,) at the rate of the connection, and says what begins and ends in them."""
        heard = np.concatenate([self._waiting, self._resampler.resample_chunk(samples)])
        whole = len(heard) // WINDOW * WINDOW
        self._waiting = heard[whole:]
        for start in range(0, whole, WINDOW):
            yield from self._window(heard[start : start + WINDOW])

    def take(self) -> Samples:
        """Empties the buffer, and gives what was in it."""
        taken = np.concatenate([self._kept, self._waiting])[: self._longest]
        self.clear()
        return taken

    def clear(self) -> None:
        """Empties the buffer."""
        self._kept = self._waiting = np.zeros(0, np.float32)
        self._turns.reset()

    def _window(self, window: Samples) -> Iterator[Began | Ended]:
        self._heard += WINDOW
        self._kept = np.concatenate([self._kept, window])
        if self._vad is None:
            return
        edge = self._turns.add(self._activity.likelihood(window))
        if edge == "begins" and self._is_echo(self._kept[-HEARD:]):
            self._turns.reset()
            edge = None
        if edge == "begins":
            yield Began(self._ms(len(self._kept)))
        elif edge == "ends" or (self._turns.speaking and self.is_full):
            samples, self._kept = self._kept[: self._longest], np.zeros(0, np.float32)
            self._turns.reset()
            yield Ended(self._ms(0), samples)
        elif not self._turns.speaking:
            self._kept = self._kept[-self._before(self._vad) :]

    def _before(self, vad: ServerVad) -> int:
        """Samples that may belong to a turn which the detector has not seen begin."""
        return max(HEARD, round(vad.prefix_padding_ms / 1000 * RATE) + 6 * WINDOW)

    def _ms(self, back: int) -> int:
        """Milliseconds from the beginning to so many samples ago."""
        return round(1000 * max(0, self._heard - back) / RATE)
