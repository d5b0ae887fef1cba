"""Marvis TTS (the CSM architecture), batched.

from voicegen.tts.marvis import Marvis, SpeechRequest, VoicePrompt
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicegen.tts.marvis.engine import Marvis
    from voicegen.tts.marvis.requests import SpeechRequest
    from voicegen.tts.voices import VoicePrompt

__all__ = ["Marvis", "SpeechRequest", "VoicePrompt"]

_PLACES = {
    "Marvis": "voicegen.tts.marvis.engine",
    "SpeechRequest": "voicegen.tts.marvis.requests",
    "VoicePrompt": "voicegen.tts.voices",
}


def __getattr__(name: str) -> Any:
    """Imports torch only when the engine is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
