"""A server of chat completions: its address and key, what a request says, and which errors are whose.

Source: the API reference of OpenAI's chat completions, and how vLLM, mlx_lm.server, llama.cpp, LM Studio and Ollama
differ from it.
"""

from __future__ import annotations

import email.utils
import json
import logging
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from voicegen.errors import ConfigError, ModelError
from voicegen.protocols import GenerationOptions
from voicegen.reading.calls import read_json
from voicegen.records import Message

_log = logging.getLogger(__name__)

_LONGEST_WAIT = 60.0  # seconds; a server may ask for any wait, a run should not hang for hours
_WAIT_WORTH_TELLING = 5.0  # seconds
_LONGEST_BACKOFF = 30.0  # seconds
_PARAMETER_CODES = ("unsupported_parameter", "unsupported_value")


class RequestRefused(Exception):
    """The server will not answer this request, whatever is tried: the row fails."""


class ParameterRefused(RequestRefused):
    """The server, or the model behind it, takes no such `parameter`, or not with the value that it was given."""

    def __init__(self, reason: str, parameter: str) -> None:
        super().__init__(reason)
        self.parameter = parameter


class TryAgain(Exception):
    """The server may answer later. `wait` is what it asked for, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class ServerUnreachable(TryAgain):
    """There is no server to talk to: if that lasts, no row can be answered."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a model is served.

    Attributes:
        retries: tries after the first.
        backoff: the first wait, in seconds.
        starts_in_reasoning: whether replies begin inside a reasoning that the server does not set apart, and of which
            only the end is marked; None where that is not known.
    """

    model: str
    base_url: str = "http://127.0.0.1:8000/v1"
    api_key_env: str | None = "OPENAI_API_KEY"
    timeout: float = 120.0
    retries: int = 5
    backoff: float = 0.5
    starts_in_reasoning: bool | None = None
    _told: set[str] = field(default_factory=set, init=False, repr=False, compare=False)  # what was warned of

    def __post_init__(self) -> None:
        """Refuses an address that is none, and a key that cannot be sent.

        Raises:
            ConfigError: names the address, or the variable that holds the key.
        """
        if not _is_address(self.base_url):
            raise ConfigError(
                f"chat.base_url={self.base_url!r} is no address of a server: give one such as http://127.0.0.1:8000/v1"
            )
        self.headers()

    @property
    def url(self) -> str:
        """The address of chat completions."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that no proxy stands between."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own."""
        host = urlsplit(self.base_url).hostname or ""
        return host == "openai.com" or host.endswith(".openai.com")

    def headers(self) -> dict[str, str]:
        """The key from the environment, when there is one.

        Raises:
            ConfigError: it holds a character that no header may; names the variable and never the key.
        """
        key = os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"the environment variable {self.api_key_env} holds a character that no key has (a control character, "
                "or one beyond ASCII): set it to the key alone"
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def wait_before(self, attempt: int, error: TryAgain) -> float:
        """Seconds to wait after failed try number `attempt` (from 0): what the server asked for, or a growing time.

        A long wait that the server asked for is logged, the first one as a warning.
        """
        if error.wait is not None:
            wait = min(error.wait, _LONGEST_WAIT)
            if wait >= _WAIT_WORTH_TELLING:
                level = logging.INFO if "wait" in self._told else logging.WARNING
                self._told.add("wait")
                _log.log(level, "%s: the server asks to wait %.0f s; trying again in %.0f s", error, error.wait, wait)
            return wait
        return min(self.backoff * 2.0**attempt, _LONGEST_BACKOFF) * random.uniform(0.5, 1.0)

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
            "messages": [_message_entry(message) for message in messages],
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
        if options.reasoning_effort is not None:
            body["reasoning_effort"] = options.reasoning_effort
            if not self.is_openai:  # the others read it from here
                body["chat_template_kwargs"] = {"reasoning_effort": options.reasoning_effort}
        off = GenerationOptions()
        for key in ("top_k", "min_p", "repetition_penalty"):
            if getattr(options, key) != getattr(off, key):
                body[key] = getattr(options, key)
        return body

    def check(self, status: int, headers: Mapping[str, str], text: str) -> None:
        """Raises what an HTTP status means.

        Raises:
            TryAgain: the server is busy or broken for now.
            ParameterRefused: the request would be taken without a parameter that it has.
            RequestRefused: this request is at fault.
            ModelError: every request would fail: a wrong key, an unknown model, no quota, another address.
        """
        if status < 300:
            return
        if status < 400:
            where = headers.get("location", "nowhere")
            raise ModelError(f"{self.base_url} answered {status}, a redirect to {where}. Check chat.base_url.")
        reason, code, parameter = error_of(text)
        said = f"{self.base_url} answered {status}: {reason}"
        if status in (401, 403):
            key = f"set {self.api_key_env} to a valid key" if self.api_key_env else "name its key with chat.api_key_env"
            raise ModelError(f"{said}. The server wants another key: {key}.")
        if status == 404:
            raise ModelError(f"{said}. Check chat.base_url and chat.model ({self.model!r}).")
        if code == "insufficient_quota":
            raise ModelError(f"{said}. The account has no quota left.")
        if status in (408, 409, 425, 429) or status >= 500:
            raise TryAgain(said, _retry_after(headers))
        if code in _PARAMETER_CODES and parameter:
            raise ParameterRefused(said, parameter)
        raise RequestRefused(said)


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
        parts = urlsplit(url)
    except (ValueError, httpx.InvalidURL):
        return False
    return address.scheme in ("http", "https") and bool(parts.hostname)


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


def error_of(text: str) -> tuple[str, str | None, str | None]:
    """The message, the code, and the parameter at fault in the body of an error."""
    try:
        error = read_json(text).get("error", {})
    except (ValueError, AttributeError):
        return text.strip()[:200] or "(no text)", None, None
    if not isinstance(error, dict):
        return str(error), None, None
    code, parameter = (value if isinstance(value, str) else None for value in (error.get("code"), error.get("param")))
    return str(error.get("message") or text.strip()[:200]), code, parameter


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the header `Retry-After` asks for, which may be a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
