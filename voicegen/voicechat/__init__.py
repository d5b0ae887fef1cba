"""The voice chat: turns that are answered in writing and aloud.

`VoiceChatPipeline` loads on first use, so that importing this package loads no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicegen.voicechat.pipeline import VoiceChatPipeline

__all__ = ["VoiceChatPipeline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from voicegen.voicechat.pipeline import VoiceChatPipeline

    return VoiceChatPipeline
