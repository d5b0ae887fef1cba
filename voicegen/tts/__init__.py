"""Text to speech: models behind one protocol, long texts, voices, and the Python client."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicegen.tts.client import MarvisTTSClient, TTSConfig, batch_synthesize
    from voicegen.tts.voices import VoicePrompt

__all__ = ["MarvisTTSClient", "TTSConfig", "VoicePrompt", "batch_synthesize"]

_PLACES = {
    "MarvisTTSClient": "voicegen.tts.client",
    "TTSConfig": "voicegen.tts.client",
    "VoicePrompt": "voicegen.tts.voices",
    "batch_synthesize": "voicegen.tts.client",
}


def __getattr__(name: str) -> Any:
    """Imports a name's module when the name is first asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
