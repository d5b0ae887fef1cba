"""What lies around the products of a step of Mimi's decoder, for streams that are each at a place of their own."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _latents_kernel(
    source,
    tables,
    taps,
    before,
    out,
    source_stride,
    width,
    entries,
    frames,
    BOOKS: tl.constexpr,
    STRIDE: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """The sums of a row's frames, one after the other, and their upsampling, a channel a group."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, WIDTH)
    inside = at < width
    codes = source + row * source_stride + 1
    memory = before + tl.load(codes - 1).to(tl.int64) * width + at
    earlier = tl.load(memory, mask=inside, other=0.0)
    for frame in range(frames):
        total = tl.zeros((WIDTH,), tl.float32)
        for book in range(BOOKS):
            code = tl.load(codes + frame * BOOKS + book).to(tl.int64)
            total += tl.load(tables + (book * entries + code) * width + at, mask=inside, other=0.0)
        for step in tl.static_range(STRIDE):
            made = total * tl.load(taps + step * width + at, mask=inside, other=0.0)
            made += earlier * tl.load(taps + (STRIDE + step) * width + at, mask=inside, other=0.0)
            place = (row * frames + frame) * STRIDE + step
            tl.store(out + place * width + at, made.to(out.dtype.element_ty), mask=inside)
        earlier = total
    tl.store(memory, earlier, mask=inside)


def latents(
    source: torch.Tensor, tables: torch.Tensor, taps: torch.Tensor, before: torch.Tensor, out: torch.Tensor
) -> None:
    """The codebooks' vectors of each frame added up, and upsampled.

    Args:
        source: (n, 1 + T * K) int32: which stream, and the codes of its frames.
        tables: (K, codes, width) float32.
        taps: (2, stride, width) float32, for a frame itself and for the one before it.
        before: (S, width) float32 of all streams: the last frame, which moves on.
        out: (n, T * stride, width).
    """
    (books, entries, width), stride = tables.shape, taps.shape[1]
    _latents_kernel[(len(source),)](
        source,
        tables,
        taps,
        before,
        out,
        source.stride(0),
        width,
        entries,
        out.shape[1] // stride,
        BOOKS=books,
        STRIDE=stride,
        WIDTH=triton.next_power_of_2(width),
        num_warps=4,
    )


@triton.jit
def _rotated(rows, turns, HALF: tl.constexpr, mask):
    """Both halves of rows (R, HALF) of heads in float32, rotated by their cosines and sines."""
    pair = tl.arange(0, HALF)[None, :]
    first = tl.load(rows + pair, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(rows + HALF + pair, mask=mask, other=0.0).to(tl.float32)
    cosine, sine = tl.load(turns + pair, mask=mask, other=0.0), tl.load(turns + HALF + pair, mask=mask, other=0.0)
    return first * cosine - second * sine, second * cosine + first * sine


@triton.jit
def _ring_attention_kernel(
    qkv,
    angles,
    keys,
    values,
    positions,
    index,
    out,
    index_stride,
    window,
    steps,
    scale,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    RING: tl.constexpr,
    STEPS: tl.constexpr,
):
    """One head of one stream, whose positions before lie in a ring, each at its number modulo the ring's size."""
    row = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    kv_head = head // (HEADS // KV_HEADS)
    size: tl.constexpr = 2 * HALF
    token: tl.constexpr = (HEADS + 2 * KV_HEADS) * size
    kind = out.dtype.element_ty
    stream = tl.load(index + row * index_stride).to(tl.int64)
    position = tl.load(positions + stream).to(tl.int32)
    pair, full = tl.arange(0, HALF)[None, :], tl.arange(0, size)[None, :]
    step, new = tl.arange(0, STEPS)[:, None], tl.arange(0, STEPS)[None, :]
    column = tl.arange(0, RING)
    back = (position - 1 - column) & (RING - 1)  # how far behind the last position
    there = (back < position) & (back + 1 < window)
    at = (stream * KV_HEADS + kv_head) * RING * size + column[:, None] * size
    past1 = tl.load(keys + at + pair, mask=there[:, None], other=0.0)
    past2 = tl.load(keys + at + HALF + pair, mask=there[:, None], other=0.0)
    past = tl.load(values + at + full, mask=there[:, None], other=0.0)

    inside = step < steps
    rows = qkv + (row * steps + step) * token
    turns = angles + (row * steps + step) * size
    query1, query2 = _rotated(rows + head * size, turns, HALF, inside)
    query1, query2 = query1.to(kind), query2.to(kind)
    key1, key2 = _rotated(rows + (HEADS + kv_head) * size, turns, HALF, inside)
    key1, key2 = key1.to(kind), key2.to(kind)
    value = tl.load(rows + (HEADS + KV_HEADS + kv_head) * size + full, mask=inside, other=0.0)
    here = (stream * KV_HEADS + kv_head) * RING * size + ((position + step) & (RING - 1)) * size
    kept = inside & (head % (HEADS // KV_HEADS) == 0)  # by one of the heads that share them
    tl.store(keys + here + pair, key1, mask=kept)
    tl.store(keys + here + HALF + pair, key2, mask=kept)
    tl.store(values + here + full, value, mask=kept)

    scores = tl.dot(query1, tl.trans(past1), input_precision="ieee")
    scores += tl.dot(query2, tl.trans(past2), input_precision="ieee")
    seen = there[None, :] & (back[None, :] + 1 + step < window)
    scores = tl.where(seen, scores * scale, -float("inf"))
    near = tl.dot(query1, tl.trans(key1), input_precision="ieee")
    near += tl.dot(query2, tl.trans(key2), input_precision="ieee")
    near = tl.where((new <= step) & (new < steps) & (step - new < window), near * scale, -float("inf"))
    most = tl.maximum(tl.max(scores, axis=1), tl.max(near, axis=1))[:, None]
    most = tl.where(inside, most, 0.0)  # a step that is none may see nothing
    weights, near = tl.exp(scores - most), tl.exp(near - most)
    total = tl.where(inside, (tl.sum(weights, axis=1) + tl.sum(near, axis=1))[:, None], 1.0)
    mixed = tl.dot(weights.to(kind), past, input_precision="ieee")
    mixed += tl.dot(near.to(kind), value, input_precision="ieee")
    target = out + ((row * steps + step) * HEADS + head) * size + full
    tl.store(target, (mixed / total).to(kind), mask=inside)


def ring_attention(
    qkv: torch.Tensor,
    angles: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    positions: torch.Tensor,
    index: torch.Tensor,
    out: torch.Tensor,
    window: int,
) -> None:
    """RoPE, cache write and attention over a window of the new positions of some streams.

    Args:
        qkv: (n, steps, (H + 2 KV) * D), before rotation.
        angles: (n, steps, 2, D / 2) float32, cosines and sines.
        keys: (S, KV, R, D), the ring of all streams, R a power of two and at least window + steps.
        values: Alike.
        positions: (S,) int64, of each stream's first new position.
        index: (n,) int32, which streams.
        out: (n, steps, H * D).
        window: How many positions a position sees, itself included.
    """
    steps, (_, kv_heads, ring, size) = qkv.shape[1], keys.shape
    heads = out.shape[2] // size
    _ring_attention_kernel[(len(qkv), heads)](
        qkv,
        angles,
        keys,
        values,
        positions,
        index,
        out,
        index.stride(0),
        window,
        steps,
        size**-0.5,
        HEADS=heads,
        KV_HEADS=kv_heads,
        HALF=size // 2,
        RING=ring,
        STEPS=max(16, triton.next_power_of_2(steps)),
        num_warps=8,
    )


@triton.jit
def _remember_kernel(
    memory,
    buffers,
    positions,
    index,
    index_stride,
    memory_stride,
    steps,
    frames,
    BUFFERS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The last places of a buffer become its first: what the next step's windows begin with."""
    stream = tl.load(index + tl.program_id(0) * index_stride).to(tl.int64)
    buffer = tl.program_id(1)
    if buffer == 0:
        tl.store(positions + stream, tl.load(positions + stream) + steps)
    start = memory + stream * memory_stride + tl.load(buffers + buffer)
    at = tl.arange(0, BLOCK)
    inside = at < tl.load(buffers + 2 * BUFFERS + buffer)
    last = tl.load(start + frames * tl.load(buffers + BUFFERS + buffer) + at, mask=inside, other=0.0)
    tl.debug_barrier()  # the two may overlap
    tl.store(start + at, last, mask=inside)


def remember(
    memory: torch.Tensor,
    buffers: torch.Tensor,
    positions: torch.Tensor,
    index: torch.Tensor,
    steps: int,
    frames: int,
    most: int,
) -> None:
    """Ends a step of some streams.

    Args:
        memory: (S, N) of all streams.
        buffers: (3, B) int64: where each buffer begins, how much a frame adds to it, and how much is kept.
        positions: (S,) int64, which go on.
        index: (n,) int32, which streams.
        steps: Positions that it had.
        frames: Frames that it had.
        most: The largest of the last row of `buffers`.
    """
    _remember_kernel[(len(index), buffers.shape[1])](
        memory,
        buffers,
        positions,
        index,
        index.stride(0),
        memory.stride(0),
        steps,
        frames,
        BUFFERS=buffers.shape[1],
        BLOCK=triton.next_power_of_2(most),
        num_warps=8 if most > 1024 else 4,
    )
