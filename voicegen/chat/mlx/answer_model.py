"""Answers questions and continues conversations on MLX, many at a time.

The system prompt's KV cache is computed once, and each row samples with its own seed. A row that cannot be answered
becomes a `Failure`. `turns` and `replies` say how a row goes on and `batching` which rows run together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from voicegen.chat.mlx.batching import Batch, BatchModel
from voicegen.chat.mlx.cpu.acceleration import accelerate
from voicegen.chat.mlx.kv import default_kv_budget, shared_prefix
from voicegen.chat.mlx.loading import LoadedModel, Precision, load
from voicegen.chat.mlx.replies import KeptCaches, Replies
from voicegen.chat.mlx.trial_reply import found_beginning
from voicegen.chat.mlx.turns import Turns
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry, load_tools
from voicegen.mlx_device import backend, wired
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions, ReplyPart, ReplyRequest
from voicegen.records import Answer, Failure, Message, Question, Role

BATCH_SIZE = {"cpu": 64, "metal": 128, "cuda": 128}
"""Rows of a batch by default: the fewest that bring the device near its full rate (`voicegen bench chat`)."""


KEPT_SHARE = 4
"""Conversations' KV caches between their turns may take a quarter of what the batch's may."""


class MLXAnswerModel:
    """A `ChatBatch` on mlx-lm's continuous batching."""

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
            options: How questions are answered, each with its own seed; a conversation brings its options.
            reasoning_budget: Tokens more for an answer that was cut while the model reasoned.
            tools: What the model may call; the calls of a row are run and the row goes on.
            batch_size: The most rows at a time.
            kv_budget: Bytes for the KV caches of the batch; by default a share of the memory.
        """
        self.info = loaded.info
        self.context_length = loaded.context_length
        options = options or GenerationOptions()
        model, template = accelerate(loaded.model), ChatTemplate(loaded.tokenizer)
        begins = found_beginning(model, template)
        self._template = template
        self._turns = Turns(
            template,
            begins,
            loaded.context_length,
            options,
            (Message(Role.SYSTEM, system_prompt),) if system_prompt else (),
            reasoning_budget,
            tools or ToolRegistry(),
        )
        kv_budget = kv_budget or default_kv_budget(loaded.model)
        kept = KeptCaches(kv_budget // KEPT_SHARE)
        self._replies = Replies(template, begins, loaded.context_length, reasoning_budget, kept)
        prefix = shared_prefix(model, *self._turns.probes())
        self._model = BatchModel(model, tuple(sorted(template.stop_tokens)), prefix, kv_budget)
        self._batch_size = BATCH_SIZE[backend()] if batch_size == "auto" else batch_size

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        dtype: Precision = "auto",
        tools: Sequence[str] = (),
        **settings: Any,
    ) -> MLXAnswerModel:
        """Finds and loads a model by name.

        Args:
            name: As `voicegen.model_files.find_model` takes it.
            revision: The hub's revision.
            dtype: As `voicegen.chat.mlx.loading.load` takes it.
            tools: Names of tools registered as entry points.
            settings: As `MLXAnswerModel`.

        Raises:
            VoicegenError: The model or a tool cannot be found or loaded.
        """
        registry = load_tools(tools)
        return cls(load(find_model(name, revision=revision), dtype), tools=registry, **settings)

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields one record a question in completion order; see `voicegen.protocols.AnswerModel`.

        Raises:
            ModelError: The model fails even when it answers a single question.
        """
        for record in self.work(questions):
            assert not isinstance(record, ReplyPart)  # nobody asked for one
            yield record

    def work(
        self, asked: Iterable[Question | ReplyRequest | None], is_wanted: Callable[[int], bool] = lambda _index: True
    ) -> Iterator[Answer | ReplyPart | Failure]:
        """Questions and conversations in one batch; see `voicegen.protocols.ChatBatch`.

        Raises:
            ModelError: The model fails even with a single one.
        """
        with wired():
            yield from Batch(self._turns, self._replies, self._model, self._batch_size, is_wanted).run(iter(asked))

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Length in tokens of the rendered prompt."""
        return len(self._template.render(messages, tools))
