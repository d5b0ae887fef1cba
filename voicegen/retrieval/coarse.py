"""A first look at many vectors, which reads a quarter of the memory: eight bits a number, and a bound on the error.

What is asked of memory is what an exact search takes: a million vectors of 384 numbers are 1.5 GB, and 0.4 GB so. Which
passages can be among the nearest is certain from this alone, and few; those are then compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

LARGE: Final = 1 << 16
"""Vectors from which on it pays."""

_MOST: Final = 127
_BFLOAT16: Final = 2.0**-8  # of a number, what its rounding to bfloat16 changes at the most
_ROUNDING: Final = 2e-5  # of products in float32, and of scores that count as the same
_REGISTERS: Final = 64  # bytes
_BLOCK: Final = 1 << 14


@dataclass(frozen=True, eq=False, slots=True)
class Coarse:
    """Vectors (P, D) as `numbers` times `scales`; none is farther from its own vector than `error`."""

    numbers: NDArray[np.int8]  # (P, D)
    scales: NDArray[np.float32]  # (P,)
    error: float

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Those of vectors (P, D) of length 1."""
        numbers = np.empty(vectors.shape, np.int8)
        scales = np.empty(len(vectors), np.float32)
        error = 0.0
        for block in _blocks(len(vectors), _BLOCK):
            some = vectors[block]
            scales[block] = np.maximum(np.abs(some).max(axis=1) / _MOST, np.finfo(np.float32).tiny)
            numbers[block] = np.rint(some / scales[block, None])
            away = np.linalg.norm(some - numbers[block] * scales[block, None], axis=1)
            error = max(error, float(away.max()))
        return cls(numbers, scales, error)

    def candidates(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """The places of some vectors, in order, among which the `k` are that are nearest to one (D,) of length 1."""
        import torch

        question = torch.from_numpy(vector).bfloat16()
        ones = torch.ones(len(self.numbers), dtype=torch.bfloat16)
        products = torch._weight_int8pack_mm(question[None], torch.from_numpy(self.numbers), ones)[0]  # in one go: (P,)
        scores = products.float().numpy() * self.scales
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        away = float(np.linalg.norm(vector - question.float().numpy()))
        bound = self.error + (1 + self.error) * (away + _BFLOAT16 * (1 + away)) + _ROUNDING  # from the exact score
        return np.flatnonzero(scores >= least - 2 * bound)


def is_quick(width: int) -> bool:
    """Whether this processor multiplies bytes of vectors so wide faster than it reads floats, and right.

    On one of Apple's memory is as fast; and torch's product reads beyond vectors that fill no whole registers.
    """
    import torch

    return width % _REGISTERS == 0 and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
