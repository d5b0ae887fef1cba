"""Matrices of a model in MLX, whole or still packed as MLX quantized them, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mlx.core as mx

from voicegen.tts.marvis.layout import Packing


@dataclass(frozen=True, slots=True)
class Whole:
    """A matrix (out, in) of numbers."""

    weight: mx.array
    _turned: mx.array = field(init=False)  # the same numbers, ready, so that no product turns them again

    def __post_init__(self) -> None:
        object.__setattr__(self, "_turned", self.weight.T)
        mx.eval(self._turned)

    def __call__(self, x: mx.array, to: mx.array | None = None) -> mx.array:
        """Rows (..., in) multiplied by it, and added to others: (..., out)."""
        return x @ self._turned if to is None else mx.addmm(to, x, self._turned)

    def rows(self, places: mx.array) -> mx.array:
        """The rows (..., in) at some places (...)."""
        return self.weight[places]

    @property
    def arrays(self) -> list[mx.array]:
        """What it consists of."""
        return [self.weight]


@dataclass(frozen=True, slots=True)
class Packed:
    """A matrix (out, in) that stays packed: words (out, n) uint32, scales and biases (out, groups)."""

    words: mx.array
    scales: mx.array
    biases: mx.array
    packing: Packing

    def __call__(self, x: mx.array, to: mx.array | None = None) -> mx.array:
        """Rows (..., in) multiplied by it, and added to others: (..., out)."""
        group, bits = self.packing.group, self.packing.bits
        made = mx.quantized_matmul(x, self.words, self.scales, self.biases, transpose=True, group_size=group, bits=bits)
        return made if to is None else to + made

    def rows(self, places: mx.array) -> mx.array:
        """The rows (..., in) at some places (...), unpacked."""
        words, scales, biases = self.words[places], self.scales[places], self.biases[places]
        return mx.dequantize(words, scales, biases, group_size=self.packing.group, bits=self.packing.bits)

    @property
    def arrays(self) -> list[mx.array]:
        """What it consists of."""
        return [self.words, self.scales, self.biases]


@dataclass(frozen=True, slots=True)
class Stacked:
    """Matrices one above the other that are packed in different ways."""

    parts: tuple[Table, ...]

    def __call__(self, x: mx.array, to: mx.array | None = None) -> mx.array:
        """Rows (..., in) multiplied by it, and added to others: (..., out)."""
        made = mx.concatenate([part(x) for part in self.parts], axis=-1)
        return made if to is None else to + made

    @property
    def arrays(self) -> list[mx.array]:
        """What it consists of."""
        return [array for part in self.parts for array in part.arrays]


Table = Whole | Packed
Matrix = Table | Stacked


def stacked(parts: Sequence[Table]) -> Matrix:
    """Matrices one above the other, as a single one where they are alike."""
    whole = [part.weight for part in parts if isinstance(part, Whole)]
    packed = [part for part in parts if isinstance(part, Packed)]
    if not packed:
        return Whole(mx.concatenate(whole))
    if whole or any(part.packing != packed[0].packing for part in packed):
        return Stacked(tuple(parts))
    words, scales, biases = (
        mx.concatenate(list(pieces)) for pieces in zip(*(part.arrays for part in packed), strict=True)
    )
    return Packed(words, scales, biases, packed[0].packing)


def reordered(matrix: Table, reorder: Callable[[mx.array], mx.array]) -> Table:
    """A matrix with its rows in another order; each row is packed by itself."""
    if isinstance(matrix, Whole):
        return Whole(reorder(matrix.weight))
    return Packed(reorder(matrix.words), reorder(matrix.scales), reorder(matrix.biases), matrix.packing)
