"""Answers questions in batches on MLX.

Rows join the batch as places come free. The system prompt's KV cache is computed once; each row samples with its own
seed; prompts that wait are sorted by length, so that those prefilled together differ little. A row that cannot be
answered becomes a `Failure`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import mlx.core as mx

from voicegen.chat.mlx.acceleration import accelerate
from voicegen.chat.mlx.kv import SharedPrefix, default_kv_budget, shared_prefix
from voicegen.chat.mlx.loading import LoadedModel, load
from voicegen.chat.mlx.rows import MAX_TOOL_ROUNDS, Next, Row
from voicegen.chat.mlx.sampling import RowStream
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.chat.parsing import parser_for
from voicegen.chat.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry, load_tools
from voicegen.errors import ModelError, VoicegenError
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Failure, Message, Question, Role

BATCH_SIZE = {"cpu": 64, "gpu": 128}
"""Rows of a batch by default: the fewest that bring the device near its full rate (`voicegen bench chat`)."""

REFILL_SHARE = 4
"""Free places are filled when they are a quarter of the batch: each filling copies caches and costs two more passes."""


class MLXAnswerModel:
    """An `AnswerModel` on mlx-lm's continuous batching."""

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        system_prompt: str | None = None,
        options: GenerationOptions | None = None,
        reasoning_budget: int = 1024,
        tools: ToolRegistry | None = None,
        batch_size: int | Literal["auto"] = "auto",
        kv_budget: int | None = None,
    ) -> None:
        """Prefills the part that all prompts share.

        Args:
            loaded: The model.
            system_prompt: Stands before every question.
            options: How to generate. A question's own seed takes the place of `options.seed`.
            reasoning_budget: Tokens more for an answer that was cut while the model reasoned.
            tools: What the model may call; the calls of a row are run and the row goes on.
            batch_size: The most rows at a time.
            kv_budget: Bytes for the KV caches of the batch; by default a share of the free memory.
        """
        self.info = loaded.info
        self._context_length = loaded.context_length
        self._model = accelerate(loaded.model)
        self._options = options or GenerationOptions()
        self._template = ChatTemplate(loaded.tokenizer)
        self._system = [Message(Role.SYSTEM, system_prompt)] if system_prompt else []
        self._reasoning_budget = reasoning_budget
        self._tools = tools or ToolRegistry()
        device = "cpu" if mx.default_device() == mx.Device(mx.cpu) else "gpu"
        self._batch_size = BATCH_SIZE[device] if batch_size == "auto" else batch_size
        self._kv_budget = kv_budget or default_kv_budget()
        self._prefix = self._shared_prefix()

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        tools: Sequence[str] = (),
        **settings: Any,
    ) -> MLXAnswerModel:
        """Finds and loads a model by name.

        Args:
            name: As `voicegen.model_files.find_model` takes it.
            revision: The hub's revision.
            tools: Names of tools registered as entry points.
            settings: As `MLXAnswerModel`.

        Raises:
            VoicegenError: The model or a tool cannot be found or loaded.
        """
        registry = load_tools(tools)
        return cls(load(find_model(name, revision=revision)), tools=registry, **settings)

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields one record a question in completion order; see `voicegen.protocols.AnswerModel`.

        Raises:
            ModelError: The model fails even when it answers a single question.
        """
        yield from _Batch(self, self._batch_size).run(iter(questions))

    def row(self, question: Question) -> Row | Failure:
        """A question ready to be answered, or why it cannot be."""
        messages = [*self._system, *question.history, Message(Role.USER, question.text)]
        try:
            prompt = self._render(messages)
        except VoicegenError as error:
            return Failure(question.index, "chat", str(error))
        row = Row(
            question,
            messages,
            prompt,
            parser_for(self._template),
            RowStream(question.seed),
            self._options.max_tokens,
            prompt_tokens=len(prompt),
        )
        return self._fitted(row)

    def go_on(self, row: Row, step: Next, cache: list[Any], cached: list[int]) -> Row | Failure:
        """Prepares a row for its next round: a forced answer, or the reply to its tools' results."""
        if step is Next.FORCE_ANSWER:
            tokens = row.parser.force_answer_tokens()
            if not tokens or self._reasoning_budget <= 0:
                return row.outcome(cut=True)  # type: ignore[return-value]
            for token in tokens:
                row.parser.feed(token)
            row.prompt, row.cache, row.cached = tokens, cache, cached
            row.budget, row.forced = self._reasoning_budget, True
            row.stream = RowStream(row.question.seed, row.rounds + MAX_TOOL_ROUNDS + 1)
            return row
        row.rounds += 1
        row.stream = RowStream(row.question.seed, row.rounds)
        if row.rounds > MAX_TOOL_ROUNDS:
            return row.failure(f"the model went on calling tools after {MAX_TOOL_ROUNDS} rounds")
        row.messages += [row.assistant_message(), *self._tools.call_all(row.parser.tool_calls)]
        row.prompt, row.cache, row.cached = self._render(row.messages), None, []
        row.prompt_tokens = len(row.prompt)
        row.parser, row.budget, row.forced = parser_for(self._template), self._options.max_tokens, False
        return self._fitted(row)

    def generator(self, batch_size: int) -> TokenGenerator:
        """An empty batch."""
        return TokenGenerator(self._model, self._options, sorted(self._template.stop_tokens), batch_size)

    @property
    def prefix(self) -> SharedPrefix:
        """What all prompts share."""
        return self._prefix

    @property
    def calls_tools(self) -> bool:
        """Whether the model has tools to call."""
        return len(self._tools) > 0

    def fits(self, rows: Sequence[Row]) -> bool:
        """Whether the KV caches of these rows together, padded to the longest, stay within the budget."""
        longest = max(len(row.cached) + len(row.prompt) + row.budget for row in rows)
        return len(rows) * longest * self._prefix.bytes_per_token <= self._kv_budget

    def _render(self, messages: list[Message]) -> list[int]:
        return self._template.render(messages, self._tools.schemas, self._options.reasoning_effort)

    def _fitted(self, row: Row) -> Row | Failure:
        """The row with its budget cut to what the context leaves, or why it leaves nothing."""
        limit = self._context_length
        row.budget = min(row.budget, limit - len(row.prompt))
        if row.budget > 0:
            return row
        return row.failure(
            f"the prompt has {len(row.prompt)} tokens, but the model's context holds {limit}: shorten it"
        )

    def _shared_prefix(self) -> SharedPrefix:
        probes = [self._render([*self._system, Message(Role.USER, text)]) for text in ("one?", "Two!")]
        return shared_prefix(self._model, *probes)


class _Batch:
    """The work in hand while `answer` runs: rows that wait, sorted by length, and rows in the batch by number."""

    def __init__(self, model: MLXAnswerModel, size: int) -> None:
        self._model = model
        self._size = size
        self._generator = model.generator(size)
        self._waiting: list[Row] = []
        self._running: dict[int, Row] = {}
        self._ended = False
        self._failed_at_one = False

    def run(self, questions: Iterator[Question | None]) -> Iterator[Answer | Failure]:
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
            self._retry_smaller(error)
            return
        self._failed_at_one = False
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

    def _retry_smaller(self, error: Exception) -> None:
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
            if isinstance(fresh, Row):
                fresh.seconds = row.seconds
                self._waiting.append(fresh)
        self._waiting.sort(key=lambda row: len(row.prompt))
