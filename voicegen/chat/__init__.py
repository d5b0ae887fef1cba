"""Chat: sessions, templates, output parsing, tools, and the models behind them.

Public names load on first use, so that importing this package loads no model library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicegen.chat.conversation.session import ChatSession
    from voicegen.chat.messages import Message, Role, ToolCall
    from voicegen.chat.tools import ToolRegistry

_HOMES = {
    "ChatSession": "voicegen.chat.conversation.session",
    "Message": "voicegen.chat.messages",
    "Role": "voicegen.chat.messages",
    "ToolCall": "voicegen.chat.messages",
    "ToolRegistry": "voicegen.chat.tools",
}

__all__ = ["ChatSession", "Message", "Role", "ToolCall", "ToolRegistry"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
