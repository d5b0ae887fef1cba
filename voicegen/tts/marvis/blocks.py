"""How many rows of a batch are computed together, so that on the CPU a take's company does not change a bit of it.

A product of another number of rows may round otherwise, for what its library does with so many rows; with the same
number it rounds each of its rows alike. Which numbers do as eight rows do hangs on the library, its branch and the
processor: MKL's AVX2 in strict mode does all alike, its AVX-512 those from 2 to 12. So it is tried out, on the model's
own matrices, and a single take is computed in as few rows as may be, a large batch in as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.products import product

_ALWAYS = 8
_OTHERS = (1, 2, 4, 16, 32, 64)
_TRIED = 4  # products of each small size


@dataclass(frozen=True, slots=True)
class Blocks:
    """The numbers of rows, ascending, that a frame may be computed in; any number if there are none."""

    sizes: tuple[int, ...] = ()

    @staticmethod
    def exact(model: MarvisModel, slots: int) -> Blocks:
        """Those that give the same bits as eight rows, for up to `slots` slots, at torch's number of threads of now."""
        if model.device.type != "cpu":
            return Blocks()
        tried = [size for size in _OTHERS if size <= max(slots, _ALWAYS)]
        alike = [size for size in tried if _alike(model, size)]
        return Blocks(tuple(sorted([_ALWAYS, *alike])))

    def covering(self, slots: int) -> Iterator[slice]:
        """The rows of each block that together cover the first `slots` slots, some beyond them perhaps."""
        start = 0
        while start < slots:
            size = self._next(slots - start)
            yield slice(start, start + size)
            start += size

    def rows(self, slots: int) -> int:
        """How many rows the blocks of so many slots have."""
        return max(block.stop for block in self.covering(slots))

    def _next(self, left: int) -> int:
        return next((size for size in self.sizes if size >= left), self.sizes[-1]) if self.sizes else left


def _alike(model: MarvisModel, size: int) -> bool:
    """Whether so many rows round as eight do; tried once for a model, at each number of threads."""
    tried = (size, torch.get_num_threads())
    if tried not in model.rounds_as_eight:
        model.rounds_as_eight[tried] = all(_rounds_alike(matrix, size, model.dtype) for matrix in _matrices(model))
    return model.rounds_as_eight[tried]


def _matrices(model: MarvisModel) -> Iterator[torch.Tensor]:
    """One of each kind that a frame multiplies its rows by."""
    weights = model.weights
    for layer in (weights.backbone[0], weights.depth[0]):
        yield from (layer.qkv, layer.out, layer.gate_up, layer.down)
    yield from (weights.first_head, weights.heads[0], weights.projection)


@torch.inference_mode()
def _rounds_alike(matrix: torch.Tensor, size: int, dtype: torch.dtype) -> bool:
    generator = torch.Generator().manual_seed(size)
    rows = torch.randn(max(_ALWAYS, size), matrix.shape[1], generator=generator).to(dtype)
    expected = torch.cat([product(part, matrix) for part in rows.split(_ALWAYS)])
    found = torch.cat([product(part, matrix) for part in rows.split(size)[:_TRIED]])
    return torch.equal(found, expected[: len(found)])
