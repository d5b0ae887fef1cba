"""The composition root: from a `kind` in the settings to the object that does it.

A factory imports its adapter only when called, so nothing heavy is loaded that the settings do not name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from voicegen.config import (
    JobConfig,
    MarvisConfig,
    MLXChatConfig,
    OpenAIChatConfig,
    PiperConfig,
    ToneConfig,
)
from voicegen.errors import MissingDependency
from voicegen.protocols import AnswerModel, ChatModel, GenerationOptions, SpeechModel

if TYPE_CHECKING:
    from voicegen.chat.openai.server import Server


@dataclass(frozen=True, slots=True)
class Backend:
    """How to make the backend that a `kind` names.

    Attributes:
        make: from the whole job's settings.
        needs: modules that must be importable.
        install: the command that installs them.
    """

    make: Callable[[JobConfig], Any]
    needs: tuple[str, ...] = ()
    install: str = ""


def answer_model(config: JobConfig) -> AnswerModel:
    """The chat model that the settings name; ready answers where the input has them.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: the model cannot be found or loaded.
    """
    if config.questions.answer_column is not None:
        from voicegen.chat.ready import ReadyAnswers

        return ReadyAnswers(config.questions.answer_column)
    model: AnswerModel = _make(_CHAT, config.chat.kind, config)
    return model


def chat_model(config: JobConfig) -> ChatModel:
    """The chat model that the settings name, for one conversation.

    Raises:
        ModelError: it cannot be found or loaded.
    """
    chat = config.chat
    if isinstance(chat, MLXChatConfig):
        from voicegen.chat.mlx.chat_model import MLXChatModel

        return MLXChatModel.load(chat.model, revision=chat.revision, reasoning_budget=chat.reasoning_budget)
    if isinstance(chat, OpenAIChatConfig):
        from voicegen.chat.openai.chat_model import OpenAIChatModel

        return OpenAIChatModel(_server(chat))
    from voicegen.chat.echo import EchoChatModel

    return EchoChatModel()


def generation_options(config: JobConfig) -> dict[str, Any]:
    """The settings that decide how answers are generated, by the names that `GenerationOptions` has for them."""
    chat = config.chat.model_dump()
    return {field.name: chat[field.name] for field in fields(GenerationOptions) if field.name in chat}


def speech_model(config: JobConfig) -> SpeechModel:
    """The speech model that the settings name, at the rate and speed they name, for texts of any length.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: the model cannot be found or loaded.
    """
    from voicegen.tts.adjusted import AdjustedSpeech
    from voicegen.tts.long_text import LongTextSpeech

    model: SpeechModel = _make(_SPEECH, config.tts.kind, config)
    return AdjustedSpeech.around(LongTextSpeech(model, config.tts.max_chars), config.tts)


def _mlx(config: JobConfig) -> AnswerModel:
    from voicegen.chat.mlx.answer_model import MLXAnswerModel

    chat = config.chat
    assert isinstance(chat, MLXChatConfig)
    return MLXAnswerModel.load(
        chat.model,
        revision=chat.revision,
        system_prompt=chat.system_prompt,
        options=GenerationOptions(**generation_options(config)),
        reasoning_budget=chat.reasoning_budget,
        tools=chat.tools,
        batch_size=chat.batch_size,
        kv_budget=chat.kv_budget,
    )


def _openai(config: JobConfig) -> AnswerModel:
    from voicegen.chat.openai.answer_model import OpenAIAnswerModel
    from voicegen.chat.tools import load_tools

    chat = config.chat
    assert isinstance(chat, OpenAIChatConfig)
    return OpenAIAnswerModel(
        _server(chat),
        GenerationOptions(**generation_options(config)),
        chat.system_prompt,
        concurrency=chat.concurrency,
        reasoning_budget=chat.reasoning_budget,
        tools=load_tools(chat.tools),
    )


def _echo(_config: JobConfig) -> AnswerModel:
    from voicegen.chat.echo import EchoAnswerModel

    return EchoAnswerModel()


def _piper(config: JobConfig) -> SpeechModel:
    from voicegen.tts.piper import PiperSpeech

    tts = config.tts
    assert isinstance(tts, PiperConfig)
    model = PiperSpeech.load(
        tts.model, revision=tts.revision, language=tts.language, speed=tts.speed, threads=tts.workers
    )
    model.check_voices(config.voice.speaking)
    return model


def _marvis(config: JobConfig) -> SpeechModel:
    from voicegen.tts.marvis.backend import MarvisSpeech

    tts = config.tts
    assert isinstance(tts, MarvisConfig)
    return MarvisSpeech.load(tts, config.voice)


def _tone(config: JobConfig) -> SpeechModel:
    from voicegen.tts.tone import ToneSpeech

    tts = config.tts
    assert isinstance(tts, ToneConfig)
    return ToneSpeech(duration=tts.duration)


def _server(chat: OpenAIChatConfig) -> Server:
    from voicegen.chat.openai.server import Server

    return Server(
        chat.model,
        chat.base_url,
        chat.api_key_env,
        chat.timeout,
        chat.retries,
        starts_in_reasoning=chat.starts_in_reasoning,
    )


_CHAT: Mapping[str, Backend] = MappingProxyType(
    {
        "mlx": Backend(_mlx, ("mlx.core", "mlx_lm"), "on Linux run `uv sync`, or `pip install 'mlx[cpu]' mlx-lm`"),
        "openai": Backend(_openai),
        "echo": Backend(_echo),
    }
)
_SPEECH: Mapping[str, Backend] = MappingProxyType(
    {"piper": Backend(_piper), "marvis": Backend(_marvis), "tone": Backend(_tone)}
)


def _make(backends: Mapping[str, Backend], kind: str, config: JobConfig) -> Any:
    backend = backends[kind]
    for module in backend.needs:
        if find_spec(module) is None:
            raise MissingDependency(f"kind: {kind} needs the package {module}: {backend.install}")
    return backend.make(config)
