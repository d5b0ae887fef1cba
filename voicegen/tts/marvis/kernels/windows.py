"""Causal convolutions as one product each: a window of places before, and ELU, residual and context fused in.

A place of the output is a matrix times the window of inputs that ends there, so a convolution is a product whose rows
overlap in memory; a transposed one gives the outputs of a whole stride at each place. A row of an input holds the
context in front of its new places.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

PROGRAMS = 128
"""That a product should at least be cut into: about as many as there are processors."""


@dataclass(frozen=True, slots=True)
class Window:
    """The weights of a convolution."""

    weight: torch.Tensor  # (outputs, taps * channels), the oldest tap first
    bias: torch.Tensor | None  # (outputs,)
    channels: int
    taps: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Places before the first that a window covers."""
        return (self.taps - 1) * self.dilation

    @property
    def outputs(self) -> int:
        """Numbers that come of a place."""
        return len(self.weight)


@triton.jit
def _elu(x):
    return tl.where(x > 0, x, tl.exp(tl.minimum(x, 0.0)) - 1)


@triton.jit
def _window_kernel(
    source,
    weight,
    bias,
    trunk,
    active,
    index,
    rows,
    length,
    outputs,
    index_stride,
    source_stride,
    active_stride,
    CHANNELS: tl.constexpr,
    TAPS: tl.constexpr,
    DILATION: tl.constexpr,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    STAGES: tl.constexpr,
    BIAS: tl.constexpr,
    ADD: tl.constexpr,
    KEEP: tl.constexpr,
    ACTIVE: tl.constexpr,
):
    """Some outputs of some places; `rows` are the places of all streams."""
    tiles = tl.cdiv(outputs, OUTPUTS)
    row = (tl.program_id(0) // tiles) * ROWS + tl.arange(0, ROWS)
    unit = (tl.program_id(0) % tiles) * OUTPUTS + tl.arange(0, OUTPUTS)
    there = row < rows
    inside = unit < outputs
    place = row % length
    stream = tl.load(index + (row // length) * index_stride, mask=there, other=0).to(tl.int64)
    part = tl.arange(0, INPUTS)
    inputs = source + (stream * source_stride + place * CHANNELS)[:, None] + part[None, :]
    matrix = weight + unit[:, None] * (TAPS * CHANNELS) + part[None, :]
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    for at in tl.range(0, TAPS * CHANNELS, INPUTS, num_stages=STAGES):
        shift = at + (at // CHANNELS) * ((DILATION - 1) * CHANNELS)
        read = tl.load(inputs + shift, mask=there[:, None], other=0.0)
        some = tl.load(matrix + at, mask=inside[:, None], other=0.0)
        total = tl.dot(read, some.T, total, input_precision="ieee")
    if BIAS:
        total += tl.load(bias + unit, mask=inside, other=0.0).to(tl.float32)[None, :]
    both = there[:, None] & inside[None, :]
    kept = trunk + row[:, None].to(tl.int64) * outputs + unit[None, :]
    if ADD:
        total += tl.load(kept, mask=both, other=0.0).to(tl.float32)
    if KEEP:
        tl.store(kept, total.to(trunk.dtype.element_ty), mask=both)
    if ACTIVE:
        target = active + (stream * active_stride + place * outputs)[:, None] + unit[None, :]
        tl.store(target, _elu(total).to(active.dtype.element_ty), mask=both)


def window_product(
    window: Window,
    source: torch.Tensor,
    index: torch.Tensor,
    *,
    trunk: torch.Tensor | None = None,
    add: bool = False,
    keep: bool = False,
    active: torch.Tensor | None = None,
) -> None:
    """A convolution of the new places of some streams.

    Args:
        window: its weights.
        source: (S, reach + T, channels) of all streams, each contiguous.
        index: (n,) int32, which streams.
        trunk: (n, T, outputs), contiguous: what is added to the products, and where they are kept.
        add: whether it is added.
        keep: whether they are kept.
        active: (S, T, outputs) of all streams, each contiguous; gets the ELU of the products.
    """
    length = source.shape[1] - window.reach
    rows, outputs = len(index) * length, window.outputs
    size = source.dtype.itemsize
    block = min(32 if size > 2 else 64, window.channels & -window.channels)
    many = min(64 if size > 2 else 128, max(16, triton.next_power_of_2(rows)))
    wide = min(64 if size > 2 else 128, max(16, triton.next_power_of_2(outputs)))
    while wide > 16 and triton.cdiv(rows, many) * triton.cdiv(outputs, wide) < PROGRAMS:
        wide //= 2
    if source.device.type == "cpu":
        many, wide = 512, min(512, triton.next_power_of_2(outputs))  # the interpreter runs programs one by one
    _window_kernel[(triton.cdiv(rows, many) * triton.cdiv(outputs, wide),)](
        source,
        window.weight,
        source if window.bias is None else window.bias,
        source if trunk is None else trunk,
        source if active is None else active,
        index,
        rows,
        length,
        outputs,
        index.stride(0),
        source.stride(0),
        0 if active is None else active.stride(0),
        CHANNELS=window.channels,
        TAPS=window.taps,
        DILATION=window.dilation,
        ROWS=many,
        OUTPUTS=wide,
        INPUTS=block,
        STAGES=4 if size == 2 else 2,
        BIAS=window.bias is not None,
        ADD=add,
        KEEP=keep,
        ACTIVE=active is not None,
        num_warps=8 if many * wide >= 128 * 128 else 4,
    )
