"""The composition root: from a `kind` in the settings to the object that does it.

A factory imports its adapter only when called, so nothing heavy is loaded that the settings do not name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from voicegen.config import (
    JobConfig,
    LocalExecutorConfig,
)
from voicegen.errors import MissingDependency
from voicegen.pipeline.job import Executor
from voicegen.protocols import AnswerModel, SpeechModel


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


def executor(config: LocalExecutorConfig) -> Executor:
    """What runs the stages."""
    from voicegen.executors.local import LocalExecutor

    return LocalExecutor(config.queue_size)


def _make(backends: dict[str, Backend], kind: str, config: JobConfig) -> Any:
    backend = backends[kind]
    for module in backend.needs:
        if find_spec(module) is None:
            raise MissingDependency(f"kind: {kind} needs the package {module}: {backend.install}")
    return backend.make(config)
