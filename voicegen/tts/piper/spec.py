"""Piper as a speech backend: any of its voices, and the starter's from a wheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from voicegen.backend import SpeechBackend, Voice
from voicegen.files import from_home
from voicegen.model_files import ALIASES, MODEL_WHEELS
from voicegen.protocols import SpeechModel
from voicegen.settings import VoiceConfig
from voicegen.tts.threads import ThreadedSettings

STARTER_VOICE: Final = "en_US-joe-medium"


class PiperSettings(ThreadedSettings):
    """A Piper voice."""

    kind: Literal["piper"]


def _speech_model(settings: PiperSettings, _voices: VoiceConfig) -> SpeechModel:
    from voicegen.tts.piper.speech import PiperSpeech

    return PiperSpeech.load(**settings.to_load)


def _look(settings: PiperSettings, voices: VoiceConfig) -> None:
    from voicegen.tts.piper.speech import look

    look(settings.model, settings.revision, settings.language, voices.all_speaking)


def _voices(settings: PiperSettings, _voices: VoiceConfig) -> Sequence[Voice]:
    from voicegen.tts.piper.speech import voices_of

    return voices_of(settings.model, settings.revision)


def _open(name: str, _device: str, _prompts: Mapping[str, Any]) -> SpeechModel:
    from voicegen.tts.piper.speech import PiperSpeech

    return PiperSpeech.load(name)


def _owns(name: str) -> bool:
    """Whether it is an .onnx file, a folder that holds one, or a starter voice."""
    wheel = MODEL_WHEELS.get(ALIASES.get(name.lower(), name))
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
    voices=_voices,
    speech_model=_speech_model,
    open=_open,
)
