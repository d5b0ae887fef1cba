"""Messages of a conversation in the two forms that leave the process: chat-completions dicts and JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from voicegen.errors import InputError
from voicegen.reading.calls import call_arguments
from voicegen.records import Message, Passage, Role, ToolCall

__all__ = ["Message", "Role", "ToolCall", "message_from_dict", "message_to_dict"]


def message_to_dict(message: Message) -> dict[str, Any]:
    """A message as a plain dict in the style of chat completions; what is empty is left out."""
    entry: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.reasoning is not None:
        entry["reasoning"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": dict(call.arguments)} for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        entry["name"] = message.name
    if message.passages:
        entry["passages"] = [asdict(passage) for passage in message.passages]
    return entry


def message_from_dict(entry: Mapping[str, Any]) -> Message:
    """The message that `message_to_dict` wrote.

    Raises:
        InputError: the role is unknown or a field has the wrong type.
    """
    try:
        calls = tuple(
            ToolCall(name=call["name"], arguments=call_arguments(call["arguments"]), id=call.get("id", ""))
            for call in entry.get("tool_calls", ())
        )
        return Message(
            role=Role(entry["role"]),
            content=_text(entry["content"]),
            reasoning=entry.get("reasoning"),
            tool_calls=calls,
            tool_call_id=entry.get("tool_call_id"),
            name=entry.get("name"),
            passages=tuple(Passage(**passage) for passage in entry.get("passages", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"Not a chat message: {dict(entry)!r:.200} ({error!r}).") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"content is {type(value).__name__}, not text")
    return value
