"""What the scheduler needs of whatever makes frames: slots that are admitted to, launched, and read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.prompts import Admission

EOS, FULL, BROKEN = 1, 2, 4
"""Flags of a frame: it is the end; it is the last that fits `limit`; its logits were not finite."""


class Slots(Protocol):
    """Places for takes, and who fills them."""

    slots: int
    codebooks: int
    user: object  # the scheduler that fills the slots; a later one takes them over

    def claim(self, user: object) -> None:
        """Makes every slot idle, for a new user."""
        ...

    def idle(self, slots: Sequence[int]) -> None:
        """Ends what the slots hold."""
        ...

    def move(self, source: list[int], target: list[int]) -> None:
        """Moves whole slots to other places; `target` slots are overwritten, and `source` slots idle."""
        ...

    def clear(self, slot: int) -> None:
        """Forgets what a slot holds, numbers that are not finite too."""
        ...


class PendingFrame(Protocol):
    """A frame that a device is working on."""

    def wait(self) -> NDArray[np.int32]:
        """(n, codebooks + 1): each slot's codes, and its flags in the last column."""
        ...


class FrameRunner(Protocol):
    """Generates frames for the slots of one state."""

    lag: int  # frames that may be launched ahead of the one whose flags are read

    @property
    def state(self) -> Slots:
        """What it generates for."""
        ...

    def use(self, sampling: Sampling) -> None:
        """Draws so from the next frame on."""
        ...

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        ...

    def launch(self, slots: int) -> PendingFrame:
        """Starts a frame of the first `slots` slots."""
        ...
