"""Piper as a speech backend: any of its voices, and the starter's from a wheel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from voicegen.backend import SpeechBackend
from voicegen.bounds import Positive
from voicegen.files import from_home
from voicegen.model_files import ALIASES, STARTER_WHEELS
from voicegen.protocols import SpeechModel
from voicegen.settings import NOT_IDENTITY, ModelName, SpeakingSettings, VoiceConfig

STARTER_VOICE: Final = "en_US-joe-medium"


class PiperSettings(SpeakingSettings):
    """A Piper voice."""

    kind: Literal["piper"]
    model: ModelName
    revision: str | None
    workers: Positive = Field(json_schema_extra=NOT_IDENTITY)


def _speech_model(settings: PiperSettings, voices: VoiceConfig) -> SpeechModel:
    from voicegen.tts.piper.voice import PiperSpeech

    model = PiperSpeech.load(
        settings.model,
        revision=settings.revision,
        language=settings.language,
        threads=settings.workers,
    )
    model.check_voices(voices.speaking)
    return model


def _look(settings: PiperSettings, voices: VoiceConfig) -> None:
    from voicegen.tts.piper.voice import look

    look(settings.model, settings.revision, settings.language, voices.speaking)


def _open(name: str, _device: str, _prompts: Mapping[str, Any]) -> SpeechModel:
    from voicegen.tts.piper.voice import PiperSpeech

    return PiperSpeech.load(name)


def _owns(name: str) -> bool:
    """Whether it is an .onnx file, a folder that holds one, or a starter voice."""
    wheel = STARTER_WHEELS.get(ALIASES.get(name.lower(), name))
    if wheel is not None:
        return wheel.file.endswith(".onnx")
    path = Path(from_home(name))
    return name.endswith(".onnx") or (path.is_dir() and any(path.glob("*.onnx")))


SPEC: Final = SpeechBackend(
    settings=PiperSettings,
    owns=_owns,
    models=(STARTER_VOICE,),
    needs=("piper", "onnxruntime", "onnx"),
    install="`uv sync --group starter`, or `pip install 'voicegen[piper]'`",
    look=_look,
    speech_model=_speech_model,
    open=_open,
)
