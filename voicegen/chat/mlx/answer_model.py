"""Answers questions on MLX, many at a time.

The system prompt's KV cache is computed once, and each row samples with its own seed. A row that cannot be answered
becomes a `Failure`. `voicegen.chat.mlx.batching` says which rows run together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import mlx.core as mx

from voicegen.chat.mlx.batching import Batch
from voicegen.chat.mlx.beginning import found_beginning
from voicegen.chat.mlx.cpu.acceleration import accelerate
from voicegen.chat.mlx.kv import SharedPrefix, default_kv_budget, shared_prefix
from voicegen.chat.mlx.loading import LoadedModel, load
from voicegen.chat.mlx.rows import MAX_TOOL_ROUNDS, Next, Row
from voicegen.chat.mlx.sampling import RowStream
from voicegen.chat.mlx.token_batch import TokenGenerator
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry, load_tools
from voicegen.errors import VoicegenError
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
from voicegen.reading.parsing import TokenParser
from voicegen.records import Answer, Failure, Message, Question, Role

BATCH_SIZE = {"cpu": 64, "gpu": 128}
"""Rows of a batch by default: the fewest that bring the device near its full rate (`voicegen bench chat`)."""


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
        self._begins = found_beginning(self._model, self._template)
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
        yield from Batch(self, self._batch_size).run(iter(questions))

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
            self._parser(),
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
        row.parser, row.budget, row.forced = self._parser(), self._options.max_tokens, False
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

    def _parser(self) -> TokenParser:
        return self._template.parser(self._begins)

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
