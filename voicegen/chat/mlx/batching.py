"""Which rows run together: continuous batching over mlx-lm's `BatchGenerator`.

Rows join the batch as places come free and memory allows. Those that wait are sorted by length, so that prompts that
are prefilled together differ little. Where memory runs out the batch is halved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from voicegen.chat.mlx.kv import SharedPrefix
from voicegen.chat.mlx.rows import Row, RunningRow
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.chat.mlx.turns import Turns
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Failure, Question

REFILL_SHARE = 4
"""Free places are filled when they are a quarter of the batch: each filling copies caches and costs two more passes."""


@dataclass(frozen=True, slots=True)
class BatchModel:
    """The weights as a batch uses them: what all prompts share is computed once, and memory bounds what runs together.

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


class Batch:
    """The work in hand of one call of `answer`: rows that wait, sorted by length, and running ones by number."""

    def __init__(self, turns: Turns, model: BatchModel, size: int) -> None:
        self._turns = turns
        self._model = model
        self._size = size
        self._generator = model.generator(size)
        self._waiting: list[Row] = []
        self._running: dict[int, RunningRow] = {}
        self._ended = False

    def run(self, questions: Iterator[Question | None]) -> Iterator[Answer | Failure]:
        """Answers them all.

        Raises:
            ModelError: the model fails even with a single question.
        """
        try:
            while not self._ended or self._waiting or self._running:
                yield from self._read(questions)
                self._admit()
                yield from self._step()
        finally:
            self._generator.close()

    def _read(self, questions: Iterator[Question | None]) -> Iterator[Failure]:
        """Fills the window of waiting rows once it is empty, so that a long prompt never waits for ever."""
        if self._waiting or self._ended or self._free() == 0:
            return
        read = 0
        while read < self._size:
            question = next(questions, self)
            if question is self:
                self._ended = True
                break
            if question is None:
                if self._running or self._waiting:
                    break
                continue
            assert isinstance(question, Question)
            read += 1
            row = self._turns.begin(question)
            if isinstance(row, Failure):
                yield row
            else:
                self._waiting.append(row)
        self._waiting.sort(key=lambda row: len(row.prompt))

    def _free(self) -> int:
        return self._size - len(self._running)

    def _admit(self) -> None:
        """Moves waiting rows into the batch, several at a time, as memory allows."""
        enough = min(len(self._waiting), max(1, self._size // REFILL_SHARE))
        if not self._waiting or (self._running and self._free() < enough):
            return
        chosen: list[Row] = []
        while self._waiting and len(chosen) < self._free():
            rows = [*(running.row for running in self._running.values()), *chosen, self._waiting[0]]
            if len(rows) > 1 and not self._model.fits(rows):
                break
            chosen.append(self._waiting.pop(0))
        if chosen:
            self._insert(chosen)

    def _insert(self, rows: list[Row]) -> None:
        starts = [
            self._model.prefix.split(row.prompt)
            if row.cache is None
            else (list(row.prompt), row.cache, list(row.cached))
            for row in rows
        ]
        numbers = self._generator.add(
            [prompt for prompt, _, _ in starts],
            [row.budget for row in rows],
            [cache for _, cache, _ in starts],
            [cached for _, _, cached in starts],
            [row.stream for row in rows],
        )
        self._running.update(zip(numbers, map(self._turns.running, rows), strict=True))

    def _step(self) -> Iterator[Answer | Failure]:
        """One decode step of all rows, with the prefill of new ones."""
        if not self._running:
            return
        begin = time.perf_counter()
        try:
            _, replies = self._generator.next()
        except (RuntimeError, MemoryError) as error:
            self._retry_smaller(error)
            return
        share = (time.perf_counter() - begin) / len(self._running)
        for running in self._running.values():
            running.seconds += share
        for reply in replies:
            yield from self._take(reply)

    def _take(self, reply: Any) -> Iterator[Answer | Failure]:
        running = self._running[reply.uid]
        running.feed(reply.token)
        if reply.finish_reason is None and not running.stopped:
            return
        del self._running[reply.uid]
        if reply.finish_reason is None:  # a stop that only the parser saw
            self._generator.end(reply.uid)
        cut = reply.finish_reason == "length" and not running.stopped
        following = self._turns.after(running, cut, lambda: self._generator.held(reply.uid))
        if isinstance(following, Row):
            self._waiting.insert(0, following)
        else:
            yield following

    def _retry_smaller(self, error: Exception) -> None:
        """Memory ran out: halves the batch and begins its replies again, which come out the same.

        MLX raises RuntimeError for this as for everything else; an error that is no lack of memory comes back with a
        single row, and ends the run.
        """
        if self._size == 1:
            raise ModelError(f"the model cannot answer even one question at a time: {error}") from error
        self._waiting += [running.again() for running in self._running.values()]
        self._waiting.sort(key=lambda row: len(row.prompt))
        self._running.clear()
        self._generator.close()
        mx.clear_cache()
        self._size = max(1, self._size // 2)
        self._generator = self._model.generator(self._size)
