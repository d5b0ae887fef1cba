"""Replies of chat completions, whole or streamed, sorted into answer, reasoning and tool calls.

Servers differ: reasoning comes as `reasoning_content` (llama.cpp, older vLLM), as `reasoning` (vLLM, mlx_lm.server,
Ollama), as `<think>` or another tag, or as raw harmony in the content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voicegen.chat.conversation.reply import Reply
from voicegen.reading.beginning import UNMARKED_REASONING, Beginning
from voicegen.reading.calls import call_arguments, read_json, well_formed_json
from voicegen.reading.parsing import TextParser
from voicegen.reading.stops import before_stop
from voicegen.records import Delta, FinishReason, ToolCall
from voicegen.servers.failures import RequestRefused, TryAgain

_MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What reading a reply of another shape raises."""

IN_DOUBT = (
    "the reply was cut before it had shown whether it is the answer or a reasoning before it: raise chat.max_tokens, "
    "or say with chat.starts_in_reasoning=false or =true which of the two this server's replies begin with"
)


_PROVED_REASONING = f"{UNMARKED_REASONING} Where it means such a marker as text, set chat.starts_in_reasoning=false."


@dataclass(frozen=True, slots=True)
class Completion(Reply):
    """A reply of a server, with what it shows of those to come.

    Attributes:
        began: what it has shown of how this server's replies begin.
        in_doubt: whether it was cut before it had shown whether its text, here in `reasoning`, is the answer.
    """

    began: Beginning = Beginning.UNKNOWN
    in_doubt: bool = False

    @property
    def ended_in_reasoning(self) -> bool:
        """Whether it ended, not cut, before an answer or a call."""
        return self.finish_reason == "stop" and bool(self.reasoning) and not self.text and not self.tool_calls

    def settled(self, begins: Beginning) -> Completion:
        """The reply that was in doubt, after another has shown how replies begin, if it has."""
        if begins is Beginning.ANSWER:
            return replace(self, text=self.reasoning or "", reasoning=None, in_doubt=False)
        return replace(self, in_doubt=begins is Beginning.UNKNOWN)

    def before(self, stops: Sequence[str]) -> Completion:
        """The reply up to the first of these strings in its answer."""
        text, found = before_stop(self.text, stops)
        return replace(self, text=text.strip(), tool_calls=(), finish_reason="stop") if found else self


def parse_completion(text: str, begins: Beginning = Beginning.UNKNOWN) -> Completion:
    """Reads the body of a reply; `begins` says what text before any marker is.

    Raises:
        TryAgain: it is no reply: no JSON, or no choice in it.
        RequestRefused: the server's content filter stopped it.
    """
    reply = _json_object(text)
    try:
        return _completion(reply, begins)
    except _MISSHAPEN as error:
        raise TryAgain(f"the server's reply has no answer in it: {text!r}") from error


def _completion(reply: Mapping[str, Any], begins: Beginning) -> Completion:
    choice = reply["choices"][0]
    message = choice["message"]
    finish_reason = _finish_reason(choice.get("finish_reason"))
    thought = _field_reasoning(message)
    parser = TextParser(Beginning.ANSWER if thought else begins)
    parser.feed(_content_text(message.get("content")))
    parser.finish(cut=finish_reason == "length")
    calls = [_structured_call(entry) for entry in message.get("tool_calls") or ()]
    return Completion(
        text=parser.answer.strip(),
        reasoning=thought or parser.reasoning,
        tool_calls=tuple(_with_ids([*calls, *parser.tool_calls])),
        finish_reason=finish_reason,
        prompt_tokens=_tokens(reply, "prompt_tokens"),
        completion_tokens=_tokens(reply, "completion_tokens"),
        began=Beginning.ANSWER if thought else parser.began,
        in_doubt=parser.in_doubt,
    )


@dataclass(slots=True)
class StreamedCompletion:
    """A reply that comes as server-sent events: feed it the JSON of each.

    `begins` says what text before any marker is; where that is not known, it is held until the reply has shown it.
    """

    begins: Beginning
    stops: Sequence[str] = ()  # strings before which the answer ends
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _events: int = 0
    _parser: TextParser | None = None  # from the first piece of content on
    _reasons_apart: bool = False  # in a field of its own, so that the content is the answer
    _calls: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def began(self) -> Beginning:
        """What it has shown of how this server's replies begin."""
        if self._reasons_apart:
            return Beginning.ANSWER
        return self._parser.began if self._parser else Beginning.UNKNOWN

    @property
    def in_doubt(self) -> bool:
        """Whether it was cut before it had shown whether its text, given as reasoning, is the answer."""
        return self._parser is not None and self._parser.in_doubt

    @property
    def found_stop(self) -> bool:
        """Whether the answer has come to one of the stop strings: nothing that comes now is part of the reply."""
        return self._parser is not None and self._parser.found_stop

    @property
    def ended_in_reasoning(self) -> bool:
        """Whether it ended, not cut, before an answer or a call."""
        answered = self._calls or (self._parser is not None and (self._parser.answer or self._parser.tool_calls))
        reasoned = self._reasons_apart or (self._parser is not None and self._parser.reasoning)
        return self.finish_reason == "stop" and bool(reasoned) and not answered

    def feed(self, event: Any) -> list[Delta]:
        """What one event adds.

        Raises:
            TryAgain: it is no piece of an answer.
            RequestRefused: the server's content filter stopped the answer, or what was given as answer was reasoning.
        """
        try:
            return self._read(well_formed_json(event))
        except _MISSHAPEN as error:
            raise TryAgain(f"the server sent what is no piece of an answer: {event!r}") from error

    def finish(self) -> list[Delta]:
        """The stream is over: what was held, and the tool calls."""
        deltas = self._parser.finish(cut=self.finish_reason == "length") if self._parser else []
        if self.found_stop:
            self.finish_reason = "stop"
            self._calls.clear()
        calls = [_structured_call({"id": call["id"], "function": call}) for _, call in sorted(self._calls.items())]
        if not self.completion_tokens:
            self.completion_tokens = self._events  # a server that tells no usage sends about one token an event
        return deltas + [Delta(tool_call=call) for call in _with_ids(calls)]

    def _read(self, event: Mapping[str, Any]) -> list[Delta]:
        self.prompt_tokens = _tokens(event, "prompt_tokens") or self.prompt_tokens
        self.completion_tokens = _tokens(event, "completion_tokens") or self.completion_tokens
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
            self._reasons_apart = True
        if text:
            found += self._read_content(text)
        self._events += bool(reasoning or text)
        for place, entry in enumerate(delta.get("tool_calls") or ()):
            self._add_call_piece(entry, place)
        return found

    def _read_content(self, text: str) -> list[Delta]:
        if self._parser is None:
            self._parser = TextParser(Beginning.ANSWER if self._reasons_apart else self.begins)
            self._parser.stopping_at(self.stops)
        deltas = self._parser.feed(text)
        if self._parser.retracted:
            raise RequestRefused(_PROVED_REASONING)
        return deltas

    def _add_call_piece(self, entry: Mapping[str, Any], place: int) -> None:
        index = entry.get("index")
        call = self._calls.setdefault(place if index is None else int(index), {"id": "", "name": "", "arguments": ""})
        function = entry.get("function") or {}
        call["id"] = entry.get("id") or call["id"]
        call["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        call["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)


def _tokens(reply: Mapping[str, Any], key: str) -> int:
    """A count of the reply's `usage`; 0 where it is missing or unreadable, as a good answer does not hang on it."""
    try:
        return max(0, int(reply["usage"][key]))
    except _MISSHAPEN:
        return 0


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError as error:
        raise TryAgain(f"the server's reply is no JSON: {text!r}") from error
    if not isinstance(value, dict):
        raise TryAgain(f"the server's reply is no JSON object: {text!r}")
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
