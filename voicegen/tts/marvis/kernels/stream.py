"""The residual stream of a batch, with the sums of squares that its norms are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

PART = tl.constexpr(32)
"""Columns whose squares are summed together: no product's tile is narrower."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows of the residual stream."""

    values: torch.Tensor  # (R, width)
    squares: torch.Tensor  # (R, P) float32, sums over parts of the row; their order does not matter

    @staticmethod
    def of(rows: int, width: int, like: torch.Tensor) -> Stream:
        """A stream of zeros with the device and dtype of `like`."""
        parts = triton.next_power_of_2(triton.cdiv(width, PART.value))
        return Stream(like.new_zeros(rows, width), like.new_zeros(rows, parts, dtype=torch.float32))

    def rows(self, start: int, end: int) -> Stream:
        """A view of some rows."""
        return Stream(self.values[start:end], self.squares[start:end])


def dependent_launch(dependent: bool) -> dict[str, Any]:
    """Options of a kernel's launch."""
    return {"DEPENDENT": dependent, **({"launch_pdl": True} if dependent else {})}


@triton.jit
def mean_root(total, width, eps):
    """What RMSNorm multiplies a row by, from the sum of its squares."""
    return tl.rsqrt(total / width + eps)


@triton.jit
def silu_times(gate, up, kind: tl.constexpr):
    """silu(gate) * up in float32, rounded to `kind` wherever plain torch rounds."""
    rounded = gate.to(kind).to(tl.float32)
    return (rounded * tl.sigmoid(rounded)).to(kind).to(tl.float32) * up.to(kind).to(tl.float32)


@triton.jit
def store_row(values, squares, row, read, width, WIDTH: tl.constexpr, PARTS: tl.constexpr):
    """Writes a whole row (WIDTH,) of a stream and its sum of squares, as one part."""
    at = tl.arange(0, WIDTH)
    tl.store(values + row * width + at, read, mask=at < width)
    wide = read.to(tl.float32)
    part = tl.arange(0, PARTS)
    tl.store(squares + row * PARTS + part, tl.where(part == 0, tl.sum(wide * wide, axis=0), 0.0))


@triton.jit
def _norm_kernel(x, weight, out, eps, width, WIDTH: tl.constexpr, WEIGHTED: tl.constexpr, DEPENDENT: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, WIDTH)
    inside = at < width
    if WEIGHTED:
        scale = tl.load(weight + at, mask=inside, other=0.0)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    values = tl.load(x + row * width + at, mask=inside, other=0.0).to(tl.float32)
    values = values * mean_root(tl.sum(values * values, axis=0), width, eps)
    normed_values = values.to(out.dtype.element_ty)
    if WEIGHTED:
        normed_values = scale * normed_values
    tl.store(out + row * width + at, normed_values, mask=inside)


def normed(
    x: torch.Tensor, weight: torch.Tensor | None, eps: float, out: torch.Tensor, *, dependent: bool = False
) -> None:
    """Writes the RMSNorm of x (n, width) to `out`, both contiguous."""
    width = x.shape[1]
    _norm_kernel[(len(x),)](
        x,
        x if weight is None else weight,
        out,
        eps,
        width,
        WIDTH=triton.next_power_of_2(width),
        WEIGHTED=weight is not None,
        num_warps=4,
        **dependent_launch(dependent),
    )


def tensors_of(x: torch.Tensor | Stream) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Values, and squares where there are any."""
    return (x.values, x.squares) if isinstance(x, Stream) else (x, None)
