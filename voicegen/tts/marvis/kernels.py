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

NARROW = 4
"""Rows up to which a matrix product is bound by reading its weights, and `narrow_linear` beats a general one."""


@triton.jit
def _rms(x, eps, width):
    return x * tl.rsqrt(tl.sum(x * x, axis=0) / width + eps)


@triton.jit
def _rms_norm_kernel(x, weight, out, x_stride, out_stride, eps, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < width
    values = tl.load(x + row * x_stride + at, mask=inside, other=0.0).to(tl.float32)
    normed = _rms(values, eps, width).to(out.dtype.element_ty)
    scale = tl.load(weight + at, mask=inside, other=0.0)
    tl.store(out + row * out_stride + at, scale * normed, mask=inside)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, out: torch.Tensor) -> None:
    """Writes the RMSNorm of x (n, width) to `out`."""
    block = triton.next_power_of_2(x.shape[1])
    _rms_norm_kernel[(x.shape[0],)](
        x, weight, out, x.stride(0), out.stride(0), eps, x.shape[1], BLOCK=block, num_warps=4
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


@triton.jit(do_not_specialize=["position"])
def _attention_kernel(
    qkv,
    keys,
    values,
    table,
    out,
    positions,
    position,
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
    PER_ROW: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """One query position of a slot's group of heads over the slot's cache, and the new key and value into it."""
    slot = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    groups: tl.constexpr = HEADS // KV_HEADS
    size: tl.constexpr = 2 * HALF
    if PER_ROW:
        position = tl.load(positions + slot * position_stride).to(tl.int32)
    member = tl.arange(0, GROUP)
    pair = tl.arange(0, HALF)
    full = tl.arange(0, size)
    inside = (member < groups)[:, None]
    row = qkv + slot * qkv_stride
    kind = out.dtype.element_ty

    query_at = (head * groups + member)[:, None] * size + pair[None, :]
    query1, query2 = _rotated(row, query_at, table, position, HALF, inside)
    query1, query2 = query1.to(kind), query2.to(kind)
    key_at = (HEADS + head) * size + pair[None, :]
    key1, key2 = _rotated(row, key_at, table, position, HALF, pair[None, :] < HALF)
    key1, key2 = key1.to(kind), key2.to(kind)
    value = tl.load(row + (HEADS + KV_HEADS + head) * size + full)

    cache = slot * slot_stride + head * head_stride
    here = cache + position.to(tl.int64) * size
    tl.store(keys + here + pair[None, :], key1)
    tl.store(keys + here + HALF + pair[None, :], key2)
    tl.store(values + here + full, value)

    # The new position first, from registers; then those before it, from the cache, block by block.
    own = tl.sum(query1.to(tl.float32) * key1.to(tl.float32), axis=1)
    own += tl.sum(query2.to(tl.float32) * key2.to(tl.float32), axis=1)
    most = own * scale
    total = tl.full((GROUP,), 1.0, tl.float32)
    mixed = tl.zeros((GROUP, size), tl.float32) + value[None, :].to(tl.float32)
    for start in range(0, position, BLOCK):
        at = start + tl.arange(0, BLOCK)
        there = at < position
        block1 = tl.load(keys + cache + at[:, None] * size + pair[None, :], mask=there[:, None], other=0.0)
        block2 = tl.load(keys + cache + at[:, None] * size + HALF + pair[None, :], mask=there[:, None], other=0.0)
        scores = tl.dot(query1, tl.trans(block1), input_precision=PRECISION)
        scores += tl.dot(query2, tl.trans(block2), input_precision=PRECISION)
        scores = tl.where(there[None, :], scores * scale, -float("inf"))
        new_most = tl.maximum(most, tl.max(scores, axis=1))
        shrink = tl.exp(most - new_most)
        weights = tl.exp(scores - new_most[:, None])
        total = total * shrink + tl.sum(weights, axis=1)
        block = tl.load(values + cache + at[:, None] * size + full[None, :], mask=there[:, None], other=0.0)
        mixed = mixed * shrink[:, None] + tl.dot(weights.to(kind), block, input_precision=PRECISION)
        most = new_most
    mixed = mixed / total[:, None]
    out_at = slot * out_stride + (head * groups + member)[:, None] * size + full[None, :]
    tl.store(out + out_at, mixed.to(kind), mask=inside)


def attention(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: torch.Tensor,
    out: torch.Tensor,
    positions: torch.Tensor | int,
    heads: int,
) -> None:
    """RoPE, cache write and grouped-query attention of one new position a row.

    Args:
        qkv: (n, (H + 2 KV) * D), before rotation.
        keys: (slots, KV, P, D) cache of one layer, whose positions from 0 to the row's are attended to.
        values: Alike.
        table: Cosines and sines (positions, 2, D / 2), float32.
        out: (n, H * D).
        positions: The rows' positions (n,) int64, or one for all rows.
        heads: H.
    """
    kv_heads, size = keys.shape[1], keys.shape[3]
    per_row = isinstance(positions, torch.Tensor)
    _attention_kernel[(qkv.shape[0], kv_heads)](
        qkv,
        keys,
        values,
        table,
        out,
        positions if per_row else qkv,
        0 if per_row else positions,
        size**-0.5,
        qkv.stride(0),
        out.stride(0),
        keys.stride(0),
        keys.stride(1),
        positions.stride(0) if isinstance(positions, torch.Tensor) else 0,
        HEADS=heads,
        KV_HEADS=kv_heads,
        HALF=size // 2,
        BLOCK=64 if per_row else 32,
        GROUP=max(16, triton.next_power_of_2(heads // kv_heads)),
        PER_ROW=per_row,
        PRECISION="ieee",
        num_warps=4 if per_row else 2,
    )


@triton.jit
def _mix(x):
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


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
    BLOCK: tl.constexpr,
    WIDTH: tl.constexpr,
    LOW_BIT: tl.constexpr,
    NEXT: tl.constexpr,
):
    """Draws a row's code of codebook `book` and looks up what the depth decoder reads next."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    inside = at < vocab
    values = tl.load(logits + row * logits_stride + at, mask=inside, other=0.0).to(tl.float32)
    bad = tl.sum((tl.abs(values) < float("inf")).to(tl.int32), axis=0) != BLOCK
    values = tl.where(bad, 0.0, values)

    # The k-th largest, bit by bit, on integers that order as the floats do.
    top_k = tl.load(controls + 1).to(tl.int32)
    bits = values.to(tl.int32, bitcast=True)
    order = (bits ^ ((bits >> 31) | -2147483648)).to(tl.uint32, bitcast=True)
    order = tl.where(inside, order, 0)
    least = tl.zeros((), tl.uint32)
    for step in tl.static_range(0, 32 - LOW_BIT):
        trial = least | (1 << (31 - step))
        enough = tl.sum((order >= trial).to(tl.int32), axis=0) >= top_k
        least = tl.where(enough, trial, least)

    # Gumbel noise from a hash of (seed, frame, codebook, code): `gumbel_noise` in sampler.py.
    temperature = tl.load(controls)
    frame = tl.load(counters + row * counter_stride + 1).to(tl.uint32)
    low = tl.load(counters + row * counter_stride + 3).to(tl.uint32)
    high = tl.load(counters + row * counter_stride + 4).to(tl.uint32)
    counter = _mix(frame * 64 + book.to(tl.uint32))
    code_bits = _mix(_mix(at.to(tl.uint32) * 0x9E3779B9 + _mix(low + counter)) ^ _mix(high ^ counter))
    uniform = ((code_bits >> 8).to(tl.float32) + 0.5) * 5.9604644775390625e-08
    scores = values - temperature * tl.log(-tl.log(uniform))
    kept = inside & (order >= least)
    code = tl.argmax(tl.where(kept, scores, -float("inf")), axis=0)

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
    """
    rows = logits.shape[0]
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
        BLOCK=triton.next_power_of_2(vocab),
        WIDTH=triton.next_power_of_2(width),
        LOW_BIT=16 if logits.dtype is torch.bfloat16 else 0,
        NEXT=following is not None,
        num_warps=8,
    )


@triton.jit
def _embed_frame_kernel(
    output, embeddings, norm, x, normed, vocab, eps, output_stride, width, BOOKS: tl.constexpr, WIDTH: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, WIDTH)
    inside = at < width
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
) -> None:
    """Writes the sum of the embeddings of a frame's codes, output (n, K + 1), to x (n, width), and its norm."""
    width = embeddings.shape[1]
    block = triton.next_power_of_2(width)
    books = output.shape[1] - 1
    _embed_frame_kernel[(x.shape[0],)](
        output, embeddings, norm, x, normed, vocab, eps, output.stride(0), width, BOOKS=books, WIDTH=block, num_warps=4
    )


@triton.jit
def _finish_kernel(
    output, broken, counters, eos_code, rows, output_stride, counter_stride, BOOKS: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK).to(tl.int64)
    inside = row < rows
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


def finish(output: torch.Tensor, broken: torch.Tensor, counters: torch.Tensor, eos_code: int) -> None:
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
        num_warps=1,
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
):
    """Some outputs of a linear layer for a few rows; a row's norm is recomputed by every program, which is cheap."""
    unit = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    inside = unit < outputs
    at = tl.arange(0, BLOCK_IN)
    kind = out.dtype.element_ty
    for row in tl.static_range(ROWS):
        total = tl.zeros((BLOCK_OUT,), tl.float32)
        gated = tl.zeros((BLOCK_OUT,), tl.float32)
        factor = 1.0
        if NORM:
            squares = tl.zeros((BLOCK_IN,), tl.float32)
            for start in range(0, inputs, BLOCK_IN):
                there = start + at < inputs
                part = tl.load(x + row * x_stride + start + at, mask=there, other=0.0).to(tl.float32)
                squares += part * part
            factor = tl.rsqrt(tl.sum(squares, axis=0) / inputs + eps)
        for start in range(0, inputs, BLOCK_IN):
            there = start + at < inputs
            part = tl.load(x + row * x_stride + start + at, mask=there, other=0.0)
            if NORM:
                part = (part.to(tl.float32) * factor).to(kind) * tl.load(norm + start + at, mask=there, other=0.0)
            read = inside[:, None] & there[None, :]
            place = unit[:, None].to(tl.int64) * inputs + (start + at)[None, :]
            tile = tl.load(weight + place, mask=read, other=0.0).to(tl.float32)
            total += tl.sum(tile * part.to(tl.float32)[None, :], axis=1)
            if GATED:
                other = tl.load(weight + place + outputs.to(tl.int64) * inputs, mask=read, other=0.0).to(tl.float32)
                gated += tl.sum(other * part.to(tl.float32)[None, :], axis=1)
        if GATED:
            gate = total.to(kind).to(tl.float32)
            total = (gate * tl.sigmoid(gate)).to(kind).to(tl.float32) * gated.to(kind).to(tl.float32)
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
    """
    units = weight.shape[0] // (2 if gated else 1)
    inputs = weight.shape[1]
    block_out = 4 if units <= 2048 else 8
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
        BLOCK_IN=min(1024, triton.next_power_of_2(inputs)),
        NORM=norm is not None,
        GATED=gated,
        ADD=add,
        num_warps=4,
    )
