"""Which rows run together, of questions and of conversations: continuous batching over mlx-lm's `BatchGenerator`.

Rows join the batch as places come free and memory allows. Those that wait are sorted by length, so that prompts that
are prefilled together differ little. Where memory runs out the batch is halved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from voicegen.chat.mlx.kv import SharedPrefix
from voicegen.chat.mlx.replies import Replies
from voicegen.chat.mlx.rows import Row, RunningRow
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.chat.mlx.turns import Turns
from voicegen.errors import ModelError
from voicegen.protocols import ReplyPart, ReplyRequest
from voicegen.records import Answer, Failure, Question

REFILL_SHARE = 4
"""Free places are filled when they are a quarter of the batch: each filling copies caches and costs two more passes."""


Asked = Question | ReplyRequest
Given = Answer | ReplyPart | Failure


@dataclass(frozen=True, slots=True)
class BatchModel:
    """The weights as a batch uses them: what all prompts share is computed once, and memory bounds what runs together.

    Attributes:
        stop_tokens: each ends a reply.
        prefix: what all questions' prompts begin with.
        kv_budget: bytes for the KV caches of all rows together.
    """

    model: nn.Module
    stop_tokens: tuple[int, ...]
    prefix: SharedPrefix
    kv_budget: int

    def generator(self, batch_size: int) -> TokenGenerator:
        """An empty batch."""
        return TokenGenerator(self.model, self.stop_tokens, batch_size)

    def fits(self, rows: Sequence[Row]) -> bool:
        """Whether the KV caches of these rows together, padded to the longest, stay within the budget."""
        return len(rows) * max(row.longest for row in rows) * self.prefix.bytes_per_token <= self.kv_budget


class Batch:
    """The work in hand of one call: rows that wait, sorted by length, and running ones by number.

    Args:
        turns: how questions are answered.
        replies: how conversations are continued.
        model: the weights.
        size: the most rows at a time.
        is_wanted: whether what has this index is still wanted.
    """

    def __init__(
        self, turns: Turns, replies: Replies, model: BatchModel, size: int, is_wanted: Callable[[int], bool]
    ) -> None:
        self._turns = turns
        self._replies = replies
        self._model = model
        self._size = size
        self._is_wanted = is_wanted
        self._generator = model.generator(size)
        self._waiting: list[Row] = []
        self._running: dict[int, RunningRow] = {}
        self._ended = False

    def run(self, asked: Iterator[Asked | None]) -> Iterator[Given]:
        """Answers them all.

        Raises:
            ModelError: the model fails even with a single question.
        """
        try:
            while not self._ended or self._waiting or self._running:
                yield from self._read(asked)
                self._let_go()
                self._admit()
                yield from self._step()
        finally:
            self._generator.close()

    def _read(self, asked: Iterator[Asked | None]) -> Iterator[Given]:
        """Fills the window of waiting rows once it is empty, so that a long prompt never waits for ever."""
        if self._waiting or self._ended or self._free() == 0:
            return
        read = 0
        while read < self._size:
            one = next(asked, self)
            if one is self:
                self._ended = True
                break
            if one is None:
                if self._running or self._waiting:
                    break
                continue
            assert isinstance(one, Asked)
            read += 1
            row = self._turns.begin(one) if isinstance(one, Question) else self._replies.begin(one)
            if isinstance(row, Failure):
                yield row
            else:
                self._waiting.append(row)
        self._waiting.sort(key=lambda row: len(row.prompt))

    def _let_go(self) -> None:
        """Leaves out what is not wanted any more."""
        self._waiting = [row for row in self._waiting if self._is_wanted(row.asked.index)]
        for number, running in tuple(self._running.items()):
            if not self._is_wanted(running.row.asked.index):
                self._leave_out(number)

    def _leave_out(self, number: int) -> None:
        running = self._running.pop(number)
        if not self._generator.decodes(number):
            self._generator.remove([number])
            return
        if isinstance(running.row.asked, ReplyRequest):
            self._replies.left(lambda: self._generator.held(number))
        self._generator.end(number)

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
        ways = (self._turns if isinstance(row.asked, Question) else self._replies for row in rows)
        self._running.update((number, way.running(row)) for number, way, row in zip(numbers, ways, rows, strict=True))

    def _step(self) -> Iterator[Given]:
        """One decode step of all rows, with the prefill of new ones."""
        if not self._running:
            return
        begin = time.perf_counter()
        try:
            _, tokens = self._generator.next()
        except (RuntimeError, MemoryError) as error:
            yield from self._retry_smaller(error)
            return
        share = (time.perf_counter() - begin) / len(self._running)
        for running in self._running.values():
            running.seconds += share
        for token in tokens:
            yield from self._take(token)

    def _take(self, token: Any) -> Iterator[Given]:
        running = self._running[token.uid]
        running.feed(token.token)
        is_reply = isinstance(running.row.asked, ReplyRequest)
        if is_reply and (problem := self._replies.problem(running)):
            self._leave_out(token.uid)
            yield problem
            return
        ended = token.finish_reason is not None or running.stopped
        following: Row | Given | None = None
        if ended:
            del self._running[token.uid]
            if token.finish_reason is None:  # a stop that only the parser saw
                self._generator.end(token.uid)
            cut = token.finish_reason == "length" and not running.stopped
            way = self._replies if is_reply else self._turns
            following = way.after(running, cut, lambda: self._generator.held(token.uid))
        if is_reply:
            yield from self._replies.parts(running)
        if isinstance(following, Row):
            self._waiting.insert(0, following)
        elif following is not None:
            yield following

    def _retry_smaller(self, error: Exception) -> Iterator[Failure]:
        """Memory ran out: halves the batch and begins its replies again, which come out the same.

        But one that somebody has seen a part of ends there. MLX raises RuntimeError for this as for everything else;
        an error that is no lack of memory comes back with a single row, and ends the run.
        """
        if self._size == 1:
            raise ModelError(f"the model cannot answer even one question at a time: {error}") from error
        again = []
        for running in self._running.values():
            if isinstance(running.row.asked, ReplyRequest) and running.written:
                yield Failure(running.row.asked.index, "chat", "memory ran out in the middle of the reply: ask again")
            else:
                again.append(running.again())
        self._waiting += again
        self._waiting.sort(key=lambda row: len(row.prompt))
        self._running.clear()
        self._generator.close()
        mx.clear_cache()
        self._size = max(1, self._size // 2)
        self._generator = self._model.generator(self._size)
