"""A first look at many vectors, which reads a quarter of the memory: eight bits a number, and a bound on the error.

What is asked of memory is what an exact search takes: a million vectors of 384 numbers are 1.5 GB, and 0.4 GB so. Which
passages can be among the nearest is certain from this alone, and few; those are then compared exactly.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

LARGE: Final = 1 << 16
"""Vectors from which on it pays."""

_MOST: Final = 127
_DIGIT: Final = 2 * _MOST  # of a question's number, the second of its two digits counts one part in so many
_ROUNDING: Final = 2e-5  # of products in float32, and of scores that count as the same
_BLOCK: Final = 1 << 14
_LOOK: Final = 1 << 12  # vectors whose products stay in the processor's cache until they are scores


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

        digits, scale, away = _in_digits(vector)
        wanted, numbers, scales = (
            torch.from_numpy(digits),
            torch.from_numpy(self.numbers),
            torch.from_numpy(self.scales),
        )
        scores = np.empty(len(numbers), np.float32)  # in parts of `scale`
        into = torch.from_numpy(scores)
        for block in _blocks(len(numbers), _LOOK):
            products = torch._int_mm(numbers[block], wanted)  # (B, 2) int32
            torch.mul(products[:, 0] + products[:, 1] / _DIGIT, scales[block], out=into[block])
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        bound = self.error + (1 + self.error) * away + _ROUNDING  # of any score's distance from the exact one
        return np.flatnonzero(scores >= least - 2 * bound / scale)


def is_quick() -> bool:
    """Whether this processor multiplies bytes faster than it reads floats."""
    import torch

    return platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()


def _in_digits(vector: NDArray[np.float32]) -> tuple[NDArray[np.int8], np.float32, float]:
    """A vector as two digits a number (D, 2), by what the first counts, and how far that is from the vector."""
    scale = np.maximum(np.abs(vector).max() / _MOST, np.finfo(np.float32).tiny)
    first = np.rint(vector / scale)
    second = np.rint((vector / scale - first) * _DIGIT)
    digits = np.stack([first, second], axis=1).astype(np.int8)
    away = float(np.linalg.norm(vector - (first + second / _DIGIT) * scale))
    return digits, scale, away


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
