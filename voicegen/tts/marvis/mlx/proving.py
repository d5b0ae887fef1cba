"""Which steps a machine takes: kernels of our own where they give there what MLX's operators give, else those.

Nobody has run these kernels on every machine. So each machine is shown, when it first needs them, that on random
numbers they do what they must; where one does not, or does not compile, the engine goes on without them.
"""

from __future__ import annotations

import logging

import mlx.core as mx
import numpy as np

from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.mlx.kernels import KernelSteps
from voicegen.tts.marvis.mlx.model import MLXModel, Product, Transformer
from voicegen.tts.marvis.mlx.steps import PlainSteps, Steps

logger = logging.getLogger(__name__)

_SLOTS = 4
_ROWS = 40  # positions, in which each slot stands at another
_DRAWS = 64
_WIDTH = 48  # of rows, of which no block has a whole number
_TOLERANCES = {mx.float32: 2e-5, mx.float16: 4e-3, mx.bfloat16: 3e-2}  # of a number, or of 1 where it is smaller
_WAYS = (Sampling(0.9, 50), Sampling(1.1, 0), Sampling(0.0, 50))


def steps_for(model: MLXModel, *, on_gpu: bool) -> Steps:
    """Kernels on a GPU that gives with them what it gives without; MLX's operators elsewhere, with a warning."""
    plain = PlainSteps(model)
    if not on_gpu or not KernelSteps.can(model):
        return plain
    try:
        kernels = KernelSteps(model)
        wrong = differing(model, kernels, plain)
    except Exception as error:  # whatever a compiler of another machine says: without kernels all is right, and slower
        wrong = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    else:
        if wrong is None:
            return kernels
    logger.warning("Marvis goes on without its own kernels, which do not work on this machine (%s)", wrong)
    return plain


def differing(model: MLXModel, steps: Steps, plain: Steps) -> str | None:
    """What of some steps is not what the plain ones give, on random numbers; None where all is."""
    rng = np.random.default_rng(0)
    for name, part in (("backbone", model.backbone), ("depth", model.depth)):
        if not _attends_alike(model, part, steps, plain, rng):
            return f"attention of the {name}"
        if not _gates_alike(model, part, steps, plain, rng):
            return f"gates of the {name}"
    return next((f"draws with {way}" for way in _WAYS if not _draws_alike(model, steps, plain, way, rng)), None)


def _attends_alike(model: MLXModel, part: Transformer, steps: Steps, plain: Steps, rng: np.random.Generator) -> bool:
    """Whether attention and what it keeps are alike: the first two positions, then one more, each slot at its own."""
    sizes, found = part.sizes, []
    width = (sizes.heads + 2 * sizes.kv_heads) * sizes.head_dim
    two, one, other = (_products(rng, (_SLOTS * tokens, width), model.dtype, steps) for tokens in (2, 1, 1))
    before = [_normal(rng, (_SLOTS, sizes.kv_heads, _ROWS, sizes.head_dim), model.dtype) for _ in range(2)]
    places = mx.array([0, 1, 8, _ROWS - 1], mx.int32)
    for turn, way in enumerate((plain, steps)):
        first, kept = way.attended(part, two[turn], way.nothing(part, _SLOTS, _ROWS), 0, _ROWS, 2)
        second, kept = way.attended(part, one[turn], kept, 2, _ROWS)
        third, grown = way.attended(part, other[turn], (mx.array(before[0]), mx.array(before[1])), places, _ROWS)
        known = (mx.arange(_ROWS) <= places[:, None])[:, None, :, None]
        now = [mx.where(known, array, 0) for array in grown]  # what lies beyond is nobody's
        found.append([first, second, third, *(array[:, :, :3] for array in kept), *now])
    return all(_alike(theirs, ours) for theirs, ours in zip(*found, strict=True))


def _gates_alike(model: MLXModel, part: Transformer, steps: Steps, plain: Steps, rng: np.random.Generator) -> bool:
    theirs, ours = _products(rng, (_SLOTS, 2 * part.sizes.ffn), model.dtype, steps)
    return _alike(plain.gated(theirs), steps.gated(ours))


def _alike(theirs: mx.array, ours: mx.array) -> bool:
    """Whether numbers differ by no more than roundings of their type do, which grow with them beyond 1."""
    left, right = theirs.astype(mx.float32), ours.astype(mx.float32)
    apart = mx.abs(left - right) / mx.maximum(mx.abs(left), 1)
    return bool((apart.max() <= _TOLERANCES[theirs.dtype]).item())


def _draws_alike(model: MLXModel, steps: Steps, plain: Steps, way: Sampling, rng: np.random.Generator) -> bool:
    """Whether the same codes are drawn, where logits tie and where one is not finite too."""
    books, vocab = model.config.codebooks, model.config.audio_vocab
    logits = rng.normal(0, 3, (_DRAWS, vocab)).astype(np.float32)
    logits[1, : vocab // 2], logits[2, vocab // 3], logits[3, 0] = 9.0, np.nan, np.inf
    row = mx.array(rng.integers(0, vocab, (_DRAWS, books + 1)) * (np.arange(books + 1) < books), mx.int32)
    counters = mx.array(rng.integers(0, 1000, (_DRAWS, 3)), mx.int32)
    seeds = mx.array(rng.integers(0, 2**32, (_DRAWS, 2)).astype(np.uint32))
    numbers = mx.array(logits).astype(model.dtype)
    alone = Product(numbers)
    ways = [(plain, alone), (steps, alone)]
    if steps.divides:
        # Of rows whose root mean squares are powers of two, so that a division rounds nothing and ties stay ties.
        roots = mx.array(2.0 ** rng.integers(0, 4, (_DRAWS, 1))).astype(model.dtype)
        ways.append((steps, Product(numbers * roots, mx.broadcast_to(roots, (_DRAWS, _WIDTH)))))
    theirs, *ours = (one.drawn(product, row, books - 1, counters, seeds, way) for one, product in ways)
    return all(mx.array_equal(left, right).item() for each in ours for left, right in zip(theirs, each, strict=True))


def _products(
    rng: np.random.Generator, shape: tuple[int, int], dtype: mx.Dtype, steps: Steps
) -> tuple[Product, Product]:
    """Random products for the plain steps; and for the others the same, of rows that are not normalized if they can."""
    numbers = _normal(rng, shape, dtype)
    if not steps.divides:
        return Product(numbers), Product(numbers)
    rows, epsilon = _normal(rng, (shape[0], _WIDTH), mx.float32), 0.5
    roots = mx.sqrt(mx.square(rows).mean(axis=1, keepdims=True) + epsilon)
    return Product(numbers), Product((numbers * roots).astype(dtype), rows.astype(dtype), epsilon)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: mx.Dtype) -> mx.array:
    return mx.array(rng.normal(0, 1, shape).astype(np.float32)).astype(dtype)
