"""The weights as a batch uses them: what all prompts share is computed once, and memory bounds what runs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.nn as nn

from voicegen.chat.mlx.kv import SharedPrefix
from voicegen.chat.mlx.rows import Row
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.protocols import GenerationOptions


@dataclass(frozen=True, slots=True)
class Engine:
    """What rows are run with.

    Attributes:
        stop_tokens: each ends a reply.
        prefix: what all prompts begin with.
        kv_budget: bytes for the KV caches of all rows together.
    """

    model: nn.Module
    options: GenerationOptions
    stop_tokens: tuple[int, ...]
    prefix: SharedPrefix
    kv_budget: int

    def generator(self, batch_size: int) -> TokenGenerator:
        """An empty batch."""
        return TokenGenerator(self.model, self.options, self.stop_tokens, batch_size)

    def fits(self, rows: Sequence[Row]) -> bool:
        """Whether the KV caches of these rows together, padded to the longest, stay within the budget."""
        return len(rows) * max(row.longest for row in rows) * self.prefix.bytes_per_token <= self.kv_budget
