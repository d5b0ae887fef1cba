"""The end of a frame: what the backbone reads of it, and its flags."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from voicegen.tts.marvis.kernels.stream import Stream, dependent_launch, store_row


@triton.jit
def _embed_frame_kernel(
    output,
    embeddings,
    x,
    squares,
    vocab,
    output_stride,
    width,
    BOOKS: tl.constexpr,
    WIDTH: tl.constexpr,
    PARTS: tl.constexpr,
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
    store_row(x, squares, row, total.to(x.dtype.element_ty), width, WIDTH, PARTS)


def embed_frame(
    output: torch.Tensor, embeddings: torch.Tensor, target: Stream, vocab: int, *, dependent: bool = False
) -> None:
    """Writes the sum of the embeddings (K * V, width) of a frame's codes, output (n, K + 1), to the stream."""
    width = embeddings.shape[1]
    _embed_frame_kernel[(len(output),)](
        output,
        embeddings,
        target.values,
        target.squares,
        vocab,
        output.stride(0),
        width,
        BOOKS=output.shape[1] - 1,
        WIDTH=triton.next_power_of_2(width),
        PARTS=target.squares.shape[1],
        num_warps=4,
        **dependent_launch(dependent),
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
    tl.store(counters + row * counter_stride, tl.where(flags > 0, -1, position + 1), mask=inside)
    tl.store(counters + row * counter_stride + 1, tl.where(flags > 0, 0, frame + 1), mask=inside)
    tl.store(counters + row * counter_stride + 2, tl.where(flags > 0, 0, limit), mask=inside)


def finish(
    output: torch.Tensor, broken: torch.Tensor, counters: torch.Tensor, eos_code: int, *, dependent: bool = False
) -> None:
    """Writes flags to the last column of output (n, K + 1), and counts; a slot whose take has ended is idle."""
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
        **dependent_launch(dependent),
    )
