"""Replies of chat completions, whole or streamed, sorted into answer, reasoning and tool calls.

Servers differ: reasoning comes as `reasoning_content` (llama.cpp, older vLLM), as `reasoning` (vLLM, mlx_lm.server,
Ollama), as `<think>` or as raw harmony in the content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicegen.chat.messages import call_arguments, read_json
from voicegen.chat.parsing import TextParser
from voicegen.chat.server import RequestRefused, TryAgain, error_of
from voicegen.protocols import Delta
from voicegen.records import FinishReason, Message, Role, ToolCall

_MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading a reply of another shape raises."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a server, its reasoning apart."""

    text: str
    reasoning: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def cut_in_reasoning(self) -> bool:
        """Whether the budget ended before an answer began."""
        return self.finish_reason == "length" and not self.text and not self.tool_calls

    @property
    def message(self) -> Message:
        """The reply as a message of the conversation."""
        return Message(Role.ASSISTANT, self.text, reasoning=self.reasoning, tool_calls=self.tool_calls)


def parse_completion(text: str) -> Completion:
    """Reads the body of a reply.

    Raises:
        TryAgain: it is no reply: no JSON, or no choice in it.
        RequestRefused: the server's content filter stopped it.
    """
    reply = _json_object(text)
    try:
        return _completion(reply)
    except _MISSHAPEN as error:
        raise TryAgain(f"the server's reply has no answer in it: {text[:200]!r}") from error


def _completion(reply: Mapping[str, Any]) -> Completion:
    choice = reply["choices"][0]
    message = choice["message"]
    parser = TextParser()
    parser.feed(_content_text(message.get("content")))
    parser.finish()
    calls = [_structured_call(entry) for entry in message.get("tool_calls") or ()]
    usage = reply.get("usage") or {}
    return Completion(
        text=parser.answer.strip(),
        reasoning=_field_reasoning(message) or parser.reasoning,
        tool_calls=tuple(_with_ids([*calls, *parser.tool_calls])),
        finish_reason=_finish_reason(choice.get("finish_reason")),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
    )


@dataclass(slots=True)
class StreamedReply:
    """A reply that comes as server-sent events: feed it each `data:` payload."""

    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _events: int = 0
    _parser: TextParser = field(default_factory=TextParser)
    _calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def feed(self, payload: str) -> list[Delta]:
        """What one payload adds.

        Raises:
            TryAgain: the payload is no JSON or tells of an error.
            RequestRefused: the server's content filter stopped the answer.
        """
        event = _json_object(payload)
        if event.get("error"):
            raise TryAgain(f"the server stopped with an error: {error_of(payload)[0]}")
        try:
            return self._read(event)
        except _MISSHAPEN as error:
            raise TryAgain(f"the server sent what is no piece of an answer: {payload[:200]!r}") from error

    def finish(self) -> list[Delta]:
        """The stream is over: what was held, and the tool calls."""
        deltas = self._parser.finish()
        calls = [_structured_call({"id": call["id"], "function": call}) for _, call in sorted(self._calls.items())]
        if not self.completion_tokens:
            self.completion_tokens = self._events  # a server that tells no usage sends about one token an event
        return deltas + [Delta(tool_call=call) for call in _with_ids(calls)]

    def _read(self, event: Mapping[str, Any]) -> list[Delta]:
        usage = event.get("usage") or {}
        self.prompt_tokens = int(usage.get("prompt_tokens") or self.prompt_tokens)
        self.completion_tokens = int(usage.get("completion_tokens") or self.completion_tokens)
        choices = event.get("choices") or []
        if not choices:
            return []
        if choices[0].get("finish_reason"):
            self.finish_reason = _finish_reason(choices[0]["finish_reason"])
        return self._deltas(choices[0].get("delta") or {})

    def _deltas(self, delta: Mapping[str, Any]) -> list[Delta]:
        found: list[Delta] = []
        reasoning, text = _field_reasoning(delta), _content_text(delta.get("content"))
        if reasoning:
            found.append(Delta(text=reasoning, channel="reasoning"))
        if text:
            found += self._parser.feed(text)
        self._events += bool(reasoning or text)
        for place, entry in enumerate(delta.get("tool_calls") or ()):
            self._add_call_piece(entry, place)
        return found

    def _add_call_piece(self, entry: Mapping[str, Any], place: int) -> None:
        index = entry.get("index")
        call = self._calls.setdefault(place if index is None else int(index), {"id": "", "name": "", "arguments": ""})
        function = entry.get("function") or {}
        call["id"] = entry.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        call["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError as error:
        raise TryAgain(f"the server's reply is no JSON: {text[:200]!r}") from error
    if not isinstance(value, dict):
        raise TryAgain(f"the server's reply is no JSON object: {text[:200]!r}")
    return value


def _content_text(content: Any) -> str:
    """Content is text, nothing, or a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _field_reasoning(message: Mapping[str, Any]) -> str | None:
    for key in ("reasoning_content", "reasoning"):
        if isinstance(message.get(key), str) and message[key]:
            return str(message[key])
    return None


def _structured_call(entry: Mapping[str, Any]) -> ToolCall:
    function = entry.get("function") or {}
    return ToolCall(str(function.get("name") or ""), call_arguments(function.get("arguments")), entry.get("id") or "")


def _with_ids(calls: Sequence[ToolCall]) -> list[ToolCall]:
    return [
        call if call.id else ToolCall(call.name, call.arguments, f"call_{place}") for place, call in enumerate(calls)
    ]


def _finish_reason(reason: Any) -> FinishReason:
    if reason == "content_filter":
        raise RequestRefused("the server's content filter stopped the answer")
    return "length" if reason == "length" else "stop"
