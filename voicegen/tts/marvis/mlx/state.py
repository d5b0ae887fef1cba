"""What decoding changes, in MLX: the KV cache and the counters of every slot.

MLX changes an array in place only where nothing else holds it. So a frame takes the arrays out of here (`taken`), and
what it gives is put back; no other name may keep them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from voicegen.mlx_device import device_memory
from voicegen.tts.marvis.mlx.model import MLXModel

MEMORY_SHARE = 4  # of the device's goes to the slots

IDLE = (-1, 0, 0)
"""Position, frame and limit of a slot that no take holds: a frame ends at once there."""


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """The backbone's keys and values, (1, KV, P, D) a layer, of a prompt that many takes begin with."""

    layers: tuple[tuple[mx.array, mx.array], ...]

    @property
    def length(self) -> int:
        """Positions."""
        return self.layers[0][0].shape[2]


@dataclass(slots=True)
class Arrays:
    """The arrays of `rows` slots.

    Attributes:
        layers: keys and values (rows, KV, positions, D) of each layer.
        hidden: (rows, width), what the next frame is drawn from.
        counters: (rows, 3) int32: position, frame and limit.
        seeds: (rows, 2) uint32.
    """

    layers: list[tuple[mx.array, mx.array]]
    hidden: mx.array
    counters: mx.array
    seeds: mx.array

    def all(self) -> list[mx.array]:
        """Every one of them."""
        return [*(array for layer in self.layers for array in layer), self.hidden, self.counters, self.seeds]


class SlotState:
    """The arrays of S slots, and how far each has come as the host knows it."""

    def __init__(self, model: MLXModel, slots: int, codebooks: int, span: int | None = None) -> None:
        """Keeps room for a multiple of `span` positions, as far as the longest take reaches; for all if None."""
        sizes = model.config.backbone
        self._span = span or sizes.context
        shape = (slots, sizes.kv_heads, min(self._span, sizes.context), sizes.head_dim)
        self.slots = slots
        self.codebooks = codebooks
        self.context = sizes.context
        self.user: object = None  # the scheduler that fills the slots; a later one takes them over
        self.positions = np.zeros(slots, np.int64)  # of each slot, at most; 0 where it is known to be idle
        self.holders = np.zeros(slots, np.int64)  # counts the takes that each slot has held
        self._arrays: Arrays | None = Arrays(
            [(mx.zeros(shape, model.dtype), mx.zeros(shape, model.dtype)) for _ in range(sizes.layers)],
            mx.zeros((slots, sizes.width), model.dtype),
            mx.array([IDLE] * slots, mx.int32),
            mx.zeros((slots, 2), mx.uint32),
        )
        mx.eval(self._arrays.all())

    @staticmethod
    def bytes_a_slot(model: MLXModel) -> int:
        """Memory that one slot's cache takes, and the one that a frame makes of it."""
        sizes = model.config.backbone
        return 2 * 2 * sizes.layers * sizes.kv_heads * sizes.context * sizes.head_dim * model.dtype.size

    def reach(self, positions: int) -> None:
        """Makes room for so many positions where there is less, or less room where no slot has come half as far."""
        arrays = self.taken()
        room = arrays.layers[0][0].shape[2]
        furthest = max(positions, int(self.positions.max()) + 1)
        wanted = min(-(-furthest // self._span) * self._span, self.context)
        if wanted > room or 2 * wanted <= room:
            arrays.layers = [(_with_room(keys, wanted), _with_room(values, wanted)) for keys, values in arrays.layers]
        self.put(arrays)

    def taken(self) -> Arrays:
        """The arrays, which are to be put back changed."""
        arrays, self._arrays = self._arrays, None
        assert arrays is not None  # put back by whoever took them
        return arrays

    def put(self, arrays: Arrays) -> None:
        """Puts arrays back."""
        self._arrays = arrays

    def claim(self, user: object) -> None:
        """Makes every slot idle, for a new user."""
        self.user = user
        self.idle(range(self.slots))

    def idle(self, slots: Sequence[int]) -> None:
        """Ends what the slots hold."""
        arrays = self.taken()
        arrays.counters[mx.array(list(slots))] = mx.array(IDLE, mx.int32)
        self.positions[list(slots)] = 0
        self.put(arrays)

    def move(self, source: list[int], target: list[int]) -> None:
        """Moves whole slots to other places; `target` slots are overwritten, and `source` slots idle."""
        arrays, old, new = self.taken(), mx.array(source), mx.array(target)
        for array in arrays.all():
            array[new] = array[old]
        self.positions[target], self.holders[target] = self.positions[source], self.holders[source]
        self.put(arrays)
        self.idle(source)

    def clear(self, slot: int) -> None:
        """Forgets what a slot holds: numbers that are not finite would outlive it where attention multiplies by 0."""
        arrays = self.taken()
        for array in arrays.all():
            array[slot] = mx.zeros(array.shape[1:], array.dtype)
        self.put(arrays)
        self.idle([slot])


def slots_that_fit(bytes_a_slot: int, most: int) -> int:
    """A power of two, at most `most`, of slots that fit in a quarter of the device's memory."""
    fitting = device_memory() // MEMORY_SHARE // bytes_a_slot
    return max(1, min(most, 1 << max(fitting.bit_length() - 1, 0)))


def _with_room(array: mx.array, positions: int) -> mx.array:
    """Keys or values (S, KV, n, D) with room for another number of positions."""
    more = positions - array.shape[2]
    return mx.pad(array, [(0, 0), (0, 0), (0, more), (0, 0)]) if more > 0 else mx.contiguous(array[:, :, :positions])
