"""The speech backends: what a speech model's settings or name may mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from voicegen.backend import Backends, SpeechBackend
from voicegen.protocols import SpeechModel
from voicegen.tts import tone
from voicegen.tts.kokoro import spec as kokoro
from voicegen.tts.marvis import spec as marvis
from voicegen.tts.openai import spec as openai
from voicegen.tts.piper import spec as piper

SPEECH: Final[Backends[SpeechBackend[Any]]] = Backends(openai.SPEC, kokoro.SPEC, piper.SPEC, tone.SPEC, marvis.SPEC)


def open_speech_model(name: str, device: str = "auto", prompts: Mapping[str, Any] | None = None) -> SpeechModel:
    """Loads the speech model of that name, whichever backend it belongs to.

    Args:
        name: a folder, a file, a starter voice or `org/repository` on the hub.
        device: `auto`, `cuda`, `mps` or `cpu`, for a backend that has the choice.
        prompts: voices of one's own by name, for a backend that copies voices.

    Raises:
        ModelError: it cannot be found or loaded.
        MissingDependency: a package is not installed; says how to install it.
    """
    return SPEECH.owner(name).ready().open(name, device, prompts or {})
