"""The models of a chat: from the settings, and from the bare names that the library takes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, cast

from voicegen.config import JobConfig, MLXChatConfig, OpenAIChatConfig
from voicegen.model_files import ALIASES, STARTER_WHEELS
from voicegen.protocols import ChatModel, GenerationOptions


def chat_model(config: JobConfig) -> ChatModel:
    """The chat model that the settings name, for one conversation.

    Raises:
        ModelError: it cannot be found or loaded.
    """
    chat = config.chat
    if isinstance(chat, MLXChatConfig):
        from voicegen.chat.mlx.chat_model import MLXChatModel

        return cast(
            ChatModel, MLXChatModel.load(chat.model, revision=chat.revision, reasoning_budget=chat.reasoning_budget)
        )
    if isinstance(chat, OpenAIChatConfig):
        from voicegen.chat.openai import OpenAIChatModel
        from voicegen.chat.server import Server

        server = Server(chat.model, chat.base_url, chat.api_key_env, chat.timeout, chat.retries)
        return cast(ChatModel, OpenAIChatModel(server))
    from voicegen.voicechat.echo import EchoChatModel

    return EchoChatModel()


def generation_options(config: JobConfig) -> dict[str, Any]:
    """The settings that decide how answers are generated, by the names that `ChatSession` has for them."""
    chat = config.chat.model_dump()
    return {field.name: chat[field.name] for field in fields(GenerationOptions) if field.name in chat}


def speech_kind(model: str) -> Literal["piper", "marvis"]:
    """Which backend speaks with `model`: Piper's voices are .onnx files, a Marvis checkpoint has none."""
    folder = Path(model).expanduser()
    is_voice = model.endswith(".onnx") or (folder.is_dir() and any(folder.glob("*.onnx")))
    starter = STARTER_WHEELS.get(ALIASES.get(model.lower(), model))
    return "piper" if is_voice or (starter is not None and starter.file.endswith(".onnx")) else "marvis"
