"""Answers questions on MLX, many at a time.

The system prompt's KV cache is computed once, and each row samples with its own seed. A row that cannot be answered
becomes a `Failure`. `turns` says how a row goes on and `batching` which rows run together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import mlx.core as mx

from voicegen.chat.mlx.batching import Batch, BatchModel
from voicegen.chat.mlx.cpu.acceleration import accelerate
from voicegen.chat.mlx.kv import default_kv_budget, shared_prefix
from voicegen.chat.mlx.loading import LoadedModel, Precision, load
from voicegen.chat.mlx.trial_reply import found_beginning
from voicegen.chat.mlx.turns import Turns
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry, load_tools
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
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
            kv_budget: Bytes for the KV caches of the batch; by default a share of the memory.
        """
        self.info = loaded.info
        options = options or GenerationOptions()
        model, template = accelerate(loaded.model), ChatTemplate(loaded.tokenizer)
        self._turns = Turns(
            template,
            found_beginning(model, template),
            loaded.context_length,
            options,
            (Message(Role.SYSTEM, system_prompt),) if system_prompt else (),
            reasoning_budget,
            tools or ToolRegistry(),
        )
        prefix = shared_prefix(model, *self._turns.probes())
        stops = tuple(sorted(template.stop_tokens))
        self._model = BatchModel(model, options, stops, prefix, kv_budget or default_kv_budget(loaded.model))
        device = "cpu" if mx.default_device() == mx.Device(mx.cpu) else "gpu"
        self._batch_size = BATCH_SIZE[device] if batch_size == "auto" else batch_size

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
        yield from Batch(self._turns, self._model, self._batch_size).run(iter(questions))
