"""Choosing the next token of every row of a batch in one go.

A draw is an exponential race: of weights w, the token that wins `w / noise` is drawn, in proportion to the weights
(Gumbel-max in other words; Maddison et al. 2014). The noise depends on the row's seed, its position and the token
alone, so that the rows beside it, a limit or a resume change a draw by rounding at most; and a rounding error moves one
token's chances, where a cumulative sum would move those of every token after it.

The race is run twice, first among blocks of tokens and then in the block that won, so that a few hundred numbers a row
do for any vocabulary: P(block) P(token | block) is P(token).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from voicegen.chat.mlx.cpu.vectorized import exponentials, largest
from voicegen.protocols import GenerationOptions

PENALTY_WINDOW = 20
"""How many of the last tokens a repetition penalty looks back on, as in mlx-lm."""

NUCLEUS = 512
"""Candidates that are sorted to find the nucleus; all tokens are, where these hold too little probability."""


BLOCK = 128
"""Tokens of a block in the race; it divides the vocabularies in use."""

LEAST_UNIFORM = 2.0**-24
"""Uniform numbers lie between this and 1 - 2**-24, so that no draw's noise is zero or infinite."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; `GenerationOptions` says what each field means."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    @classmethod
    def of(cls, options: GenerationOptions) -> Sampling:
        """What of the options is about choosing."""
        return cls(**{name: getattr(options, name) for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class RowStream:
    """How one row is sampled, and its random numbers, which depend on its seed, the round and the position alone.

    A row that goes on after tool calls or a forced answer begins another round.
    """

    seed: int
    part: int = 0
    sampling: Sampling = Sampling()

    def key(self, position: int) -> int:
        """64 bits for the token at `position` of the row's context (SplitMix64, Steele et al. 2014)."""
        return _mixed(_mixed(_mixed(self.seed) + self.part) + position)


def _mixed(number: int) -> int:
    z = (number + 1) * 0x9E3779B97F4A7C15 % (1 << 64)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % (1 << 64)
    z = (z ^ z >> 27) * 0x94D049BB133111EB % (1 << 64)
    return z ^ z >> 31


def choose(logits: mx.array, recent: mx.array | None, rows: Sequence[RowStream], positions: Sequence[int]) -> mx.array:
    """The next token of each row; those that are sampled alike are sampled together.

    Args:
        logits: (B, V).
        recent: (B, W) the rows' recent tokens; needed where a row has a repetition penalty.
        rows: how each row is sampled.
        positions: the place of the next token in each row's context.

    Returns:
        (B,) token numbers.
    """
    alike: dict[Sampling, list[int]] = {}
    for place, row in enumerate(rows):
        alike.setdefault(row.sampling, []).append(place)
    if len(alike) == 1:
        return _chosen(logits, recent, rows, positions)
    tokens = mx.zeros(len(rows), mx.uint32)
    for places in alike.values():
        at = mx.array(places)
        some = None if recent is None else recent[at]
        tokens[at] = _chosen(logits[at], some, [rows[i] for i in places], [positions[i] for i in places])
    return tokens


def penalizes(rows: Sequence[RowStream]) -> bool:
    """Whether `choose` needs the rows' recent tokens."""
    return any(row.sampling.repetition_penalty != 1 for row in rows)


def _chosen(logits: mx.array, recent: mx.array | None, rows: Sequence[RowStream], positions: Sequence[int]) -> mx.array:
    sampling = rows[0].sampling
    if sampling.repetition_penalty != 1 and recent is not None:
        logits = penalized(logits, recent, sampling.repetition_penalty)
    if sampling.temperature <= 0:
        return mx.argmax(logits, axis=-1)
    keys = [row.key(position) for row, position in zip(rows, positions, strict=True)]
    return drawn(candidate_weights(logits, sampling), keys)


def drawn(weights: mx.array, keys: Sequence[int]) -> mx.array:
    """A token of each row of `weights` (B, V) in proportion to them, by the noise of the rows' keys (B); (B,)."""
    surplus = -weights.shape[-1] % BLOCK
    if surplus:
        weights = mx.pad(weights, [(0, 0), (0, surplus)])
    blocks = weights.reshape(len(keys), -1, BLOCK)
    noise = exponential_noise(keys, blocks.shape[1] + BLOCK)
    block = mx.argmax(mx.sum(blocks, axis=-1) / noise[:, BLOCK:], axis=-1)
    inside = mx.take_along_axis(blocks, block[:, None, None], axis=1)[:, 0]
    return block * BLOCK + mx.argmax(inside / noise[:, :BLOCK], axis=-1)


def exponential_noise(keys: Sequence[int], size: int) -> mx.array:
    """Standard exponential noise (B, size), positive and finite, by a hash of key and place (MLX's Threefry)."""
    words = mx.array(np.array(keys, dtype="<u8").view("<u4").reshape(-1, 2))
    uniform = mx.vmap(lambda key: mx.random.uniform(shape=(size,), key=key))(words)
    return -mx.log(mx.maximum(uniform, LEAST_UNIFORM))


def penalized(logits: mx.array, recent: mx.array, penalty: float) -> mx.array:
    """Makes recent tokens less likely (Keskar et al. 2019, CTRL): positive logits divided, negative multiplied."""
    found = mx.take_along_axis(logits, recent, axis=-1)
    return mx.put_along_axis(logits, recent, mx.where(found < 0, found * penalty, found / penalty), axis=-1)


def candidate_weights(logits: mx.array, options: Sampling) -> mx.array:
    """Unnormalized probabilities (B, V), zero for tokens that top-k, min-p or top-p leave out, in that order."""
    scaled = logits.astype(mx.float32) / options.temperature
    weights = exponentials(scaled - mx.max(scaled, axis=-1, keepdims=True))
    best: mx.array | None = None
    if options.top_k > 0:
        best = largest(weights, min(options.top_k, weights.shape[-1]))
        weights = _at_least(weights, best[:, -1:])
    if options.min_p > 0:
        weights = _at_least(weights, mx.array(options.min_p))  # the likeliest token weighs 1
    if options.top_p < 1:
        best = largest(weights, min(NUCLEUS, weights.shape[-1])) if best is None else best
        weights = _at_least(weights, _nucleus_threshold(weights, best, options.top_p))
    return weights


def _nucleus_threshold(weights: mx.array, best: mx.array, top_p: float) -> mx.array:
    """The least weight of the smallest set that holds `top_p` of the probability; (B, 1) (Holtzman et al. 2020).

    `best` are the largest of `weights` (B, V) in falling order, (B, N); where they hold too little, all are sorted.
    Those that min-p left out may be among them: the set is full before they come.
    """
    wanted = top_p * mx.sum(weights, axis=-1, keepdims=True)
    if best.shape[-1] < weights.shape[-1] and mx.any(mx.sum(best, axis=-1, keepdims=True) < wanted).item():
        best = largest(weights, weights.shape[-1])
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
