"""mlx-lm's continuous batching, with one sampler for the whole batch.

mlx-lm's own step normalizes the logits of every row over the vocabulary, samples row by row, and copies the whole KV
cache each time that a row ends. None of these is needed, and together they cost up to half of a small model's step:
here the rows are sampled at once, and rows that have ended stay in the batch until enough of them can be removed
together. Otherwise rows come and go, and their caches grow, as in mlx-lm 0.32.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.generate import BatchGenerator, GenerationBatch, PromptProcessingBatch

from voicegen.chat.mlx.sampling import RowStream, choose, penalizes, recent_tokens

SWEEP_SHARE = 4
"""Rows that have ended are removed when they are a quarter of the batch: removing copies the caches of the others."""

PREFILL_ROWS = 32
"""Rows that are prefilled together: few enough that prompts sorted by length need little padding."""


class SampledBatch(GenerationBatch):
    """The rows that are being decoded.

    `samplers` holds each row's `RowStream`; the sampler of the batch is never asked.
    """

    _next_tokens: mx.array  # (B,)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As mlx-lm's."""
        self._ended: set[int] = set()
        super().__init__(*arguments, **named)

    def next(self) -> list[GenerationBatch.Response]:
        """One token more of each row that has not ended."""
        if len(self._ended) * SWEEP_SHARE >= max(1, len(self.uids)):
            self.filter([place for place, uid in enumerate(self.uids) if uid not in self._ended])
        if not self.uids:
            return []
        tokens, _ = self._step()
        return [self._response(place, tokens[place]) for place, uid in enumerate(self.uids) if uid not in self._ended]

    def end(self, uid: int) -> None:
        """Ends a row; its cache can be had until the next token."""
        self._ended.add(uid)

    def held(self, uid: int) -> tuple[list[Any], list[int]]:
        """A row's KV cache, and the tokens in it."""
        place = self.uids.index(uid)
        return self.extract_cache(place), list(self.tokens[place])

    def _response(self, place: int, token: int) -> GenerationBatch.Response:
        self._num_tokens[place] += 1
        reason = "length" if self._num_tokens[place] >= self.max_tokens[place] else None
        if self._matchers[place].advance(token):
            reason = "stop"
        if reason is not None:
            self.end(self.uids[place])
        return self.Response(self.uids[place], token, None, reason, None, None)

    def _step(self) -> tuple[list[int], list[None]]:
        """Starts the computation of the next tokens and returns the current ones."""
        current = self._next_tokens
        logits = self.model(current[:, None], cache=self.prompt_cache)[:, -1, :]
        recent = None
        if penalizes(self.samplers):
            recent = mx.concatenate([recent_tokens(self.tokens)[:, 1:], current[:, None].astype(mx.int32)], axis=1)
        self._current_tokens = current
        positions = [len(row) + 1 for row in self.tokens]  # the current token is not among them yet
        self._next_tokens = choose(logits, recent, self.samplers, positions)
        self._current_logprobs = self._next_logprobs = [None] * len(self.uids)
        mx.async_eval(self._next_tokens)
        tokens: list[int] = current.tolist()  # type: ignore[assignment]
        for row, token in zip(self.tokens, tokens, strict=True):
            row.append(token)
        return tokens, [None] * len(tokens)

    def filter(self, keep: list[int]) -> None:
        """Keeps the rows at these places; nothing is copied where all are kept."""
        if len(keep) == len(self.uids):
            return
        self._ended.difference_update(uid for place, uid in enumerate(self.uids) if place not in keep)
        super().filter(keep)


class SampledPrompts(PromptProcessingBatch):
    """The rows that are being prefilled."""

    def split(self, indices: list[int]) -> SampledPrompts:
        """Takes rows out of this batch; the whole of it without a copy."""
        if len(indices) < len(self.uids):
            taken: SampledPrompts = super().split(indices)
            return taken
        whole = copy.copy(self)
        self._empty()
        return whole

    def generate(self, tokens: list[list[int]]) -> SampledBatch:
        """Turns the rows into rows that are decoded, beginning with their last prompt tokens."""
        batch = SampledBatch(
            self.model,
            self.uids,
            mx.array([row[-1] for row in tokens]),
            self.prompt_cache,
            self.tokens,
            self.samplers,
            self.fallback_sampler,
            self.logits_processors,
            self.stop_sequences,
            self.max_tokens,
        )
        self._empty()
        return batch

    def _empty(self) -> None:
        for name in ("uids", "prompt_cache", "tokens", "samplers", "logits_processors", "stop_sequences", "max_tokens"):
            setattr(self, name, [])


class TokenGenerator(BatchGenerator):
    """mlx-lm's `BatchGenerator` for rows that are each sampled in a way of their own."""

    def __init__(self, model: nn.Module, stop_tokens: Sequence[int], batch_size: int) -> None:
        """`batch_size` bounds the rows that are decoded together."""
        super().__init__(
            model,
            stop_tokens=[[token] for token in stop_tokens],
            completion_batch_size=batch_size,
            prefill_batch_size=min(batch_size, PREFILL_ROWS),
        )
        self._prompt_batch = SampledPrompts.empty(model, self.sampler, prefill_step_size=self.prefill_step_size)
        self._generation_batch = SampledBatch.empty(model, self.sampler)

    def add(
        self,
        prompts: list[list[int]],
        budgets: list[int],
        caches: list[Any],
        cached: list[list[int]],
        streams: list[RowStream],
    ) -> list[int]:
        """Queues rows and returns their numbers.

        Args:
            prompts: What is still to be prefilled of each row, at least one token.
            budgets: The most tokens that each may generate.
            caches: Their KV caches, which are copied; None for an empty one.
            cached: The tokens that each cache holds.
            streams: How each is sampled.
        """
        numbers: list[int] = self.insert(
            prompts, budgets, caches=caches, all_tokens=[list(tokens) for tokens in cached], samplers=streams
        )
        return numbers

    def end(self, uid: int) -> None:
        """Ends a row that is being decoded."""
        self._generation_batch.end(uid)

    def decodes(self, uid: int) -> bool:
        """Whether a row has come so far: its prompt is prefilled."""
        return uid in self._generation_batch.uids

    def held(self, uid: int) -> tuple[list[Any], list[int]]:
        """The KV cache and tokens of a row, also of one that has ended in this step."""
        cache, tokens = self._generation_batch.held(uid)
        return cache, tokens

    def _make_batch(self, n: int) -> SampledPrompts:
        made = super()._make_batch(n)
        made.__class__ = SampledPrompts
        return made
