"""Servers with `/v1/audio/speech` as a speech backend: vLLM-Omni, SGLang-Omni, Kokoro-FastAPI, LocalAI, OpenAI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator

from voicegen.backend import SpeechBackend, Voice
from voicegen.bounds import Positive, SampleRate
from voicegen.errors import ConfigError
from voicegen.protocols import SpeechModel
from voicegen.servers.name import is_server, server_settings
from voicegen.settings import ServerSettings, SpeakingSettings, VoiceConfig


class OpenAISpeechSettings(SpeakingSettings, ServerSettings):
    """A speech model behind an OpenAI-compatible server."""

    kind: Literal["openai"]
    response_format: Literal["wav", "pcm"]
    pcm_rate: SampleRate
    max_tokens: Positive | None
    batch_size: Positive  # decides whether seeds are heeded
    extra: Annotated[Mapping[str, Any], BeforeValidator(lambda extra: extra or {})]


def _look(settings: OpenAISpeechSettings, voices: VoiceConfig) -> None:
    from voicegen.servers.endpoint import Endpoint
    from voicegen.tts.openai.speech import look

    if voices.all_prompts:
        raise ConfigError("voice.prompts is for models that copy voices here: a server's are named by voice.names")
    look(Endpoint(**settings.where, group="tts"), voices.all_speaking)


def _voices(settings: OpenAISpeechSettings, _voices: VoiceConfig) -> Sequence[Voice] | None:
    from voicegen.servers.endpoint import Endpoint
    from voicegen.tts.openai.speech import listed_voices

    listed = listed_voices(Endpoint(**settings.where, group="tts"))
    return None if listed is None else [Voice(name) for name in listed]


def _speech_model(settings: OpenAISpeechSettings, voices: VoiceConfig) -> SpeechModel:
    from voicegen.servers.endpoint import Endpoint
    from voicegen.tts.openai.speech import OpenAISpeech

    return OpenAISpeech.open(
        Endpoint(**settings.where, group="tts"),
        voice=next(iter(voices.names), None),
        response_format=settings.response_format,
        pcm_rate=settings.pcm_rate,
        max_tokens=settings.max_tokens,
        batch_size=settings.batch_size,
        concurrency=settings.concurrency,
        extra=settings.extra,
    )


def _open(name: str, _device: str, _prompts: Mapping[str, Any]) -> SpeechModel:
    """The model that `URL#MODEL` names, with the key in OPENAI_API_KEY if the server wants one."""
    from voicegen.servers.endpoint import Endpoint
    from voicegen.tts.openai.speech import OpenAISpeech

    named = server_settings(name)
    return OpenAISpeech.open(Endpoint(named["model"], named["base_url"], group="tts"))


SPEC: Final = SpeechBackend(
    settings=OpenAISpeechSettings,
    owns=is_server,
    settings_of=server_settings,
    needs=("openai",),
    install="`uv sync`, or `pip install openai`",
    look=_look,
    voices=_voices,
    speech_model=_speech_model,
    open=_open,
)
