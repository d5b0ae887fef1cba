"""A server of chat completions, and what a request says to it.

Source: the API reference of OpenAI's chat completions, and how vLLM, mlx_lm.server, llama.cpp, LM Studio and Ollama
differ from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from voicegen.chat.prompting.passages import with_passages
from voicegen.protocols import GenerationOptions
from voicegen.records import Message
from voicegen.servers.endpoint import Endpoint

COMPLETIONS: Final = "/chat/completions"

MOST_STOPS: Final = 4
"""Stop strings that every server takes at once; all are looked for in its answers as well."""


@dataclass(frozen=True, slots=True)
class Server(Endpoint):
    """Where a chat model is served.

    Attributes:
        starts_in_reasoning: whether replies begin inside a reasoning that the server does not set apart, and of which
            only the end is marked; None where that is not known.
    """

    starts_in_reasoning: bool | None = None

    def request_body(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
        stream: bool = False,
    ) -> dict[str, Any]:
        """The JSON of a request; options that are off are left out, as strict servers refuse what they don't know."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message_entry(message) for message in with_passages(messages, apart=False, defused=True)],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "seed": options.seed % 2**31,
            "stream": stream,
        }
        if tools:
            body["tools"] = [dict(tool) for tool in tools]
        if stream:
            body["stream_options"] = {"include_usage": True}
        if options.stop:
            body["stop"] = list(options.stop[:MOST_STOPS])
        if options.reasoning_effort is not None:
            body["reasoning_effort"] = options.reasoning_effort
            if not self.is_openai:  # the others read it from here
                body["chat_template_kwargs"] = {"reasoning_effort": options.reasoning_effort}
        off = GenerationOptions()
        for key in ("top_k", "min_p", "repetition_penalty"):
            if getattr(options, key) != getattr(off, key):
                body[key] = getattr(options, key)
        return body


def _message_entry(message: Message) -> dict[str, Any]:
    """A message as chat completions takes it."""
    entry: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.tool_calls:
        entry["content"] = message.content or None
        entry["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        entry["tool_call_id"] = message.tool_call_id
    return entry
