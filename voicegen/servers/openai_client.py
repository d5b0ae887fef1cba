"""The `openai` client as we use it: one try a call, a deadline for the whole of it, and its errors in our words.

Its own retries stay off. They neither know a reply that is no reply, nor end early when every request fails, and they
give up where a server asks for a wait over two minutes.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import openai

from voicegen.errors import ModelError
from voicegen.servers.endpoint import Endpoint
from voicegen.servers.failures import ParameterRefused, RequestRefused, ServerUnreachable, TryAgain

_CONNECT_TIMEOUT: Final = 10.0  # seconds
_REQUESTS_EACH: Final = 8  # of a client, at once
_PARAMETER_CODES: Final = ("unsupported_parameter", "unsupported_value")
_EVENT_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")
_OPENING: Final = 2000  # bytes kept of a reply that may prove to be no stream


class Clients:
    """Clients for any number of requests at once, each for a few of them.

    One client alone would look at all its connections whenever a request begins or ends, as httpcore does: with 512
    under way a request cost four times as much of the processor.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Opens no connection yet."""
        self._endpoint = endpoint
        self._http = _http_settings(endpoint)
        self._http["verify"] = httpx.create_ssl_context(trust_env=self._http["trust_env"])
        self._all: list[openai.AsyncOpenAI] = []
        self._free: list[openai.AsyncOpenAI] = []  # each as often as it can take another request

    @contextmanager
    def one(self) -> Iterator[openai.AsyncOpenAI]:
        """A client for one request."""
        if not self._free:
            http = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), **self._http)
            self._all.append(openai.AsyncOpenAI(http_client=http, **_settings(self._endpoint)))
            self._free += [self._all[-1]] * _REQUESTS_EACH
        client = self._free.pop()
        try:
            yield client
        finally:
            self._free.append(client)

    async def close(self) -> None:
        """Closes all connections."""
        for client in self._all:
            await client.close()


def request_options(endpoint: Endpoint) -> Any:
    """Headers of each request: our own key or none, and nothing of an OpenAI account for another server.

    Left alone, the client reads names and keys of an account from the environment and sends them wherever it is sent.
    """
    headers: dict[str, Any] = {"Authorization": f"Bearer {endpoint.key}" if endpoint.key else openai.Omit()}
    if not endpoint.is_openai:
        headers |= {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    return {"headers": headers}


def get_text(endpoint: Endpoint, path: str) -> str:
    """The body of what is at `path`.

    Raises:
        TryAgain, RequestRefused, ModelError: as `failure_of` tells.
    """
    try:
        with _open_watched(endpoint, _Watch(endpoint.timeout)) as client:
            return client.get(path, cast_to=httpx.Response, options=request_options(endpoint)).text
    except (openai.OpenAIError, httpx.HTTPError) as error:
        raise failure_of(endpoint, error) from error


def stream_events(endpoint: Endpoint, path: str, body: Mapping[str, Any]) -> Generator[Any, None, None]:
    """The JSON of each server-sent event of a reply; closing it ends the request.

    Raises:
        TryAgain, RequestRefused, ModelError: as `failure_of` tells, or the reply is no stream of events.
    """
    watch = _Watch(endpoint.timeout)
    options = request_options(endpoint)
    options["headers"]["Accept-Encoding"] = "identity"
    try:
        with (
            _open_watched(endpoint, watch) as client,
            client.post(
                path, cast_to=object, body=body, stream=True, stream_cls=openai.Stream[object], options=options
            ) as events,
        ):
            yield from events
    except (openai.OpenAIError, httpx.HTTPError) as error:
        raise failure_of(endpoint, error) from error
    except (ValueError, RecursionError) as error:
        raise TryAgain(f"the server sent what is no piece of an answer: {type(error).__name__}") from error
    if watch.opening.strip() and not watch.opening.lstrip().startswith(_EVENT_FIELDS):
        page = endpoint.told(repr(said_in(watch.opening.decode(errors="replace").strip())))
        raise RequestRefused(f"{endpoint.address} sent no stream of answers. Check {endpoint.group}.base_url: {page}")


def _open_watched(endpoint: Endpoint, watch: _Watch) -> openai.OpenAI:
    """A client for one request."""
    http = httpx.Client(event_hooks={"response": [watch.over]}, **_http_settings(endpoint))
    return openai.OpenAI(http_client=http, **_settings(endpoint))


class _Watch:
    """Looks at each piece of a reply: keeps its opening, and ends it at the deadline however slowly it drips."""

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self.opening = b""

    def over(self, response: httpx.Response) -> None:
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Watched(response.stream, self)

    def look(self, piece: bytes) -> None:
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the deadline has passed")
        if len(self.opening) < _OPENING:
            self.opening += piece


class _Watched(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, watch: _Watch) -> None:
        self._stream = stream
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._watch.look(piece)
            yield piece

    def close(self) -> None:
        self._stream.close()


def failure_of(endpoint: Endpoint, error: Exception) -> Exception:
    """What an error of the client means for a request.

    A `TryAgain` if the server is busy or broken for now, a `ParameterRefused` if the request would be taken without a
    parameter that it has, a `RequestRefused` if the request is at fault, and a `ModelError` if every request would
    fail: a wrong key, an unknown model, no quota, another address.
    """
    where, group = endpoint.address, endpoint.group
    if isinstance(error, openai.APIStatusError):
        return _status_failure(endpoint, error)
    if isinstance(error, openai.APIError) and not isinstance(error, openai.APIConnectionError):
        return TryAgain(f"the server stopped with an error: {endpoint.told(_message(error.body))}")
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    reason = endpoint.told(str(cause) or type(cause).__name__)
    if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
        return ServerUnreachable(f"{where} can't be reached: {reason}. Is the server running? Check {group}.base_url")
    if isinstance(cause, httpx.TimeoutException | TimeoutError):
        return TryAgain(f"{where} gave no whole answer within {endpoint.timeout:g} s ({group}.timeout)")
    return TryAgain(f"{where} broke off: {reason}")


def _status_failure(endpoint: Endpoint, error: openai.APIStatusError) -> Exception:
    status, headers, group = error.status_code, error.response.headers, endpoint.group
    if status < 400:
        where = endpoint.told(headers.get("location", "nowhere"))
        return ModelError(f"{endpoint.address} answered {status}, a redirect to {where}. Check {group}.base_url.")
    said = f"{endpoint.address} answered {status}: {endpoint.told(_message(error.body))}"
    if status in (401, 403):
        name = endpoint.api_key_env
        key = f"set {name} to a valid key" if name else f"name its key with {group}.api_key_env"
        return ModelError(f"{said}. The server wants another key: {key}.")
    if status == 404:
        return ModelError(f"{said}. Check {group}.base_url and {group}.model ({endpoint.model!r}).")
    if error.code == "insufficient_quota":
        return ModelError(f"{said}. The account has no quota left.")
    if status in (408, 409, 425, 429) or status >= 500:
        return TryAgain(said, retry_after(headers), is_busy=status == 429)
    if error.code in _PARAMETER_CODES and isinstance(error.param, str):
        return ParameterRefused(said, error.param)
    return RequestRefused(said)


def said_in(text: str) -> str:
    """The message in the text of an error; the text itself where there is none."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _message(body.get("error", body) if isinstance(body, dict) else body)


def _message(body: object) -> str:
    said = body.get("message") if isinstance(body, Mapping) else body
    return str(said or body or "(no text)").strip().removesuffix(".")


def retry_after(headers: Mapping[str, str]) -> float | None:
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


def _settings(endpoint: Endpoint) -> dict[str, Any]:
    return {"base_url": endpoint.address, "api_key": "in each request's headers", "max_retries": 0}


def _http_settings(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "auth": endpoint.credentials,
        "timeout": httpx.Timeout(endpoint.timeout, connect=min(_CONNECT_TIMEOUT, endpoint.timeout)),
        "trust_env": not endpoint.is_local,
    }
