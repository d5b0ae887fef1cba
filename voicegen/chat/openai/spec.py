"""Servers with an OpenAI-compatible API as a chat backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from voicegen.backend import ChatBackend
from voicegen.protocols import AnswerModel, ChatModel
from voicegen.servers.name import is_server, server_settings
from voicegen.settings import NOT_IDENTITY, GeneratingSettings, ServerSettings

if TYPE_CHECKING:
    from voicegen.chat.openai.server import Server


class OpenAISettings(GeneratingSettings, ServerSettings):
    """A chat model behind an OpenAI-compatible server."""

    kind: Literal["openai"]
    starts_in_reasoning: bool | None = Field(json_schema_extra=NOT_IDENTITY)


def _answer_model(settings: OpenAISettings) -> AnswerModel:
    from voicegen.chat.openai.answer_model import OpenAIAnswerModel
    from voicegen.chat.tools import load_tools

    return OpenAIAnswerModel(
        _server(settings),
        settings.options,
        settings.system_prompt,
        concurrency=settings.concurrency,
        reasoning_budget=settings.reasoning_budget,
        tools=load_tools(settings.tools),
    )


def _chat_model(settings: OpenAISettings) -> ChatModel:
    from voicegen.chat.openai.chat_model import OpenAIChatModel

    return OpenAIChatModel(_server(settings))


def _look(settings: OpenAISettings) -> None:
    from voicegen.chat.tools import load_tools

    _server(settings)
    load_tools(settings.tools)


def _server(settings: OpenAISettings) -> Server:
    from voicegen.chat.openai.server import Server

    return Server(**settings.where, starts_in_reasoning=settings.starts_in_reasoning)


def _open(name: str) -> ChatModel:
    """The model that `URL#MODEL` names, with the key in OPENAI_API_KEY if the server wants one."""
    from voicegen.chat.openai.chat_model import OpenAIChatModel
    from voicegen.chat.openai.server import Server

    named = server_settings(name)
    return OpenAIChatModel(Server(named["model"], named["base_url"]))


SPEC: Final = ChatBackend(
    settings=OpenAISettings,
    owns=is_server,
    settings_of=server_settings,
    needs=("openai",),
    install="`uv sync`, or `pip install openai`",
    look=_look,
    answer_model=_answer_model,
    chat_model=_chat_model,
    open=_open,
)
