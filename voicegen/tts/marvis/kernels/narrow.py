"""Products of one or two rows, bound by reading the weight once."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from voicegen.tts.marvis.kernels.stream import Stream, dependent_launch, mean_root, silu_times, tensors_of


@triton.jit
def _narrow_kernel(
    x,
    weight,
    out,
    eps,
    outputs,
    inputs,
    x_stride,
    out_stride,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    NORM: tl.constexpr,
    GATED: tl.constexpr,
    ADD: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Some outputs for a few rows; a row's norm is recomputed by every program, which is cheap.

    The weights, which nothing before writes, are asked for before the kernel waits for the one that makes its rows.
    """
    unit = tl.program_id(0) * OUTPUTS + tl.arange(0, OUTPUTS)
    inside = unit < outputs
    at = tl.arange(0, INPUTS)
    there = at < inputs
    read = inside[:, None] & there[None, :]
    place = unit[:, None].to(tl.int64) * inputs + at[None, :]
    tile = tl.load(weight + place, mask=read, other=0.0)
    if GATED:
        up_tile = tl.load(weight + place + outputs.to(tl.int64) * inputs, mask=read, other=0.0)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    kind = out.dtype.element_ty
    for row in tl.static_range(ROWS):
        wide = tl.load(x + row * x_stride + at, mask=there, other=0.0).to(tl.float32)
        if NORM:
            wide = wide * mean_root(tl.sum(wide * wide, axis=0), inputs, eps)
        total = tl.sum(tile.to(tl.float32) * wide[None, :], axis=1)
        if GATED:
            total = silu_times(total, tl.sum(up_tile.to(tl.float32) * wide[None, :], axis=1), kind)
        if ADD:
            total = total.to(kind).to(tl.float32)
            total += tl.load(out + row * out_stride + unit, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + row * out_stride + unit, total.to(kind), mask=inside)


def narrow_product(
    x: torch.Tensor | Stream,
    weight: torch.Tensor,
    out: torch.Tensor | Stream,
    *,
    eps: float = 0.0,
    gated: bool = False,
    add: bool = False,
    dependent: bool = False,
) -> None:
    """What `Products` does, for one or two rows: bound by reading the weight once, so no matrix units.

    It neither reads nor leaves a stream's squares.
    """
    values, squares = tensors_of(x)
    target, _ = tensors_of(out)
    inputs, units = values.shape[1], weight.shape[0] // (2 if gated else 1)
    block, warps = (4, 1) if gated else (8, 8)
    if weight.device.type == "cpu":
        block = 64  # the interpreter runs programs one by one
    _narrow_kernel[(triton.cdiv(units, block),)](
        values,
        weight,
        target,
        eps,
        units,
        inputs,
        values.stride(0),
        target.stride(0),
        ROWS=len(values),
        OUTPUTS=block,
        INPUTS=triton.next_power_of_2(inputs),
        NORM=squares is not None,
        GATED=gated,
        ADD=add,
        num_warps=warps,
        **dependent_launch(dependent),
    )
