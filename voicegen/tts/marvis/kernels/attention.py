"""RoPE, cache write and grouped-query attention of one new position a row, in one kernel."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from voicegen.tts.marvis.kernels.stream import dependent_launch

SHORT_WARPS = (4, 1)
"""Of a few rows, and of many; measured on an H200."""


@triton.jit
def _angles(table, position, HALF: tl.constexpr):
    """Cosines and sines (1, HALF) of a position."""
    pair = tl.arange(0, HALF)
    return tl.load(table + position * 2 * HALF + pair)[None, :], tl.load(table + (position * 2 + 1) * HALF + pair)[
        None, :
    ]


@triton.jit
def _rotated(pointer, at, cos, sin, HALF: tl.constexpr, mask):
    """Both halves of rows (R, HALF) at `pointer + at`, rotated."""
    first = tl.load(pointer + at, mask=mask, other=0.0).to(tl.float32)
    second = tl.load(pointer + at + HALF, mask=mask, other=0.0).to(tl.float32)
    return first * cos - second * sin, second * cos + first * sin


@triton.jit
def _new_position(
    row, cos, sin, head, HEADS: tl.constexpr, KV_HEADS: tl.constexpr, HALF: tl.constexpr, GROUP: tl.constexpr
):
    """Rotated queries (GROUP, HALF) twice and key (1, HALF) twice, and the value (2 HALF,), in float32, of one row."""
    groups: tl.constexpr = HEADS // KV_HEADS
    member = tl.arange(0, GROUP)[:, None]
    pair = tl.arange(0, HALF)[None, :]
    query_at = (head * groups + member) * 2 * HALF + pair
    query1, query2 = _rotated(row, query_at, cos, sin, HALF, member < groups)
    key1, key2 = _rotated(row, (HEADS + head) * 2 * HALF + pair, cos, sin, HALF, pair < HALF)
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
    cos, sin = _angles(table, position, HALF)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    query1, query2, key1, key2, value = _new_position(
        qkv + slot * qkv_stride, cos, sin, head, HEADS, KV_HEADS, HALF, GROUP
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
    position_stride,
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
    """The backbone's: the new position first, from registers; then those before it, from the cache, block by block."""
    slot = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    size: tl.constexpr = 2 * HALF
    kind = out.dtype.element_ty
    position = tl.load(positions + slot * position_stride).to(tl.int32)
    pair = tl.arange(0, HALF)[None, :]
    full = tl.arange(0, size)
    cos, sin = _angles(table, tl.maximum(position, 0), HALF)
    if DEPENDENT:
        gdc_wait()
        gdc_launch_dependents()
    query1, query2, key1, key2, value = _new_position(
        qkv + slot * qkv_stride, cos, sin, head, HEADS, KV_HEADS, HALF, GROUP
    )
    query1, query2 = query1.to(kind), query2.to(kind)
    key1, key2 = key1.to(kind), key2.to(kind)
    cache = slot * slot_stride + head * head_stride
    here = cache + position.to(tl.int64) * size
    kept = tl.where(position >= 0, size, 0)  # of an idle row nothing
    tl.store(keys + here + pair, key1, mask=pair < kept)
    tl.store(keys + here + HALF + pair, key2, mask=pair < kept)
    tl.store(values + here + full, value, mask=full < kept)

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


def short_attention(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: torch.Tensor,
    out: torch.Tensor,
    position: int,
    heads: int,
    *,
    dependent: bool = False,
) -> None:
    """`attention` with all rows at one position of a short cache, which is read before the kernel in front has ended.

    So that kernel must not be the one that wrote the cache last.
    """
    block = max(16, triton.next_power_of_2(position + 1))
    warps = SHORT_WARPS[0] if len(qkv) <= 16 else SHORT_WARPS[1]
    _launch(_short_attention_kernel, qkv, keys, values, table, out, (position,), heads, block, warps, dependent)


def attention(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: torch.Tensor,
    out: torch.Tensor,
    positions: torch.Tensor,
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
        positions: (n,) int64; a row at -1 is idle and leaves the cache alone.
        heads: H.
        dependent: See the package.
    """
    places = (positions, positions.stride(0))
    _launch(_attention_kernel, qkv, keys, values, table, out, places, heads, 64, 4, dependent)


def _launch(
    kernel: Any,
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: torch.Tensor,
    out: torch.Tensor,
    places: tuple[Any, ...],
    heads: int,
    block: int,
    warps: int,
    dependent: bool,
) -> None:
    kv_heads, size = keys.shape[1], keys.shape[3]
    kernel[(len(qkv), kv_heads)](
        qkv,
        keys,
        values,
        table,
        out,
        *places,
        size**-0.5,
        qkv.stride(0),
        out.stride(0),
        keys.stride(0),
        keys.stride(1),
        HEADS=heads,
        KV_HEADS=kv_heads,
        HALF=size // 2,
        BLOCK=block,
        GROUP=max(16, triton.next_power_of_2(heads // kv_heads)),
        num_warps=warps,
        **dependent_launch(dependent),
    )
