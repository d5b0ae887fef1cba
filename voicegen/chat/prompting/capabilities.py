"""What a chat template can hold, found by rendering: what was put in must be in the prompt. Knows no tokenizer.

Templates refuse or silently drop what their authors did not think of; each is probed once, and gets what it can hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

from voicegen.chat.prompting.passages import document_entry
from voicegen.chat.prompting.prompt import Conversation, one_call_a_message, plain_conversation
from voicegen.errors import ModelError
from voicegen.records import Message, Role, ToolCall

_SYSTEM, _QUESTION, _RESULT, _VALUE, _TOOL = "voicegensys", "voicegenq", "voicegenres", "voicegenval", "voicegentool"
_ID_LENGTH = 9  # Mistral's templates take ids of nine letters and digits, and no others

PROBE_TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": _TOOL,
        "description": "Probes.",
        "parameters": {"type": "object", "properties": {"key": {"type": "string", "description": "Any."}}},
    },
}
_ASKED = Message(Role.USER, _QUESTION)
_CALLED = (
    _ASKED,
    Message(Role.ASSISTANT, "", tool_calls=tuple(ToolCall(_TOOL, {"key": _VALUE + n}, f"call_{n}") for n in "01")),
    *(Message(Role.TOOL, _RESULT + n, tool_call_id=f"call_{n}", name=_TOOL) for n in "01"),
)


@dataclass(frozen=True, slots=True)
class _CallShape:
    short_ids: bool = False
    string_arguments: bool = False
    one_at_a_time: bool = False  # Llama's templates take a single call a message


class Capabilities:
    """One template's limits, and conversations that keep to them."""

    def __init__(self, name: str, apply: Callable[..., str], knows_tools: bool, markers: tuple[str, str]) -> None:
        """Probes nothing yet.

        Args:
            name: the model's, for messages.
            apply: renders dicts of a conversation; raises whatever the template raises.
            knows_tools: whether the template takes tools.
            markers: what stands before and after a call that is written as text.
        """
        self._name = name
        self._apply = apply
        self._tools = {"tools": [dict(PROBE_TOOL)]} if knows_tools else {}
        self._markers = markers

    def conversation(self, messages: Sequence[Message]) -> Conversation:
        """The dicts of a conversation in a form that the template holds whole.

        Raises:
            ModelError: the template drops the user's question or what the tools gave in every form.
        """
        shape: _CallShape | None = _CallShape()
        if any(message.tool_calls or message.role is Role.TOOL for message in messages):
            shape = self._calls
        return self._shaped(messages, shape, self._takes_system, self._takes_lists)

    @cached_property
    def takes_two_in_a_row(self) -> bool:
        """Whether a user may have two messages, one after the other; many templates want roles to alternate."""
        two = [_ASKED, Message(Role.USER, _RESULT)]
        return self._kept(self._shaped(two, lists=self._takes_lists), _QUESTION, _RESULT) is True

    @cached_property
    def takes_documents(self) -> bool:
        """Whether the template quotes documents itself, in the way that its model was trained on."""
        conversation = self._shaped([_ASKED], lists=self._takes_lists)
        return self._kept(conversation, _QUESTION, _RESULT, documents=[document_entry(1, _SYSTEM, _RESULT)]) is True

    @cached_property
    def _takes_lists(self) -> bool:
        """Whether contents must be lists of parts, as templates of models that see want them."""
        found = [self._kept(self._shaped([_ASKED], lists=lists), _QUESTION) for lists in (False, True)]
        if True not in found and False in found:
            raise ModelError(f"The chat template of {self._name} leaves the user's question out: use another model.")
        return not found[0] and found[1] is True

    @cached_property
    def _takes_system(self) -> bool:
        messages = [Message(Role.SYSTEM, _SYSTEM), _ASKED]
        return self._kept(self._shaped(messages, lists=self._takes_lists), _SYSTEM, _QUESTION) is True

    @cached_property
    def _calls(self) -> _CallShape | None:
        """How calls and results are given; None: as text."""
        for changes in sorted(product((False, True), repeat=3), key=sum):
            shape = _CallShape(*changes)
            if self._keeps_calls(shape):
                return shape
        if self._keeps_calls(None) is not False:  # a template that refuses this too says why when it renders
            return None
        raise ModelError(f"The chat template of {self._name} cannot hold a tool's result: offer this model no tools.")

    def _keeps_calls(self, shape: _CallShape | None) -> bool | None:
        conversation = self._shaped(_CALLED, shape, lists=self._takes_lists)
        texts = (_QUESTION, *(text + n for text in (_VALUE, _RESULT) for n in "01"))
        return self._kept(conversation, *texts, **self._tools)

    def _kept(self, conversation: Conversation, *texts: str, **options: Any) -> bool | None:
        """Whether the prompt holds the texts; None where the template refuses the conversation."""
        try:
            prompt = self._apply(conversation, **options)
        except Exception:  # a template raises what it likes: jinja2's errors, or an error of its own renderer
            return None
        return all(text in prompt for text in texts)

    def _shaped(
        self,
        messages: Sequence[Message],
        shape: _CallShape | None = _CallShape(),
        takes_system: bool = True,
        lists: bool = False,
    ) -> Conversation:
        if shape is None:
            messages = _calls_as_text(messages, self._markers)
        else:
            messages = _with_short_ids(messages) if shape.short_ids else messages
            messages = one_call_a_message(messages) if shape.one_at_a_time else messages
        entries = plain_conversation(messages, takes_system)
        for entry in entries:
            if shape is not None and shape.string_arguments and entry.get("tool_calls"):
                _write_arguments(entry)
            if lists:
                entry["content"] = [{"type": "text", "text": entry["content"]}]
        return entries


def _write_arguments(entry: dict[str, Any]) -> None:
    for call in entry["tool_calls"]:
        function = call["function"]
        function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)


def _with_short_ids(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with ids of nine letters and digits; the first call is 000000000."""
    ids: dict[str, str] = {}

    def short(known: str) -> str:
        return ids.setdefault(known, f"{len(ids):0{_ID_LENGTH}d}")

    return [
        replace(
            message,
            tool_calls=tuple(replace(call, id=short(call.id)) for call in message.tool_calls),
            tool_call_id=None if message.tool_call_id is None else short(message.tool_call_id),
        )
        for message in messages
    ]


def _calls_as_text(messages: Sequence[Message], markers: tuple[str, str]) -> list[Message]:
    """Calls in the assistant's text and their results in one turn of the user, so that the roles still alternate."""
    written: list[Message] = []
    was_result = False
    for message in messages:
        if message.role is Role.TOOL:
            text = f"<tool_response>\n{message.content}\n</tool_response>"
            before = written.pop().content + "\n" if was_result else ""
            written.append(Message(Role.USER, before + text))
        elif message.tool_calls:
            entries = [{"name": call.name, "arguments": dict(call.arguments)} for call in message.tool_calls]
            calls = [markers[0] + json.dumps(entry, ensure_ascii=False) + markers[1] for entry in entries]
            content = "\n".join([*([message.content] if message.content else []), *calls])
            written.append(replace(message, content=content, tool_calls=()))
        else:
            written.append(message)
        was_result = message.role is Role.TOOL
    return written
