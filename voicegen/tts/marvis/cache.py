"""What decoding changes: the KV cache and the counters of every slot, allocated once and never moved.

A slot is a place in the batch. `position` is where its next frame goes in the cache, `frame` how many frames it has.
A slot that no take holds is idle: its position is -1, and a frame writes nothing into its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from voicegen.tts.marvis.blocks import Blocks
from voicegen.tts.marvis.model import MarvisModel


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """The backbone's keys and values (L, KV, P, D) of a prompt that many takes begin with."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def length(self) -> int:
        """Positions."""
        return self.keys.shape[2]


class SlotState:
    """The tensors of S slots: cache (L, S, KV, context, D), and rows (S, ...) that a frame reads and writes.

    There are rows for whole `blocks`.
    """

    def __init__(
        self, model: MarvisModel, slots: int, codebooks: int, context: int, blocks: Blocks | None = None
    ) -> None:
        """`blocks` are the exact ones if None."""
        sizes, device = model.config.backbone, model.device
        self.blocks = Blocks.exact(model, slots) if blocks is None else blocks
        rows = self.blocks.rows(slots)
        shape = (sizes.layers, rows, sizes.kv_heads, context, sizes.head_dim)
        self.slots = slots
        self.codebooks = codebooks
        self.context = context
        self.user: object = None  # the scheduler that fills the slots; a later one takes them over
        self.touched = True  # whether something other than frames and prompts has written since this was last false
        self.keys = torch.zeros(shape, device=device, dtype=model.dtype)
        self.values = torch.zeros(shape, device=device, dtype=model.dtype)
        self.hidden = torch.zeros(rows, sizes.width, device=device, dtype=model.dtype)
        # position, frame, limit, and the two words of the seed
        self.counters = torch.zeros(rows, 5, device=device, dtype=torch.int64)
        self.idle(range(rows))
        # the frame's codes, and its flags in the last column
        self.output = torch.zeros(rows, codebooks + 1, device=device, dtype=torch.int32)

    @staticmethod
    def bytes_a_slot(model: MarvisModel, context: int) -> int:
        """Memory that one slot's cache takes."""
        sizes = model.config.backbone
        return 2 * sizes.layers * sizes.kv_heads * context * sizes.head_dim * model.dtype.itemsize

    @property
    def positions(self) -> torch.Tensor:
        """(S,) int64."""
        return self.counters[:, 0]

    @property
    def frames(self) -> torch.Tensor:
        """(S,) int64."""
        return self.counters[:, 1]

    @property
    def seeds(self) -> torch.Tensor:
        """(S, 2) int64."""
        return self.counters[:, 3:]

    def claim(self, user: object) -> None:
        """Makes every slot idle, for a new user."""
        self.user = user
        self.idle(range(self.slots))

    def idle(self, slots: Sequence[int]) -> None:
        """Ends what the slots hold."""
        self.counters[list(slots)] = self.counters.new_tensor([-1, 0, 0, 0, 0])
        self.touched = True

    def move(self, source: list[int], target: list[int]) -> None:
        """Moves whole slots to other places; `target` slots are overwritten, and `source` slots idle."""
        self.keys[:, target] = self.keys[:, source]
        self.values[:, target] = self.values[:, source]
        self.hidden[target] = self.hidden[source]
        self.counters[target] = self.counters[source]
        self.idle(source)

    def clear(self, slot: int) -> None:
        """Forgets what a slot holds: numbers that are not finite would outlive it where attention multiplies by 0."""
        for tensor in (self.keys[:, slot], self.values[:, slot], self.hidden[slot]):
            tensor.zero_()
        self.idle([slot])
