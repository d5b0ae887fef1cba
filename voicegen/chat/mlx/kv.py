"""KV caches: the one of a prefix that all prompts share, and what caches cost in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache

from voicegen.mlx_device import device_memory

PREFILL_STEP = 512
"""Tokens of one forward pass over a prompt."""


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The first tokens of every prompt and their KV cache, which batches copy and never change."""

    tokens: tuple[int, ...]
    cache: list[Any]
    bytes_per_token: int

    def split(self, prompt: Sequence[int]) -> tuple[list[int], list[Any] | None, list[int]]:
        """What is left to prefill of a prompt, the cache to begin with, and the tokens in that cache."""
        count = len(self.tokens)
        if 0 < count < len(prompt) and tuple(prompt[:count]) == self.tokens:
            return list(prompt[count:]), self.cache, list(self.tokens)
        return list(prompt), None, []


def shared_prefix(model: nn.Module, one: Sequence[int], other: Sequence[int]) -> SharedPrefix:
    """Prefills what two prompts that differ in their question alone have in common."""
    tokens = tuple(one[: common_length(one, other)])
    cache = make_prompt_cache(model)
    prefill(model, cache, tokens or one[:1])
    evaluate(cache)
    return SharedPrefix(tokens, cache, _bytes_per_token(cache, max(1, len(tokens))))


def prefill(model: nn.Module, cache: list[Any], tokens: Sequence[int]) -> mx.array:
    """Runs `tokens` through the model, some at a time; (1, V) logits after the last of them, not yet evaluated."""
    for start in range(0, len(tokens), PREFILL_STEP):
        if start:
            evaluate(cache)
        logits = model(mx.array(list(tokens[start : start + PREFILL_STEP]))[None], cache=cache)[:, -1, :]
    return logits


def evaluate(cache: Sequence[Any]) -> None:
    """Computes what a cache holds now."""
    mx.eval([layer.state for layer in cache])


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences share from their start."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def default_kv_budget(model: nn.Module) -> int:
    """Bytes for the KV caches of a batch: a quarter of the memory that the machine has beside the weights.

    Memory in use does not count, so that each session on a machine makes the same batches.
    """
    weights = sum(array.nbytes for _, array in tree_flatten(model.parameters()))
    return max((device_memory() - weights) // 4, 1 << 26)


def _bytes_per_token(cache: Sequence[Any], tokens: int) -> int:
    """Bytes that a token more costs; keys and values (1, H, N, D) have places in reserve, which are not counted."""
    arrays = [part for layer in cache for part in _arrays(layer.state)]
    return sum(part.nbytes // (part.shape[2] if part.ndim == 4 else tokens) for part in arrays)


def _arrays(state: Any) -> list[mx.array]:
    if isinstance(state, mx.array):
        return [state]
    return [array for part in state for array in _arrays(part)] if isinstance(state, (list, tuple)) else []
