"""`POST /v1/chat/completions`, in OpenAI's shapes: whole, or streamed as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, get_args
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from voicegen.bounds import Effort, NotNegative, Penalty, Positive, Probability, StopStrings, Temperature
from voicegen.chat.messages import message_from_dict
from voicegen.errors import InputError, VoicegenError
from voicegen.protocols import GenerationOptions
from voicegen.records import ChatUsage, Delta, Message, ToolCall
from voicegen.webserver.engine import Engine
from voicegen.webserver.refusals import Refusal, read_body
from voicegen.webserver.seats import Seats
from voicegen.webserver.stepping import begun


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Function(_Given):
    name: str
    arguments: str


class _Call(_Given):
    id: str = ""
    type: Literal["function"] = "function"
    function: _Function
    index: Any = None  # of the piece of a stream that it was put together from


class _Part(_Given):
    type: Literal["text", "input_text", "output_text"]
    text: str


def _text_alone(content: Any) -> Any:
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in get_args(_Part.model_fields["type"].annotation):
            raise ValueError(f"a part of the type {kind!r} cannot be read here: send text alone")
    return content


class _Message(_Given):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | list[_Part] | None, BeforeValidator(_text_alone)] = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    refusal: None = None
    annotations: Any = None
    audio: None = None
    function_call: None = None

    @property
    def message(self) -> Message:
        """As our models take it."""
        content = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in self.tool_calls or ()
        ]
        return message_from_dict(
            {
                "role": "system" if self.role == "developer" else self.role,
                "content": content,
                "reasoning": self.reasoning_content,
                "tool_calls": calls,
                "tool_call_id": self.tool_call_id,
                "name": self.name,
            }
        )


class _StreamOptions(_Given):
    include_usage: bool = False
    include_obfuscation: bool = False


def _listed(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop or ()


class Completion(_Given):
    """What is asked for. What changes nothing of a reply is let pass; what would, and can't be had, is refused."""

    messages: Annotated[list[_Message], Field(min_length=1)]
    model: str = ""
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_k: NotNegative | None = None
    min_p: Probability | None = None
    repetition_penalty: Penalty | None = None
    seed: int | None = None
    stop: Annotated[StopStrings, BeforeValidator(_listed)] = ()
    reasoning_effort: Effort | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    n: Literal[1] | None = None
    modalities: list[Literal["text"]] | None = None
    response_format: dict[Literal["type"], Literal["text"]] | None = None
    parallel_tool_calls: bool | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    verbosity: Literal["medium"] | None = None
    audio: None = None
    functions: None = None
    function_call: None = None
    web_search_options: None = None
    prediction: Any = None
    store: Any = None
    metadata: Any = None
    user: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    service_tier: Any = None

    def options(self, usual: GenerationOptions) -> GenerationOptions:
        """How to generate: as the server usually does, but for what is asked."""
        asked: dict[str, Any] = {
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": self.stop or None,
            "reasoning_effort": self.reasoning_effort,
        }
        return replace(usual, **{name: value for name, value in asked.items() if value is not None})


@dataclass(slots=True)
class _Reply:
    """One reply, as it is written down."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, message: Mapping[str, Any], finish: str, usage: ChatUsage) -> dict[str, Any]:
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": _usage(usage)}

    def chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def cost(self, usage: ChatUsage) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(usage)}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


async def completions(request: Request) -> Response:
    """Answers a conversation.

    Raises:
        Refusal: what is asked for cannot be had.
    """
    engine: Engine = request.app.state.engine
    seats: Seats = request.app.state.seats
    asked = await read_body(request, Completion)
    messages = list(_messages(asked.messages))
    tools = [] if asked.tool_choice == "none" else asked.tools or []
    deltas = engine.reply(messages, asked.options(engine.options), tools)
    reply = _Reply(engine.chat_model.info.id)
    if not asked.stream:
        with seats.one():
            return await _whole(request, deltas, reply)
    with_usage = asked.stream_options is not None and asked.stream_options.include_usage
    events = await begun(_events(seats, deltas, reply, with_usage))
    return StreamingResponse(events, media_type="text/event-stream")


def _messages(given: Iterable[_Message]) -> Iterator[Message]:
    for place, message in enumerate(given):
        try:
            yield message.message
        except InputError as error:
            raise Refusal(str(error), param=f"messages.{place}") from None


async def _whole(request: Request, deltas: AsyncGenerator[Delta | ChatUsage, None], reply: _Reply) -> Response:
    said = {"answer": "", "reasoning": ""}
    calls: list[ToolCall] = []
    usage = ChatUsage("stop", 0, 0)
    async with aclosing(deltas):
        async for delta in deltas:
            if isinstance(delta, ChatUsage):
                usage = delta
            elif delta.tool_call is not None:
                calls.append(delta.tool_call)
            else:
                said[delta.channel] += delta.text
            if await request.is_disconnected():  # nobody waits for it any more
                return Response(status_code=499)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said["answer"] or (None if calls else ""),
        "refusal": None,
    }
    if said["reasoning"]:
        message["reasoning_content"] = said["reasoning"]
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return JSONResponse(reply.whole(message, _finish(usage, bool(calls)), usage))


async def _events(
    seats: Seats, deltas: AsyncGenerator[Delta | ChatUsage, None], reply: _Reply, with_usage: bool
) -> AsyncGenerator[str, None]:
    number, began = 0, False
    with seats.one():
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    head = {} if began else {"role": "assistant", "content": ""}
                    began = True
                    if isinstance(delta, ChatUsage):
                        yield _event(reply.chunk(head, _finish(delta, number > 0)))
                        if with_usage:
                            yield _event(reply.cost(delta))
                    elif delta.tool_call is not None:
                        call = {"index": number, **_call(delta.tool_call)}
                        number += 1
                        yield _event(reply.chunk({**head, "tool_calls": [call]}))
                    elif delta.text or head:
                        name = "content" if delta.channel == "answer" else "reasoning_content"
                        yield _event(reply.chunk({**head, name: delta.text}))
        except VoicegenError as error:
            if not began:
                raise
            yield _event({"error": Refusal.of(error).error})
        yield "data: [DONE]\n\n"


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    return {"id": call.id or f"call_{uuid4().hex[:24]}", "type": "function", "function": function}


def _finish(usage: ChatUsage, calls: bool) -> str:
    if usage.finish_reason != "stop":
        return "length"
    return "tool_calls" if calls else "stop"


def _usage(usage: ChatUsage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
