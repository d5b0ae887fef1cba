"""Text to speech: models behind one protocol, long texts, voices, and the Python client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

if TYPE_CHECKING:
    from voicegen.tts.client import MarvisTTSClient, TTSConfig, batch_synthesize
    from voicegen.tts.voices import VoicePrompt

__all__ = ["MarvisTTSClient", "TTSConfig", "VoicePrompt", "batch_synthesize"]

__getattr__ = lazily(
    __name__,
    {
        "MarvisTTSClient": "voicegen.tts.client",
        "TTSConfig": "voicegen.tts.client",
        "VoicePrompt": "voicegen.tts.voices",
        "batch_synthesize": "voicegen.tts.client",
    },
)
