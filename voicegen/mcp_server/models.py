"""The models of a server: one of each, however many runs and requests are under way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TypeVar

from voicegen import build
from voicegen.config import JobConfig
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.sharing.caller import Caller
from voicegen.sharing.chat import SharedChat
from voicegen.sharing.models import SharedSpeechModel

Shared = TypeVar("Shared", SharedChat, SharedSpeechModel)


class Models:
    """Shared models by the settings that make them; the server's own are made at once, others when a run has need.

    Args:
        own: the server's settings.
    """

    def __init__(self, own: JobConfig) -> None:
        self._lock = threading.Lock()
        self._chats: dict[str, SharedChat] = {}
        self._speaking: dict[str, SharedSpeechModel] = {}
        self._own = (_chat_key(own), _speaking_key(own))
        self.chat(own)
        self.speaking(own)

    def chat(self, config: JobConfig) -> SharedChat:
        """The chat model of these settings."""
        with self._lock:
            key = _chat_key(config)
            if key not in self._chats:
                self._chats[key] = build.shared_chat(config)
            return self._chats[key]

    def speaking(self, config: JobConfig) -> SharedSpeechModel:
        """The speech model of these settings."""
        with self._lock:
            key = _speaking_key(config)
            if key not in self._speaking:
                self._speaking[key] = SharedSpeechModel(lambda: build.speech_model(config))
            return self._speaking[key]

    def let_go(self) -> None:
        """Lets go of all but the server's own; for when no run is under way."""
        self._close(*self._own)

    def close(self) -> None:
        """Lets go of all."""
        self._close(None, None)

    def _close(self, chat: str | None, speaking: str | None) -> None:
        with self._lock:
            others: list[SharedChat | SharedSpeechModel] = [
                *_taken_out(self._chats, chat),
                *_taken_out(self._speaking, speaking),
            ]
        for model in others:
            model.close()


def _taken_out(models: dict[str, Shared], but: str | None) -> list[Shared]:
    return [models.pop(key) for key in tuple(models) if key != but]


def _chat_key(config: JobConfig) -> str:
    return config.chat.model_dump_json()


def _speaking_key(config: JobConfig) -> str:
    return config.tts.model_dump_json() + config.voice.model_dump_json(include={"prompts", "question"})


@dataclass(frozen=True, slots=True)
class ModelsOfCaller:
    """The `ModelMaker` of a run that shares a server's models."""

    models: Models
    caller: Caller

    def answer_model(self, config: JobConfig) -> AnswerModel | None:
        """What answers the run's questions; None where nobody is asked, ready answers where the input has them."""
        return self.models.chat(config).answering(self.caller) if config.asks else build.answer_model(config)

    def speech_model(self, config: JobConfig) -> SpeechModel:
        """What speaks in the run."""
        return self.models.speaking(config).of(self.caller)
