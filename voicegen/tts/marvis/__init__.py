"""Marvis TTS (the CSM architecture), batched.

from voicegen.tts.marvis import Marvis, SpeechRequest, VoicePrompt
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

if TYPE_CHECKING:
    from voicegen.tts.marvis.engine import Marvis
    from voicegen.tts.marvis.orders import SpeechRequest
    from voicegen.tts.voices import VoicePrompt

__all__ = ["Marvis", "SpeechRequest", "VoicePrompt"]

__getattr__ = lazily(
    __name__,
    {
        "Marvis": "voicegen.tts.marvis.engine",
        "SpeechRequest": "voicegen.tts.marvis.orders",
        "VoicePrompt": "voicegen.tts.voices",
    },
)
