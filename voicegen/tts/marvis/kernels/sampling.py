"""Drawing a code a row, and looking up what the depth decoder reads next."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from voicegen.tts.marvis.kernels.stream import Stream, dependent_launch, store_row

WARPS = 4


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
    uniform = ((bits >> 9).to(tl.float32) + 0.5) * 1.1920928955078125e-07
    return values - temperature * tl.log(-tl.log(uniform))


@triton.jit(do_not_specialize=["book"])
def _sample_kernel(
    logits,
    output,
    broken,
    counters,
    controls,
    inputs,
    x,
    squares,
    book,
    vocab,
    logits_stride,
    output_stride,
    counter_stride,
    width,
    MAIN: tl.constexpr,
    TAIL: tl.constexpr,
    WIDTH: tl.constexpr,
    PARTS: tl.constexpr,
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
        source = (book * vocab + code).to(tl.int64) * width
        read = tl.load(inputs + source + place, mask=place < width, other=0.0)
        store_row(x, squares, row, read, width, WIDTH, PARTS)


def sample(
    logits: torch.Tensor,
    output: torch.Tensor,
    broken: torch.Tensor,
    counters: torch.Tensor,
    controls: torch.Tensor,
    book: int,
    vocab: int,
    inputs: torch.Tensor | None,
    target: Stream,
    *,
    dependent: bool = False,
) -> None:
    """Draws codes as `sampler.sample` does, and prepares the depth decoder's next step.

    Args:
        logits: (n, at least V).
        output: (n, K + 1) int32; column `book` is written.
        broken: (n,) int32; set where logits were not finite, cleared at book 0.
        counters: (n, 5) int64 of `SlotState`.
        controls: (2,) float32, temperature and top-k.
        book: The codebook.
        vocab: V, the codes to draw among.
        inputs: (K * V, width), what the depth decoder reads for each code; None after the last codebook.
        target: (n, width), where that goes.
        dependent: See the package.
    """
    rows = len(logits)
    main = triton.next_power_of_2(vocab + 1) // 2
    width = target.values.shape[1]
    _sample_kernel[(rows,)](
        logits,
        output,
        broken,
        counters,
        controls,
        target.values if inputs is None else inputs,
        target.values,
        target.squares,
        book,
        vocab,
        logits.stride(0),
        output.stride(0),
        counters.stride(0),
        width,
        MAIN=main,
        TAIL=max(16, triton.next_power_of_2(vocab - main)) if vocab > main else 16,
        WIDTH=triton.next_power_of_2(width),
        PARTS=target.squares.shape[1],
        LOW_BIT=16 if logits.dtype is torch.bfloat16 else 0,
        NEXT=inputs is not None,
        num_warps=WARPS,
        **dependent_launch(dependent),
    )
