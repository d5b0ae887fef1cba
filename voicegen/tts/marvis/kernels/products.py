"""Products of up to a few hundred rows, with what stands around them fused in: norm before, gate or residual after."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait
from triton.tools.tensor_descriptor import TensorDescriptor

from voicegen.tts.marvis.kernels.stream import PART, Stream, dependent_launch, mean_root, silu_times, tensors_of

LEAST_SPAN = 1024
"""Inputs that a program sums at least, where several share an output."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a product is cut into programs; powers of two, `outputs` at least `PART`."""

    rows: int
    outputs: int
    inputs: int
    split: int = 1  # programs that share an output tile, each with its part of the inputs
    stages: int = 4  # tiles of the inputs on their way to shared memory at once
    warps: int = 4


@triton.jit
def _product_kernel(
    x,
    weight,
    out,
    squares,
    out_squares,
    partials,
    arrivals,
    eps,
    rows,
    outputs,
    inputs,
    span,
    out_stride,
    ROWS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    SPLIT: tl.constexpr,
    STAGES: tl.constexpr,
    PARTS: tl.constexpr,
    OUT_PARTS: tl.constexpr,
    GATED: tl.constexpr,
    ADD: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """One tile of outputs; of the programs that share it, the last to arrive adds up the sums, in their order."""
    tiles = tl.cdiv(rows, ROWS)
    first_row = (tl.program_id(0) % tiles) * ROWS
    first_unit = (tl.program_id(0) // tiles) * OUTPUTS
    part = tl.program_id(1)
    row = first_row + tl.arange(0, ROWS)
    unit = first_unit + tl.arange(0, OUTPUTS)
    kind = out.dtype.element_ty
    inside = (row < rows)[:, None] & (unit < outputs)[None, :]
    target = out + row[:, None].to(tl.int64) * out_stride + unit[None, :]
    if ADD:  # the stream was last written two kernels ago, so there is nothing to wait for
        before = tl.load(target, mask=inside, other=0.0)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    if PARTS > 0:  # asked for before the sums, whose time hides the way there
        place = tl.minimum(row, rows - 1)[:, None] * PARTS + tl.arange(0, PARTS)[None, :]
        square = tl.load(squares + place)
    total = tl.zeros((ROWS, OUTPUTS), tl.float32)
    up = tl.zeros((ROWS, OUTPUTS), tl.float32)
    begin = part * span
    for at in tl.range(begin, begin + span, INPUTS, num_stages=STAGES):
        read = x.load([first_row, at])
        total = tl.dot(read, weight.load([first_unit, at]).T, total, input_precision="ieee")
        if GATED:
            up = tl.dot(read, weight.load([outputs + first_unit, at]).T, up, input_precision="ieee")
    if PARTS > 0:
        scale = mean_root(tl.sum(square, axis=1), inputs, eps)[:, None]
        total = total * scale
        up = up * scale
    if GATED:
        total = silu_times(total, up, kind)
    last = True
    if SPLIT > 1:
        local = tl.arange(0, ROWS)[:, None] * OUTPUTS + tl.arange(0, OUTPUTS)[None, :]
        sums = partials + tl.program_id(0) * SPLIT * ROWS * OUTPUTS + local
        tl.store(sums + part * ROWS * OUTPUTS, total)
        tl.debug_barrier()
        last = tl.atomic_add(arrivals + tl.program_id(0), 1, sem="acq_rel") == SPLIT - 1
        if last:
            tl.store(arrivals + tl.program_id(0), 0)
            total = tl.zeros((ROWS, OUTPUTS), tl.float32)
            for other in tl.static_range(SPLIT):
                total += tl.load(sums + other * ROWS * OUTPUTS, cache_modifier=".cg")
    if last:
        if ADD:
            total = total.to(kind).to(tl.float32) + before.to(tl.float32)
        tl.store(target, total.to(kind), mask=inside)
        if OUT_PARTS > 0:
            stored = tl.where(inside, total.to(kind).to(tl.float32), 0.0)
            covered: tl.constexpr = OUTPUTS // PART
            piece = tl.arange(0, covered)[None, :]
            sums_here = tl.where(piece == 0, tl.sum(stored * stored, axis=1)[:, None], 0.0)
            at_piece = first_unit // PART + piece
            there = (row < rows)[:, None] & (at_piece < OUT_PARTS)
            tl.store(out_squares + row[:, None] * OUT_PARTS + at_piece, sums_here, mask=there)


class Products:
    """Launches products on one device; holds what programs that share an output leave for each other."""

    def __init__(self, device: torch.device) -> None:
        self._processors, self._shared = 1, sys.maxsize
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            self._processors = properties.multi_processor_count
            self._shared = properties.shared_memory_per_block_optin
        largest = max(self._processors, 8) * 64 * 128
        self._partials = torch.zeros(largest, device=device, dtype=torch.float32)
        self._arrivals = torch.zeros(max(self._processors, 8), device=device, dtype=torch.int32)

    def __call__(
        self,
        x: torch.Tensor | Stream,
        weight: torch.Tensor,
        out: torch.Tensor | Stream,
        *,
        eps: float = 0.0,
        gated: bool = False,
        add: bool = False,
        dependent: bool = False,
        tiles: Tiles | None = None,
    ) -> None:
        """A linear layer.

        Args:
            x: (n, in); of a stream, the rows' RMSNorm without its weight, which belongs in `weight`.
            weight: (out, in), or (2 out, in) of gate rows and up rows if `gated`; contiguous.
            out: (n, out); a stream gets its squares too.
            eps: Of the norm.
            gated: out = silu(gate) * up.
            add: out += linear(x).
            dependent: See the package.
            tiles: The best known for the sizes, if None.
        """
        values, squares = tensors_of(x)
        target, out_squares = tensors_of(out)
        (rows, inputs), outputs = values.shape, weight.shape[0] // (2 if gated else 1)
        tiles = tiles or self.tiles(rows, outputs, inputs, values.dtype.itemsize, gated=gated)
        grid = (triton.cdiv(rows, tiles.rows) * triton.cdiv(outputs, tiles.outputs), tiles.split)
        _product_kernel[grid](
            TensorDescriptor.from_tensor(values, [tiles.rows, tiles.inputs]),
            TensorDescriptor.from_tensor(weight, [tiles.outputs, tiles.inputs]),
            target,
            values if squares is None else squares,
            values if out_squares is None else out_squares,
            self._partials,
            self._arrivals,
            eps,
            rows,
            outputs,
            inputs,
            inputs // tiles.split,
            target.stride(0),
            ROWS=tiles.rows,
            OUTPUTS=tiles.outputs,
            INPUTS=tiles.inputs,
            SPLIT=tiles.split,
            STAGES=tiles.stages,
            PARTS=0 if squares is None else squares.shape[1],
            OUT_PARTS=0 if out_squares is None else out_squares.shape[1],
            GATED=gated,
            ADD=add,
            num_warps=tiles.warps,
            num_stages=tiles.stages,
            **dependent_launch(dependent),
        )

    def tiles(self, rows: int, outputs: int, inputs: int, itemsize: int, *, gated: bool) -> Tiles:
        """The best known up to 256 rows, measured on an H200 with a width of 1,024: see docs/performance.md."""
        few = min(64, max(16, triton.next_power_of_2(rows)))
        split = 2 if inputs >= 4 * LEAST_SPAN and inputs % (2 * LEAST_SPAN) == 0 and not gated else 1

        def programs(width: int) -> int:
            return int(triton.cdiv(rows, few) * triton.cdiv(outputs, width)) * split

        width = next((width for width in (32, 64) if programs(width) <= 1.25 * self._processors), 128)
        deep = 128
        if gated and width == 128:  # smaller tiles, of which a processor has room for two
            width, deep = 64, 64
        while split > 1 and 2 * programs(width) <= self._processors and inputs % (2 * split * LEAST_SPAN) == 0:
            split *= 2
        stage_bytes = (few + width * (2 if gated else 1)) * deep * itemsize
        return Tiles(few, width, deep, split, max(1, min(4, self._shared // stage_bytes)))
