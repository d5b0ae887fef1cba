"""A conversation in one cell: a list of messages, each with its role and content (or from and value), or that as JSON.

The forms of chat datasets: OpenAI's `messages` and ShareGPT's `conversations`.
https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from voicegen.dataset.cells import CellError, excerpt, type_name
from voicegen.records import Message, Role

_ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        **dict.fromkeys(("user", "human", "prompter"), Role.USER),
        **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), Role.ASSISTANT),
        **dict.fromkeys(("system", "developer"), Role.SYSTEM),
    }
)


@dataclass(frozen=True, slots=True)
class GivenTurn:
    """What the user says until the assistant does, what that answers (None: nothing), and what was said before."""

    question: str
    answer: str | None
    history: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class GivenConversation:
    """The instructions above a conversation, where there are some, and its turns: one or more."""

    system: str | None
    turns: Sequence[GivenTurn]


def conversation_cell(value: Any) -> GivenConversation:
    """The conversation in `value`. What an assistant says before the user does is left out.

    Raises:
        CellError: It is missing or none, or has a part that is not text between the user and the assistant: a tool, a
            picture, instructions in its middle.
    """
    messages = [_message(number, message) for number, message in enumerate(_listed(value), 1)]
    begin = next((place for place, message in enumerate(messages) if message.role is Role.USER), None)
    if begin is None:
        raise CellError("has no message of the user")
    if any(message.role is Role.SYSTEM for message in messages[begin:]):
        raise CellError("has instructions of the system after the first question, which no row can keep")
    system = "\n\n".join(message.content for message in messages[:begin] if message.role is Role.SYSTEM)
    return GivenConversation(system or None, _turns(messages[begin:]))


def _turns(messages: Sequence[Message]) -> list[GivenTurn]:
    """Messages of one side that follow each other are said in one."""
    said: list[Message] = []
    for message in messages:
        if said and said[-1].role is message.role:
            message = Message(message.role, f"{said.pop().content}\n\n{message.content}")
        said.append(message)
    answers = [message.content for message in said[1::2]]
    return [
        GivenTurn(message.content, answers[turn] if turn < len(answers) else None, tuple(said[: 2 * turn]))
        for turn, message in enumerate(said[::2])
    ]


def _listed(value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise CellError(f"holds text ({excerpt(value)}), not a list of messages") from None
    if value is None:
        raise CellError("is empty")
    if not isinstance(value, list):
        raise CellError(f"holds {type_name(value)} ({excerpt(value)}), not a list of messages")
    return value


def _message(number: int, message: Any) -> Message:
    if not isinstance(message, Mapping):
        raise CellError(f"has a message ({number}) that is {type_name(message)}, not an object of role and content")
    name = message.get("role") or message.get("from")
    role = _ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise CellError(
            f"has a message ({number}) of {excerpt(name)}: only user, assistant and system are asked or said"
        )
    if message.get("tool_calls") or message.get("function_call"):
        raise CellError(f"has a message ({number}) that calls a tool, which is not spoken")
    content = message.get("content")
    return Message(role, _text(number, message.get("value") if content is None else content))


def _text(number: int, content: Any) -> str:
    """The content as text: it, or its parts of the type text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_part(number, part) for part in content)
    raise CellError(f"has a message ({number}) whose content is {type_name(content)}, not text")


def _part(number: int, part: Any) -> str:
    text = part.get("text") if isinstance(part, Mapping) else part
    if isinstance(part, Mapping) and part.get("type", "text") != "text":
        raise CellError(
            f"has a message ({number}) with a part of type {excerpt(part['type'])}: only text is asked or said"
        )
    if not isinstance(text, str):
        raise CellError(f"has a message ({number}) with a part that is {type_name(text)}, not text")
    return text
