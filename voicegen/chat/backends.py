"""The chat backends: what a chat model's settings or name may mean."""

from __future__ import annotations

from typing import Any, Final

from voicegen.backend import Backends, ChatBackend
from voicegen.chat import echo
from voicegen.chat.mlx import spec as mlx
from voicegen.chat.openai import spec as openai
from voicegen.protocols import ChatModel

CHAT: Final[Backends[ChatBackend[Any]]] = Backends(openai.SPEC, echo.SPEC, mlx.SPEC)


def open_chat_model(name: str) -> ChatModel:
    """Loads the chat model of that name, whichever backend it belongs to.

    Raises:
        ConfigError: it names a server, and none of its models.
        ModelError: it cannot be found or loaded.
        MissingDependency: a package is not installed; says how to install it.
    """
    return CHAT.owner(name).ready().open(name)
