"""Triton kernels of the fast path: what lies between the matrix products of a frame, each in one pass.

Every kernel takes rows of a batch (slots), works in float32 inside, and equals a few lines of plain torch in `model.py`
or `sampler.py`; tests hold them equal. Imported only where Triton is there.
"""

# ruff: noqa: N803 - compile-time constants in capitals, as Triton's users write them
# mypy: disallow_untyped_defs=False, disallow_incomplete_defs=False

from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

NARROW = 2
"""Rows up to which a matrix product is bound by reading its weights, and `narrow_linear` beats a general one."""
NARROW_BLOCKS = (8, 8)
NARROW_BLOCKS_GATED = (4, 1)
"""Outputs a program of `narrow_linear`, and its warps; measured on an H200, see docs/performance.md."""


@triton.jit
def _rms(x, eps, width):
    return x * tl.rsqrt(tl.sum(x * x, axis=0) / width + eps)


@triton.jit
def _rms_norm_kernel(x, weight, out, x_stride, out_stride, eps, width, BLOCK: tl.constexpr, DEPENDENT: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    values = tl.load(x + row * x_stride + at, mask=inside, other=0.0).to(tl.float32)
    normed = _rms(values, eps, width).to(out.dtype.element_ty)
    scale = tl.load(weight + at, mask=inside, other=0.0)
    tl.store(out + row * out_stride + at, scale * normed, mask=inside)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, out: torch.Tensor, *, dependent: bool = False) -> None:
    """Writes the RMSNorm of x (n, width) to `out`."""
    block = triton.next_power_of_2(x.shape[1])
    _rms_norm_kernel[(x.shape[0],)](
        x,
        weight,
        out,
        x.stride(0),
        out.stride(0),
        eps,
        x.shape[1],
        BLOCK=block,
        DEPENDENT=dependent,
        num_warps=4,
        **_dependent_launch(dependent),
    )


@triton.jit
def _silu_mul_kernel(gate_up, out, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    gate = tl.load(gate_up + row * 2 * width + at, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(gate_up + row * 2 * width + width + at, mask=inside, other=0.0).to(tl.float32)
    active = (gate * tl.sigmoid(gate)).to(out.dtype.element_ty).to(tl.float32)
    tl.store(out + row * width + at, (active * up).to(out.dtype.element_ty), mask=inside)


def silu_mul(gate_up: torch.Tensor, out: torch.Tensor) -> None:
    """Writes silu(gate) * up of gate_up (n, 2 F) to out (n, F), both contiguous."""
    rows, width = out.shape
    block = min(triton.next_power_of_2(width), 2048)
    _silu_mul_kernel[(rows, triton.cdiv(width, block))](gate_up, out, width, BLOCK=block, num_warps=4)


@triton.jit
def _rotated(pointer, at, table, position, half: tl.constexpr, mask):
    """Both halves of rows (R, half) at `pointer + at`, rotated for one position."""
    pair = tl.arange(0, half)
    cos = tl.load(table + position * 2 * half + pair)[None, :]
    sin = tl.load(table + position * 2 * half + half + pair)[None, :]
    first = tl.load(pointer + at, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(pointer + at + half, mask=mask, other=0.0).to(tl.float32)
    return first * cos - second * sin, second * cos + first * sin


@triton.jit
def _new_position(
    row, table, position, head, HEADS: tl.constexpr, KV_HEADS: tl.constexpr, HALF: tl.constexpr, GROUP: tl.constexpr
):
    """Rotated queries (GROUP, HALF) twice and key (1, HALF) twice, and the value (2 HALF,), in float32, of one row."""
    groups: tl.constexpr = HEADS // KV_HEADS
    member = tl.arange(0, GROUP)[:, None]
    pair = tl.arange(0, HALF)[None, :]
    query_at = (head * groups + member) * 2 * HALF + pair
    query1, query2 = _rotated(row, query_at, table, position, HALF, member < groups)
    key1, key2 = _rotated(row, (HEADS + head) * 2 * HALF + pair, table, position, HALF, pair < HALF)
    value = tl.load(row + (HEADS + KV_HEADS + head) * 2 * HALF + tl.arange(0, 2 * HALF))
    return query1, query2, key1, key2, value


@triton.jit(do_not_specialize=["position"])
def _short_attention_kernel(
    qkv,
    keys,
    values,
    table,
    out,
    position,
    scale,
    qkv_stride,
    out_stride,
    slot_stride,
    head_stride,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    GROUP: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """The depth decoder's: all rows are at one position under BLOCK, so the whole cache is one block, read at once."""
    slot = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    kind = out.dtype.element_ty
    cache = slot * slot_stride + head * head_stride
    at = tl.arange(0, BLOCK)[:, None]
    pair = tl.arange(0, HALF)[None, :]
    full = tl.arange(0, size)
    there = at < position
    block1 = tl.load(keys + cache + at * size + pair, mask=there, other=0.0)
    block2 = tl.load(keys + cache + at * size + HALF + pair, mask=there, other=0.0)
    block = tl.load(values + cache + at * size + full[None, :], mask=there, other=0.0)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    query1, query2, key1, key2, value = _new_position(
        qkv + slot * qkv_stride, table, position, head, HEADS, KV_HEADS, HALF, GROUP
    )
    here = cache + position * size
    tl.store(keys + here + pair, key1.to(kind))
    tl.store(keys + here + HALF + pair, key2.to(kind))
    tl.store(values + here + full, value)
    block1 = tl.where(at == position, key1.to(kind), block1)
    block2 = tl.where(at == position, key2.to(kind), block2)
    block = tl.where(at == position, value[None, :], block)
    scores = tl.dot(query1.to(kind), tl.trans(block1), input_precision="ieee")
    scores += tl.dot(query2.to(kind), tl.trans(block2), input_precision="ieee")
    scores = tl.where(tl.trans(at) <= position, scores * scale, -float("inf"))
    weights = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    mixed = tl.dot(weights.to(kind), block, input_precision="ieee") / tl.sum(weights, axis=1)[:, None]
    member = tl.arange(0, GROUP)[:, None]
    groups: tl.constexpr = HEADS // KV_HEADS
    out_at = slot * out_stride + (head * groups + member) * size + full[None, :]
    tl.store(out + out_at, mixed.to(kind), mask=member < groups)


@triton.jit
def _attention_kernel(
    qkv,
    keys,
    values,
    table,
    out,
    positions,
    scale,
    qkv_stride,
    out_stride,
    slot_stride,
    head_stride,
    position_stride,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    GROUP: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """The backbone's: the new position first, from registers; then those before it, from the cache, block by block."""
    slot = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    kind = out.dtype.element_ty
    position = tl.load(positions + slot * position_stride).to(tl.int32)
    pair = tl.arange(0, HALF)[None, :]
    full = tl.arange(0, size)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    query1, query2, key1, key2, value = _new_position(
        qkv + slot * qkv_stride, table, position, head, HEADS, KV_HEADS, HALF, GROUP
    )
    query1, query2 = query1.to(kind), query2.to(kind)
    key1, key2 = key1.to(kind), key2.to(kind)
    cache = slot * slot_stride + head * head_stride
    here = cache + position.to(tl.int64) * size
    tl.store(keys + here + pair, key1)
    tl.store(keys + here + HALF + pair, key2)
    tl.store(values + here + full, value)

    most = tl.sum(query1.to(tl.float32) * key1.to(tl.float32), axis=1)
    most += tl.sum(query2.to(tl.float32) * key2.to(tl.float32), axis=1)
    most = most * scale
    total = tl.full((GROUP,), 1.0, tl.float32)
    mixed = tl.zeros((GROUP, size), tl.float32) + value[None, :].to(tl.float32)
    for start in range(0, position, BLOCK):
        at = (start + tl.arange(0, BLOCK))[:, None]
        there = at < position
        block1 = tl.load(keys + cache + at * size + pair, mask=there, other=0.0)
        block2 = tl.load(keys + cache + at * size + HALF + pair, mask=there, other=0.0)
        block = tl.load(values + cache + at * size + full[None, :], mask=there, other=0.0)
        scores = tl.dot(query1, tl.trans(block1), input_precision="ieee")
        scores += tl.dot(query2, tl.trans(block2), input_precision="ieee")
        scores = tl.where(tl.trans(there), scores * scale, -float("inf"))
        new_most = tl.maximum(most, tl.max(scores, axis=1))
        shrink = tl.exp(most - new_most)
        weights = tl.exp(scores - new_most[:, None])
        total = total * shrink + tl.sum(weights, axis=1)
        mixed = mixed * shrink[:, None] + tl.dot(weights.to(kind), block, input_precision="ieee")
        most = new_most
    mixed = mixed / total[:, None]
    member = tl.arange(0, GROUP)[:, None]
    groups: tl.constexpr = HEADS // KV_HEADS
    out_at = slot * out_stride + (head * groups + member) * size + full[None, :]
    tl.store(out + out_at, mixed.to(kind), mask=member < groups)


def attention(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: torch.Tensor,
    out: torch.Tensor,
    positions: torch.Tensor | int,
    heads: int,
    *,
    dependent: bool = False,
) -> None:
    """RoPE, cache write and grouped-query attention of one new position a row.

    Args:
        qkv: (n, (H + 2 KV) * D), before rotation.
        keys: (slots, KV, P, D) cache of one layer, whose positions from 0 to the row's are attended to.
        values: Alike.
        table: Cosines and sines (positions, 2, D / 2), float32.
        out: (n, H * D).
        positions: The rows' positions (n,) int64; or one for all rows, when the whole cache is short.
        heads: H.
        dependent: See `narrow_linear`.
    """
    kv_heads, size = keys.shape[1], keys.shape[3]
    strides = (qkv.stride(0), out.stride(0), keys.stride(0), keys.stride(1))
    group = max(16, triton.next_power_of_2(heads // kv_heads))
    shape = {"HEADS": heads, "KV_HEADS": kv_heads, "HALF": size // 2, "GROUP": group, "DEPENDENT": dependent}
    extra = _dependent_launch(dependent)
    grid = (qkv.shape[0], kv_heads)
    if isinstance(positions, int):
        block = max(16, triton.next_power_of_2(positions + 1))
        _short_attention_kernel[grid](
            qkv,
            keys,
            values,
            table,
            out,
            positions,
            size**-0.5,
            *strides,
            BLOCK=block,
            num_warps=4 if qkv.shape[0] <= 16 else 1,
            **shape,
            **extra,
        )
        return
    _attention_kernel[grid](
        qkv,
        keys,
        values,
        table,
        out,
        positions,
        size**-0.5,
        *strides,
        positions.stride(0),
        BLOCK=64,
        num_warps=4,
        **shape,
        **extra,
    )


def _dependent_launch(dependent: bool) -> dict[str, bool]:
    return {"launch_pdl": True} if dependent else {}


@triton.jit
def _mix(x):
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


@triton.jit
def _ordered(values):
    """float32 as uint32 that order alike."""
    bits = values.to(tl.int32, bitcast=True)
    return (bits ^ ((bits >> 31) | -2147483648)).to(tl.uint32, bitcast=True)


@triton.jit
def _noisy(values, at, temperature, low, high):
    """Adds temperature * Gumbel noise of a hash of the draw's two words and the code: `gumbel_noise`."""
    bits = _mix(_mix(at.to(tl.uint32) * 0x9E3779B9 + low) ^ high)
    uniform = ((bits >> 8).to(tl.float32) + 0.5) * 5.9604644775390625e-08
    return values - temperature * tl.log(-tl.log(uniform))


@triton.jit(do_not_specialize=["book"])
def _sample_kernel(
    logits,
    output,
    broken,
    counters,
    controls,
    inputs,
    norm,
    x,
    normed,
    book,
    vocab,
    eps,
    logits_stride,
    output_stride,
    counter_stride,
    width,
    x_stride,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    WIDTH: tl.constexpr,
    LOW_BIT: tl.constexpr,
    NEXT: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Draws a row's code of codebook `book` and looks up what the depth decoder reads next.

    A row is a power of two and a short tail (2,051 is 2,048 and 3), so that few lanes idle.
    """
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, MAIN)
    tail_at = MAIN + tl.arange(0, TAIL)
    inside = tail_at < vocab
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    values = tl.load(logits + row * logits_stride + at).to(tl.float32)
    tail = tl.load(logits + row * logits_stride + tail_at, mask=inside, other=0.0).to(tl.float32)
    top_k = tl.load(controls + 1).to(tl.int32)
    temperature = tl.load(controls)
    frame = tl.load(counters + row * counter_stride + 1).to(tl.uint32)
    low = tl.load(counters + row * counter_stride + 3).to(tl.uint32)
    high = tl.load(counters + row * counter_stride + 4).to(tl.uint32)

    fine = tl.sum((tl.abs(values) < float("inf")).to(tl.int32), axis=0)
    fine += tl.sum((tl.abs(tail) < float("inf")).to(tl.int32), axis=0)
    bad = fine != MAIN + TAIL
    values = tl.where(bad, 0.0, values)
    tail = tl.where(bad, 0.0, tail)

    # The k-th largest, bit by bit.
    order = _ordered(values)
    tail_order = tl.where(inside, _ordered(tail), 0)
    least = tl.zeros((), tl.uint32)
    for step in tl.static_range(0, 32 - LOW_BIT):
        trial = least | (1 << (31 - step))
        above = tl.sum((order >= trial).to(tl.int32), axis=0) + tl.sum((tail_order >= trial).to(tl.int32), axis=0)
        least = tl.where(above >= top_k, trial, least)

    counter = _mix(frame * 64 + book.to(tl.uint32))
    low, high = _mix(low + counter), _mix(high ^ counter)
    scores = tl.where(order >= least, _noisy(values, at, temperature, low, high), -float("inf"))
    kept = inside & (tail_order >= least)
    tail_scores = tl.where(kept, _noisy(tail, tail_at, temperature, low, high), -float("inf"))
    code = tl.argmax(scores, axis=0)
    tail_code = MAIN + tl.argmax(tail_scores, axis=0)
    code = tl.where(tl.max(tail_scores, axis=0) > tl.max(scores, axis=0), tail_code, code)

    tl.store(output + row * output_stride + book, code.to(tl.int32))
    was_broken = tl.load(broken + row) * (book > 0)
    tl.store(broken + row, was_broken | bad.to(tl.int32))
    if NEXT:
        place = tl.arange(0, WIDTH)
        there = place < width
        source = (book * vocab + code).to(tl.int64) * width
        read = tl.load(inputs + source + place, mask=there, other=0.0)
        tl.store(x + row * x_stride + place, read, mask=there)
        scaled = _rms(read.to(tl.float32), eps, width).to(x.dtype.element_ty)
        scaled = tl.load(norm + place, mask=there, other=0.0) * scaled
        tl.store(normed + row * x_stride + place, scaled, mask=there)


def sample(
    logits: torch.Tensor,
    output: torch.Tensor,
    broken: torch.Tensor,
    counters: torch.Tensor,
    controls: torch.Tensor,
    book: int,
    vocab: int,
    following: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, float] | None,
    *,
    dependent: bool = False,
) -> None:
    """Draws codes as `sampler.sample` does, and prepares the depth decoder's next step.

    Args:
        logits: (n, at least vocab).
        output: (n, K + 1) int32; column `book` is written.
        broken: (n,) int32; set where logits were not finite, cleared at book 0.
        counters: (n, 5) int64 of `SlotState`.
        controls: (2,) float32, temperature and top-k.
        book: The codebook.
        vocab: Codes to draw among.
        following: Table of inputs (K * V, width), weight of the first norm, x (n, width) and its norm to be written,
            and the norm's epsilon; None after the last codebook.
        dependent: See `narrow_linear`.
    """
    rows = logits.shape[0]
    main = triton.next_power_of_2(vocab + 1) // 2
    table, norm, x, normed, eps = following or (logits, logits, logits, logits, 0.0)
    width = table.shape[1] if following else 1
    _sample_kernel[(rows,)](
        logits,
        output,
        broken,
        counters,
        controls,
        table,
        norm,
        x,
        normed,
        book,
        vocab,
        eps,
        logits.stride(0),
        output.stride(0),
        counters.stride(0),
        width,
        x.stride(0),
        MAIN=main,
        TAIL=max(16, triton.next_power_of_2(vocab - main)) if vocab > main else 16,
        WIDTH=triton.next_power_of_2(width),
        LOW_BIT=16 if logits.dtype is torch.bfloat16 else 0,
        NEXT=following is not None,
        DEPENDENT=dependent,
        num_warps=4,
        **_dependent_launch(dependent),
    )


@triton.jit
def _embed_frame_kernel(
    output,
    embeddings,
    norm,
    x,
    normed,
    vocab,
    eps,
    output_stride,
    width,
    BOOKS: tl.constexpr,
    WIDTH: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, WIDTH)
    inside = at < width
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    total = tl.zeros((WIDTH,), tl.float32)
    for book in range(BOOKS):
        code = tl.load(output + row * output_stride + book).to(tl.int64)
        total += tl.load(embeddings + (book * vocab + code) * width + at, mask=inside, other=0.0).to(tl.float32)
    kind = x.dtype.element_ty
    summed = total.to(kind)
    tl.store(x + row * width + at, summed, mask=inside)
    scaled = _rms(summed.to(tl.float32), eps, width).to(kind)
    tl.store(normed + row * width + at, tl.load(norm + at, mask=inside, other=0.0) * scaled, mask=inside)


def embed_frame(
    output: torch.Tensor,
    embeddings: torch.Tensor,
    norm: torch.Tensor,
    x: torch.Tensor,
    normed: torch.Tensor,
    vocab: int,
    eps: float,
    *,
    dependent: bool = False,
) -> None:
    """Writes the sum of the embeddings of a frame's codes, output (n, K + 1), to x (n, width), and its norm."""
    width = embeddings.shape[1]
    block = triton.next_power_of_2(width)
    books = output.shape[1] - 1
    _embed_frame_kernel[(x.shape[0],)](
        output,
        embeddings,
        norm,
        x,
        normed,
        vocab,
        eps,
        output.stride(0),
        width,
        BOOKS=books,
        WIDTH=block,
        DEPENDENT=dependent,
        num_warps=4,
        **_dependent_launch(dependent),
    )


@triton.jit
def _finish_kernel(
    output,
    broken,
    counters,
    eos_code,
    rows,
    output_stride,
    counter_stride,
    BOOKS: tl.constexpr,
    BLOCK: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK).to(tl.int64)
    inside = row < rows
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    eos = tl.full((BLOCK,), 1, tl.int32)
    for book in range(BOOKS):
        code = tl.load(output + row * output_stride + book, mask=inside, other=0)
        eos = eos & (code == eos_code).to(tl.int32)
    position = tl.load(counters + row * counter_stride, mask=inside, other=0)
    frame = tl.load(counters + row * counter_stride + 1, mask=inside, other=0)
    limit = tl.load(counters + row * counter_stride + 2, mask=inside, other=0)
    bad = tl.load(broken + row, mask=inside, other=0)
    flags = eos + 2 * (frame + 1 >= limit).to(tl.int32) + 4 * bad
    tl.store(output + row * output_stride + BOOKS, flags, mask=inside)
    tl.store(counters + row * counter_stride, tl.where(flags > 0, 0, position + 1), mask=inside)
    tl.store(counters + row * counter_stride + 1, tl.where(flags > 0, 0, frame + 1), mask=inside)


def finish(
    output: torch.Tensor, broken: torch.Tensor, counters: torch.Tensor, eos_code: int, *, dependent: bool = False
) -> None:
    """Flags of a frame into the last column of output (n, K + 1), and the counters on, or back to 0 where it ended."""
    rows = output.shape[0]
    _finish_kernel[(triton.cdiv(rows, 32),)](
        output,
        broken,
        counters,
        eos_code,
        rows,
        output.stride(0),
        counters.stride(0),
        BOOKS=output.shape[1] - 1,
        BLOCK=32,
        DEPENDENT=dependent,
        num_warps=1,
        **_dependent_launch(dependent),
    )


@triton.jit
def _narrow_linear_kernel(
    x,
    norm,
    weight,
    out,
    eps,
    outputs,
    inputs,
    x_stride,
    out_stride,
    ROWS: tl.constexpr,
    BLOCK_OUT: tl.constexpr,
    BLOCK_IN: tl.constexpr,
    NORM: tl.constexpr,
    GATED: tl.constexpr,
    ADD: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Some outputs of a linear layer for a few rows; a row's norm is recomputed by every program, which is cheap.

    The weights, which nothing before writes, are asked for before the kernel waits for the one that makes its rows.
    """
    unit = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    inside = unit < outputs
    at = tl.arange(0, BLOCK_IN)
    there = at < inputs
    read = inside[:, None] & there[None, :]
    place = unit[:, None].to(tl.int64) * inputs + at[None, :]
    tile = tl.load(weight + place, mask=read, other=0.0)
    if GATED:
        up_tile = tl.load(weight + place + outputs.to(tl.int64) * inputs, mask=read, other=0.0)
    if NORM:
        scale = tl.load(norm + at, mask=there, other=0.0)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    kind = out.dtype.element_ty
    for row in tl.static_range(ROWS):
        part = tl.load(x + row * x_stride + at, mask=there, other=0.0)
        if NORM:
            part = scale * _rms(part.to(tl.float32), eps, inputs).to(kind)
        wide = part.to(tl.float32)[None, :]
        total = tl.sum(tile.to(tl.float32) * wide, axis=1)
        if GATED:
            gate = total.to(kind).to(tl.float32)
            up = tl.sum(up_tile.to(tl.float32) * wide, axis=1).to(kind).to(tl.float32)
            total = (gate * tl.sigmoid(gate)).to(kind).to(tl.float32) * up
        if ADD:
            total = total.to(kind).to(tl.float32)
            total += tl.load(out + row * out_stride + unit, mask=inside, other=0.0).to(tl.float32)
        tl.store(out + row * out_stride + unit, total.to(kind), mask=inside)


def narrow_linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    out: torch.Tensor,
    *,
    norm: torch.Tensor | None = None,
    eps: float = 0.0,
    gated: bool = False,
    add: bool = False,
    dependent: bool = False,
) -> None:
    """A linear layer for a few rows, bound by reading its contiguous weight once.

    Args:
        x: (n, in).
        weight: (out, in), or (2 out, in) of gate rows and up rows if `gated`.
        out: (n, out).
        norm: Weight of an RMSNorm of x before the product.
        eps: Of the norm.
        gated: out = silu(gate) * up.
        add: out += linear(x).
        dependent: Launch before the kernel in front has ended (Hopper's programmatic dependent launch); whatever that
            one writes is read after a wait. Each kernel of such a row must wait, and before it lets the next one start.
    """
    units = weight.shape[0] // (2 if gated else 1)
    inputs = weight.shape[1]
    block_out, warps = NARROW_BLOCKS_GATED if gated else NARROW_BLOCKS
    if weight.device.type == "cpu":
        block_out = 64  # the interpreter runs programs one by one
    _narrow_linear_kernel[(triton.cdiv(units, block_out),)](
        x,
        x if norm is None else norm,
        weight,
        out,
        eps,
        units,
        inputs,
        x.stride(0),
        out.stride(0),
        ROWS=x.shape[0],
        BLOCK_OUT=block_out,
        BLOCK_IN=triton.next_power_of_2(inputs),
        NORM=norm is not None,
        GATED=gated,
        ADD=add,
        DEPENDENT=dependent,
        num_warps=warps,
        **_dependent_launch(dependent),
    )
