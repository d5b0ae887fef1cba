"""MLX as a chat backend: any model that mlx-lm can load, and the starter's GGUF.

mlx-lm imports transformers, for tokenizers, and that imports torch, which takes two seconds and is not asked for then.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from voicegen.backend import ChatBackend
from voicegen.bounds import NotNegative, Penalty, Positive, Probability
from voicegen.lazy import put_off
from voicegen.protocols import ChatBatch, ChatModel
from voicegen.settings import NOT_IDENTITY, GeneratingSettings


class MLXSettings(GeneratingSettings):
    """A chat model on MLX."""

    kind: Literal["mlx"]
    revision: str | None
    dtype: Literal["auto", "float32", "stored"] = Field(json_schema_extra=NOT_IDENTITY)
    top_k: NotNegative
    min_p: Probability
    repetition_penalty: Penalty
    batch_size: Positive | Literal["auto"] = Field(json_schema_extra=NOT_IDENTITY)
    kv_budget: Positive | None = Field(json_schema_extra=NOT_IDENTITY)


def _batch(settings: MLXSettings) -> ChatBatch:
    with put_off("torch"):
        from voicegen.chat.mlx.answer_model import MLXAnswerModel

    return MLXAnswerModel.load(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        system_prompt=settings.system_prompt,
        options=settings.options,
        reasoning_budget=settings.reasoning_budget,
        tools=settings.tools,
        batch_size=settings.batch_size,
        kv_budget=settings.kv_budget,
    )


def _chat_model(settings: MLXSettings) -> ChatModel:
    with put_off("torch"):
        from voicegen.chat.mlx.chat_model import MLXChatModel

    return MLXChatModel.load(
        settings.model,
        revision=settings.revision,
        dtype=settings.dtype,
        reasoning_budget=settings.reasoning_budget,
    )


def _look(settings: MLXSettings) -> None:
    from voicegen.chat.tools import load_tools
    from voicegen.model_files import find_model

    load_tools(settings.tools)
    find_model(settings.model, revision=settings.revision)


def _open(name: str) -> ChatModel:
    with put_off("torch"):
        from voicegen.chat.mlx.chat_model import MLXChatModel

    return MLXChatModel.load(name)


SPEC: Final = ChatBackend(
    settings=MLXSettings,
    owns=lambda _name: True,  # a folder, a file, a starter model, a repository: what it is shows when it is looked for
    models=("smollm2-135m-instruct", "mlx-community/gpt-oss-20b-MXFP4-Q8"),
    needs=("mlx.core", "mlx_lm"),
    install="`uv sync`, or on Linux `pip install 'mlx[cpu]' mlx-lm`",
    look=_look,
    answer_model=_batch,
    chat_model=_chat_model,
    batch=_batch,
    open=_open,
)
