"""Chat: sessions, templates, output parsing, tools, and the models behind them.

Public names load on first use, so that importing this package loads no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

if TYPE_CHECKING:
    from voicegen.chat.conversation.session import ChatSession
    from voicegen.chat.messages import Message, Role, ToolCall
    from voicegen.chat.tools import ToolRegistry

__all__ = ["ChatSession", "Message", "Role", "ToolCall", "ToolRegistry"]

__getattr__ = lazily(
    __name__,
    {
        "ChatSession": "voicegen.chat.conversation.session",
        "Message": "voicegen.chat.messages",
        "Role": "voicegen.chat.messages",
        "ToolCall": "voicegen.chat.messages",
        "ToolRegistry": "voicegen.chat.tools",
    },
)
