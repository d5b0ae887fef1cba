"""What the engine needs of whatever computes, torch or MLX: slots that are admitted to, launched, and read.

`Runners` is a loaded model on its device; `FrameRunner` makes frames for some slots of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.config import MarvisConfig
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.prompts import Admission, Prefix, Prompt

if TYPE_CHECKING:
    from voicegen.tts.marvis.codec import Codec, PendingPieces
    from voicegen.tts.marvis.decoding import BatchDecoder, Resampler

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

    @property
    def refill_every(self) -> int:
        """Frames from one look at the free slots to the next: reading prompts may cost as much as making a frame."""
        ...

    @property
    def sizes(self) -> Sequence[int]:
        """The numbers of slots that frames are made of, the smallest first and all of them last."""
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


class Runners(Protocol):
    """A loaded model on its device: what reads prompts and makes frames, and the codec that goes with it.

    Attributes:
        config: The model's sizes.
        codebooks: Codebooks that are generated, from the first.
        device: Its name, for messages.
        precision: Of the weights, such as `float32`.
        works_ahead: Whether takes are decoded in a thread of its own, beside generation.
        decodes_together: Whether takes wait for a few others, where they are decoded between frames.
    """

    config: MarvisConfig
    codebooks: int
    device: str
    precision: str
    works_ahead: bool
    decodes_together: bool

    def most_slots(self) -> int:
        """Takes at a time that the device's memory holds, a power of two."""
        ...

    def runner(self, slots: int, sampling: Sampling) -> FrameRunner:
        """The runner of so many slots, which draws so from its next frame on; made when first asked for, and kept."""
        ...

    def made(self, slots: int) -> FrameRunner:
        """A new runner with slots of its own, which nobody else is given."""
        ...

    def clear(self) -> None:
        """Gives the memory of all runners back."""
        ...

    def generating(self) -> AbstractContextManager[None]:
        """Readies the device for as long as frames are made, by one or several at once."""
        ...

    def read_prefix(self, prompt: Prompt) -> Prefix:
        """Reads a prompt that many takes begin with, once."""
        ...

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether an error says that fewer slots might do."""
        ...

    def load_codec(self, source: str | Path) -> Codec:
        """The codec from a file, folder or repository, where it decodes best.

        Raises:
            ModelError: It cannot be found, is no Mimi, or a tensor is missing or not finite.
        """
        ...

    def batch_decoder(self, codec: Codec) -> BatchDecoder | None:
        """What decodes batches faster than the codec itself, if anything does."""
        ...

    def stream_decoders(self, codec: Codec, rows: int) -> StreamDecoders:
        """What decodes so many streams as their frames are made."""
        ...

    def resampler(self, from_rate: int, to_rate: int) -> Resampler | None:
        """What gives many takes another rate sooner than soxr does one after another, if anything does."""
        ...


class StreamDecoders(Protocol):
    """Rows of a codec's state, for streams at places of their own.

    Attributes:
        lag: pushes that may be ahead of the one whose samples are taken.
        frames: of a row that are best pushed at a time.
    """

    lag: int
    frames: int

    def begin(self, row: int) -> None:
        """Makes a row ready for a new stream."""
        ...

    def push(self, frames: Mapping[int, NDArray[np.int64]]) -> PendingPieces:
        """Decodes the next frames (K, t) of each row."""
        ...


Loader = Callable[[Path, MarvisConfig, int], Runners]
"""Loads the model in a folder, of these sizes, to generate so many codebooks."""


def kept(
    runners: dict[int, FrameRunner], slots: int, sampling: Sampling, make: Callable[[int], FrameRunner]
) -> FrameRunner:
    """The runner of so many slots among `runners`, made if there is none, which draws so from its next frame on."""
    if slots not in runners:
        runners[slots] = make(slots)
    runners[slots].use(sampling)
    return runners[slots]


def rungs(slots: int) -> list[int]:
    """The batch sizes that frames are launched for: powers of two, and all slots."""
    return [*(2**power for power in range(slots.bit_length()) if 2**power < slots), slots]
