"""Where somebody begins to speak and where they have ended, from how likely each moment is speech. Knows no model."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from voicegen.quality.recognizers.silero import RATE, WINDOW

MS_A_WINDOW: Final = 1000 * WINDOW / RATE

_ONSET: Final = (
    4  # of the last windows of `_LATELY` that are speech where somebody begins: a click or a cough is shorter
)
_LATELY: Final = 6
_SLACK: Final = 0.15  # below the threshold speech is over: Silero's own way to keep it from flickering

Edge = Literal["begins", "ends"]


class Turns:
    """Follows one stream.

    Args:
        threshold: likelihood from which a moment is speech.
        silence_ms: of quiet after which a turn is over.
    """

    def __init__(self, threshold: float = 0.5, silence_ms: float = 500) -> None:
        self._threshold = threshold
        self._patience = max(1, round(silence_ms / MS_A_WINDOW))
        self._lately: deque[bool] = deque(maxlen=_LATELY)
        self._quiet = 0
        self.speaking = False

    def add(self, likelihood: float) -> Edge | None:
        """Takes the next window, and says what begins or ends with it."""
        if not self.speaking:
            self._lately.append(likelihood >= self._threshold)
            if sum(self._lately) < _ONSET:
                return None
            self.speaking, self._quiet = True, 0
            return "begins"
        self._quiet = 0 if likelihood >= self._threshold - _SLACK else self._quiet + 1
        if self._quiet < self._patience:
            return None
        self.reset()
        return "ends"

    def reset(self) -> None:
        """Nobody speaks, as far as is known."""
        self.speaking = False
        self._lately.clear()
