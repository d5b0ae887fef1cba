"""Tool calls as a model or a server wrote them: JSON that may be anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from voicegen.records import ToolCall
from voicegen.text.well_formed import well_formed

CALL: Final = ("<tool_call>", "</tool_call>")
"""What stands around a call in the form of Hermes and Qwen."""

_MALFORMED = "_malformed_arguments"
_DEEPEST = 100  # levels of JSON: beyond any schema, and within what every writer of JSON can take again


def read_json(text: str) -> Any:
    """The value of JSON that a model or a server wrote, its texts `well_formed`.

    Raises:
        ValueError: it is no JSON, or nests deeper than any that has a meaning.
    """
    try:
        return well_formed_json(json.loads(text))
    except RecursionError as error:
        raise ValueError("far too many levels deep") from error


def well_formed_json(value: Any) -> Any:
    """A value of JSON, its texts `well_formed`.

    Raises:
        ValueError: it nests deeper than any that has a meaning.
    """
    if _nests_below(value, _DEEPEST):
        raise ValueError(f"more than {_DEEPEST} levels deep")
    return json.loads(well_formed(json.dumps(value, ensure_ascii=False)))


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


def parse_json_calls(text: str) -> list[ToolCall]:
    """Calls written as `{"name": ..., "arguments": {...}}`, one object or a list (the form of Hermes and Qwen).

    What is no such JSON becomes a call without a name whose arguments keep the text, for the tool loop to refuse.
    """
    try:
        value = read_json(text)
    except ValueError:
        return [ToolCall(name="", arguments=call_arguments(text.strip() or "(nothing)"))]
    return [call_from_entry(entry) for entry in (value if isinstance(value, list) else [value])]


def call_from_entry(entry: Any) -> ToolCall:
    """One call from a parsed object with `name` and `arguments`."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return ToolCall(name="", arguments=call_arguments(json.dumps([entry])))
    arguments = entry.get("arguments", entry.get("parameters"))
    known = isinstance(arguments, str | dict) or arguments is None
    return ToolCall(name=entry["name"], arguments=call_arguments(arguments if known else json.dumps(arguments)))


def is_json(text: str) -> bool:
    """Whether `read_json` reads it."""
    try:
        read_json(text)
    except ValueError:
        return False
    return True
