"""The voice chat: turns that are answered in writing and aloud.

`VoiceChatPipeline` loads on first use, so that importing this package loads no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

if TYPE_CHECKING:
    from voicegen.voicechat.pipeline import VoiceChatPipeline

__all__ = ["VoiceChatPipeline"]

__getattr__ = lazily(__name__, {"VoiceChatPipeline": "voicegen.voicechat.pipeline"})
