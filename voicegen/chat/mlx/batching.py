"""Which rows run together: continuous batching over mlx-lm's `BatchGenerator`.

Rows join the batch as places come free and memory allows. Those that wait are sorted by length, so that prompts that
are prefilled together differ little. Where memory runs out the batch is halved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import mlx.core as mx

from voicegen.chat.mlx.kv import SharedPrefix
from voicegen.chat.mlx.rows import Next, Row
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.errors import ModelError
from voicegen.records import Answer, Failure, Question

REFILL_SHARE = 4
"""Free places are filled when they are a quarter of the batch: each filling copies caches and costs two more passes."""


class BatchedModel(Protocol):
    """What a batch needs of the model whose rows it runs."""

    @property
    def prefix(self) -> SharedPrefix:
        """What all prompts share."""
        ...

    @property
    def calls_tools(self) -> bool:
        """Whether the model has tools to call."""
        ...

    def generator(self, batch_size: int) -> TokenGenerator:
        """An empty batch."""
        ...

    def fits(self, rows: Sequence[Row]) -> bool:
        """Whether memory holds these rows together."""
        ...

    def row(self, question: Question) -> Row | Failure:
        """A question ready to be answered, or why it cannot be."""
        ...

    def go_on(self, row: Row, step: Next, cache: list[Any], cached: list[int]) -> Row | Failure:
        """Prepares a row for its next round."""
        ...


class Batch:
    """The work in hand of one call of `answer`: rows that wait, sorted by length, and running ones by number."""

    def __init__(self, model: BatchedModel, size: int) -> None:
        self._model = model
        self._size = size
        self._generator = model.generator(size)
        self._waiting: list[Row] = []
        self._running: dict[int, Row] = {}
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
            row = self._model.row(question)
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
            rows = [*self._running.values(), *chosen, self._waiting[0]]
            if len(rows) > 1 and not self._model.fits(rows):
                break
            chosen.append(self._waiting.pop(0))
        if chosen:
            self._insert(chosen)

    def _insert(self, rows: list[Row]) -> None:
        starts = [
            (row.prompt, row.cache, row.cached) if row.cache is not None else self._model.prefix.split(row.prompt)
            for row in rows
        ]
        numbers = self._generator.add(
            [prompt for prompt, _, _ in starts],
            [row.budget for row in rows],
            [cache for _, cache, _ in starts],
            [cached for _, _, cached in starts],
            [row.stream for row in rows],
        )
        self._running.update(zip(numbers, rows, strict=True))

    def _step(self) -> Iterator[Answer | Failure]:
        """One decode step of all rows, with the prefill of new ones."""
        if not self._running:
            return
        begin = time.perf_counter()
        try:
            _, replies = self._generator.next()
        except (RuntimeError, MemoryError) as error:
            yield from self._retry_smaller(error)
            return
        share = (time.perf_counter() - begin) / len(self._running)
        for row in self._running.values():
            row.seconds += share
        for reply in replies:
            yield from self._take(reply)

    def _take(self, reply: Any) -> Iterator[Answer | Failure]:
        row = self._running[reply.uid]
        row.feed(reply.token)
        if reply.finish_reason is None and not row.parser.stopped:
            return
        del self._running[reply.uid]
        cut = reply.finish_reason == "length" and not row.parser.stopped
        step = row.next_step(cut, self._model.calls_tools)
        if reply.finish_reason is None:  # a stop that only the parser saw
            self._generator.end(reply.uid)
        if step is Next.DONE:
            yield row.outcome(cut)
            return
        cache, cached = self._generator.held(reply.uid)
        following = self._model.go_on(row, step, cache, cached)
        if isinstance(following, Row):
            self._waiting.insert(0, following)
        else:
            yield following

    def _retry_smaller(self, error: Exception) -> Iterator[Failure]:
        """Memory ran out: halves the batch and starts its rows again, which gives the same answers.

        MLX raises RuntimeError for this as for everything else; an error that is no lack of memory comes back with a
        single row, and ends the run.
        """
        if self._size == 1:
            raise ModelError(f"the model cannot answer even one question at a time: {error}") from error
        rows = list(self._running.values())
        self._running.clear()
        self._generator.close()
        mx.clear_cache()
        self._size = max(1, self._size // 2)
        self._generator = self._model.generator(self._size)
        for row in rows:
            fresh = self._model.row(row.question)
            if isinstance(fresh, Failure):
                yield fresh
            else:
                fresh.seconds = row.seconds
                self._waiting.append(fresh)
        self._waiting.sort(key=lambda row: len(row.prompt))
