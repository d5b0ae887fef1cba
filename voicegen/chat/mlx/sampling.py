"""Choosing the next token of every row of a batch in one go.

Each row draws from a random stream of its own, made from its seed, so that what a row says does not depend on the rows
beside it. Sampling inverts the cumulative distribution at one uniform number a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from voicegen.protocols import GenerationOptions

PENALTY_WINDOW = 20
"""How many of the last tokens a repetition penalty looks back on, as in mlx-lm."""

NUCLEUS = 512
"""Candidates that are sorted to find the nucleus; all tokens are, where these hold too little probability."""


class RowStream:
    """The random numbers of one row: the n-th draw depends on the seed, the round and n alone.

    A row that goes on after tool calls or a forced answer begins another round. (Philox, Salmon et al. 2011.)
    """

    def __init__(self, seed: int, part: int = 0) -> None:
        key = np.array([seed % (1 << 64), part], dtype=np.uint64)
        self._generator = np.random.Generator(np.random.Philox(key=key))

    def draw(self) -> float:
        """The next number in [0, 1)."""
        return float(self._generator.random(dtype=np.float32))


class BatchSampler:
    """One way of sampling for all rows of a batch."""

    def __init__(self, options: GenerationOptions) -> None:
        self._options = options

    @property
    def penalizes(self) -> bool:
        """Whether `choose` needs the rows' recent tokens."""
        return self._options.repetition_penalty != 1

    def choose(self, logits: mx.array, recent: mx.array | None, rows: Sequence[RowStream]) -> mx.array:
        """The next token of each row.

        Args:
            logits: (B, V).
            recent: (B, W) the tokens that the repetition penalty is for; None without one.
            rows: The rows' random streams; untouched when greedy.

        Returns:
            (B,) token numbers.
        """
        if recent is not None:
            logits = penalized(logits, recent, self._options.repetition_penalty)
        if self._options.temperature <= 0:
            return mx.argmax(logits, axis=-1)
        return drawn(candidate_weights(logits, self._options), [row.draw() for row in rows])


def drawn(weights: mx.array, uniform: Sequence[float]) -> mx.array:
    """The token of each row at which the sum of `weights` (B, V) passes `uniform` (B) of the whole; (B,)."""
    mass = mx.cumsum(weights, axis=-1)
    chosen = mx.sum(mass <= mx.array(list(uniform))[:, None] * mass[:, -1:], axis=-1)
    # Rounding can step past the last token of weight: stay on one that may be chosen.
    last = weights.shape[-1] - 1 - mx.argmax(weights[:, ::-1] > 0, axis=-1)
    return mx.minimum(chosen, last).astype(mx.uint32)


def penalized(logits: mx.array, recent: mx.array, penalty: float) -> mx.array:
    """Makes recent tokens less likely (Keskar et al. 2019, CTRL): positive logits divided, negative multiplied."""
    found = mx.take_along_axis(logits, recent, axis=-1)
    return mx.put_along_axis(logits, recent, mx.where(found < 0, found * penalty, found / penalty), axis=-1)


def candidate_weights(logits: mx.array, options: GenerationOptions) -> mx.array:
    """Unnormalized probabilities (B, V), zero for tokens that top-k, min-p or top-p leave out, in that order."""
    scaled = logits.astype(mx.float32) / options.temperature
    weights = mx.exp(scaled - mx.max(scaled, axis=-1, keepdims=True))
    if 0 < options.top_k < weights.shape[-1]:
        weights = _at_least(weights, mx.min(mx.topk(weights, options.top_k, axis=-1), axis=-1, keepdims=True))
    if options.min_p > 0:
        weights = _at_least(weights, mx.array(options.min_p))  # the likeliest token weighs 1
    if options.top_p < 1:
        weights = _at_least(weights, _nucleus_threshold(weights, options.top_p))
    return weights


def _nucleus_threshold(weights: mx.array, top_p: float) -> mx.array:
    """The least weight of the smallest set that holds `top_p` of the probability; (B, 1) (Holtzman et al. 2020)."""
    wanted = top_p * mx.sum(weights, axis=-1, keepdims=True)
    size = min(NUCLEUS, weights.shape[-1])
    best = mx.sort(mx.topk(weights, size, axis=-1), axis=-1)[:, ::-1]
    if size < weights.shape[-1] and mx.any(mx.sum(best, axis=-1, keepdims=True) < wanted).item():
        best = mx.sort(weights, axis=-1)[:, ::-1]
    before = mx.cumsum(best, axis=-1) - best
    inside = mx.sum(before < wanted, axis=-1, keepdims=True)
    return mx.take_along_axis(best, mx.maximum(inside - 1, 0), axis=-1)


def _at_least(weights: mx.array, threshold: mx.array) -> mx.array:
    return mx.where(weights >= threshold, weights, 0.0)


def recent_tokens(tokens: Sequence[Sequence[int]]) -> mx.array:
    """The last tokens of each row, (B, W) with W = `PENALTY_WINDOW`; short rows repeat their first one."""
    rows = [list(row[-PENALTY_WINDOW:]) for row in tokens]
    full = [[row[0] if row else 0] * (PENALTY_WINDOW - len(row)) + row for row in rows]
    return mx.array(full, dtype=mx.int32).reshape(len(full), PENALTY_WINDOW)
