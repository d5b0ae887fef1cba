"""Messages as the dicts that chat templates take. Knows the shapes that templates expect, and no tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from voicegen.records import Message, Role, ToolCall

Conversation = list[dict[str, Any]]


def plain_conversation(messages: Sequence[Message], takes_system: bool) -> Conversation:
    """The dicts of Hugging Face's templates; for a template without a system role its text leads the first question."""
    if not takes_system:
        messages = _system_into_user(messages)
    return [_plain_entry(message) for message in messages]


def harmony_conversation(messages: Sequence[Message]) -> Conversation:
    """The dicts of gpt-oss' template: one system message, one call a message with its result after it, `thinking`."""
    system, rest = _system_and_rest(messages)
    entries: Conversation = [{"role": "system", "content": system}] if system else []
    return entries + [_harmony_entry(message) for message in one_call_a_message(rest)]


def one_call_a_message(messages: Sequence[Message]) -> list[Message]:
    """Each call in a message of its own, its result after it."""
    parted: list[Message] = []
    rest = list(messages)
    while rest:
        message = rest.pop(0)
        results: list[Message] = []
        while message.tool_calls and rest and rest[0].role is Role.TOOL:
            results.append(rest.pop(0))
        for place, call in enumerate(message.tool_calls):
            parted.append(replace(message if place == 0 else Message(message.role, ""), tool_calls=(call,)))
            result = next((found for found in results if found.tool_call_id in (call.id, None)), None)
            if result is not None:
                results.remove(result)
                parted.append(result)
        parted += results if message.tool_calls else [message]
    return parted


def with_tools_in_system(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], markers: tuple[str, str]
) -> list[Message]:
    """Describes the tools in the system message, for a template that can't (the convention of Hermes and Qwen)."""
    listed = "\n".join(json.dumps(dict(tool), ensure_ascii=False) for tool in tools)
    note = (
        f"You may call these functions:\n<tools>\n{listed}\n</tools>\n"
        f'To call one, write {markers[0]}{{"name": ..., "arguments": {{...}}}}{markers[1]}.'
    )
    if messages[0].role is Role.SYSTEM:
        return [replace(messages[0], content=f"{messages[0].content}\n\n{note}"), *messages[1:]]
    return [Message(Role.SYSTEM, note), *messages]


def _plain_entry(message: Message) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.reasoning is not None:
        entry["reasoning_content"] = message.reasoning
    if message.tool_calls:
        entry["tool_calls"] = [_call_entry(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        entry["name"] = message.name
    return entry


def _harmony_entry(message: Message) -> dict[str, Any]:
    """What is said with a call is part of the reasoning before it."""
    if not message.tool_calls:
        return {"role": message.role.value, "content": message.content}
    calls = [_call_entry(call) for call in message.tool_calls]
    thinking = "\n".join(part for part in (message.reasoning, message.content) if part)
    return {"role": "assistant", "content": "", "tool_calls": calls} | ({"thinking": thinking} if thinking else {})


def _call_entry(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": dict(call.arguments)}}


def _system_and_rest(messages: Sequence[Message]) -> tuple[str, list[Message]]:
    system = "\n\n".join(message.content for message in messages if message.role is Role.SYSTEM)
    rest = [message for message in messages if message.role is not Role.SYSTEM]
    return system, rest


def _system_into_user(messages: Sequence[Message]) -> list[Message]:
    system, rest = _system_and_rest(messages)
    first = next((place for place, message in enumerate(rest) if message.role is Role.USER), None)
    if not system or first is None:
        return rest
    rest[first] = replace(rest[first], content=f"{system}\n\n{rest[first].content}")
    return rest
