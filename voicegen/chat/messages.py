"""Messages of a conversation in the two forms that leave the process: chat-completions dicts and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from voicegen.errors import InputError
from voicegen.records import Message, Role, ToolCall

__all__ = [
    "Message",
    "Role",
    "ToolCall",
    "call_arguments",
    "malformed_text",
    "message_from_dict",
    "message_to_dict",
    "read_json",
    "well_formed",
]

_MALFORMED = "_malformed_arguments"
_DEEPEST = 100  # levels of JSON: beyond any schema, and within what every writer of JSON can take again
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def well_formed(text: str) -> str:
    """`text` with U+FFFD for every lone surrogate, which stands for a byte that was no UTF-8 and cannot be encoded."""
    return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def read_json(text: str) -> Any:
    """The value of JSON that a model or a server wrote, its texts `well_formed`.

    Raises:
        ValueError: it is no JSON, or nests deeper than any that has a meaning.
    """
    try:
        value = json.loads(text)
        if _nests_below(value, _DEEPEST):
            raise ValueError(f"more than {_DEEPEST} levels deep")
        escapes = "\\ud" in text.lower()  # how JSON spells a lone surrogate, or a pair
        return json.loads(well_formed(json.dumps(value, ensure_ascii=False))) if escapes else value
    except RecursionError as error:
        raise ValueError("far too many levels deep") from error


def _nests_below(value: Any, levels: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_nests_below(part, levels - 1) for part in inside)


def call_arguments(text: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The arguments of a tool call as a mapping, from the JSON that a model wrote.

    What is not a JSON object is kept as it is, under a key of its own, so that the tool loop can show the model its
    mistake; `malformed_text` reads it back.
    """
    if isinstance(text, Mapping):
        return text if _is_finite(text) else {_MALFORMED: json.dumps(dict(text), default=str)}
    if not text or not text.strip():
        return {}
    try:
        value = read_json(text)
    except ValueError:
        return {_MALFORMED: text}
    return value if isinstance(value, dict) and _is_finite(value) else {_MALFORMED: text}


def _is_finite(value: Mapping[str, Any]) -> bool:
    """Whether no number in it is NaN or infinite, which Python reads and writes, but which are no JSON."""
    try:
        json.dumps(dict(value), allow_nan=False, default=str)
    except ValueError:
        return False
    return True


def malformed_text(arguments: Mapping[str, Any]) -> str | None:
    """What the model wrote in place of a JSON object, or None when the arguments were one."""
    text = arguments.get(_MALFORMED)
    return text if isinstance(text, str) else None


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
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"Not a chat message: {dict(entry)!r:.200} ({error!r}).") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"content is {type(value).__name__}, not text")
    return value
