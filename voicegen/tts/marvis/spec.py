"""Marvis as a speech backend: a folder or a repository with a checkpoint of the CSM architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from voicegen.backend import SpeechBackend, Voice
from voicegen.bounds import Positive, Temperature
from voicegen.protocols import SpeechModel
from voicegen.settings import NOT_IDENTITY, ModelName, SpeakingSettings, VoiceConfig, identity_unless

DEFAULT_MODEL: Final = "Marvis-AI/marvis-tts-100m-v0.2"


class MarvisSettings(SpeakingSettings):
    """Marvis TTS."""

    kind: Literal["marvis"]
    model: ModelName
    revision: str | None
    codec: ModelName | None
    device: Literal["auto", "metal", "mlx", "cuda", "mps", "cpu"] = Field(json_schema_extra=NOT_IDENTITY)
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(json_schema_extra=NOT_IDENTITY)
    slots: Positive | Literal["auto"] = Field(json_schema_extra=NOT_IDENTITY)
    temperature: Temperature
    top_k: Positive
    codebooks: Literal[8, 16, 24, 32] | None
    max_frames: Positive
    exact: bool = Field(json_schema_extra=identity_unless(True))


def _speech_model(settings: MarvisSettings, voices: VoiceConfig) -> SpeechModel:
    from voicegen.tts.marvis.speech import MarvisSpeech

    return MarvisSpeech.load(settings, voices)


def _look(settings: MarvisSettings, voices: VoiceConfig) -> None:
    from voicegen.tts.marvis.speech import look

    look(settings, voices)


def _voices(settings: MarvisSettings, voices: VoiceConfig) -> Sequence[Voice]:
    from voicegen.tts.marvis.speech import voices_of

    return voices_of(settings, voices)


def _open(name: str, device: str, prompts: Mapping[str, Any]) -> SpeechModel:
    from voicegen.tts.marvis.speech import MarvisSpeech

    return MarvisSpeech.open(name, device=device, prompts=dict(prompts))


def _examine(name: str) -> Iterator[tuple[str, str]]:
    from voicegen.tts.marvis.examination import examine

    return examine(name)


SPEC: Final = SpeechBackend(
    settings=MarvisSettings,
    owns=lambda _name: True,  # a folder or a repository: what it is shows when it is looked for
    models=(DEFAULT_MODEL, "kyutai/mimi"),
    look=_look,
    voices=_voices,
    speech_model=_speech_model,
    open=_open,
    examine=_examine,
)
