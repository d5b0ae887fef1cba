"""HTTP to a server of chat completions, many requests under way at once."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import httpx

from voicegen.chat.openai.completions import Completion, parse_completion
from voicegen.chat.openai.dialect import Dialect
from voicegen.chat.openai.server import ParameterRefused, Server, ServerUnreachable, TryAgain
from voicegen.errors import ModelError
from voicegen.records import Answer, Failure

_CONNECT_TIMEOUT = 10.0  # seconds


class Requests:
    """Requests under way on an event loop of its own thread, so that they go on while the caller does other work."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self._server = server
        self._dialect = dialect
        self._results: queue.SimpleQueue[Future[Answer | Failure]] = queue.SimpleQueue()
        self._closing = False
        self._under_way: set[Future[Answer | Failure]] = set()

    def __enter__(self) -> Requests:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat requests", daemon=True)
        self._thread.start()
        self._client = httpx.AsyncClient(
            **client_options(self._server), limits=httpx.Limits(max_connections=None, max_keepalive_connections=None)
        )
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def in_flight(self) -> int:
        """Rows whose record has not been taken yet."""
        return len(self._under_way)

    def start(self, row: Coroutine[Any, Any, Answer | Failure]) -> None:
        """Begins a row."""
        future = asyncio.run_coroutine_threadsafe(row, self._loop)
        self._under_way.add(future)
        future.add_done_callback(self._results.put)

    def finished(self, timeout: float | None) -> Iterator[Answer | Failure]:
        """Waits for a row to finish, at most `timeout` seconds, and yields all that have.

        Raises:
            ModelError: a row met an error that every row would meet.
        """
        try:
            future = self._results.get(timeout=timeout)
        except queue.Empty:
            return
        while True:
            self._under_way.discard(future)
            yield future.result()
            try:
                future = self._results.get_nowait()
            except queue.Empty:
                return

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """One reply, tried again while the server may still give one.

        Raises:
            RequestRefused: the server refuses the request.
            TryAgain: it still failed at the last try.
            ModelError: every request would fail.
        """
        for attempt in range(self._server.retries + 1):
            try:
                return await self._complete_adapted(body)
            except TryAgain as error:
                if attempt < self._server.retries:
                    await asyncio.sleep(self._server.wait_before(attempt, error))
                elif isinstance(error, ServerUnreachable):
                    raise ModelError(f"{error}. Is the server running? Check chat.base_url.") from error
                else:
                    raise TryAgain(f"{error} (after {attempt + 1} tries)") from error
        raise AssertionError("unreachable: the last try returns or raises")

    async def _complete_adapted(self, body: Mapping[str, Any]) -> Completion:
        """One try, without what the server refuses to be told."""
        body = self._dialect.written(body)
        while True:
            try:
                return await self._complete_once(body)
            except ParameterRefused as refusal:
                body = self._dialect.adapt(refusal, body)

    async def _complete_once(self, body: Mapping[str, Any]) -> Completion:
        if self._closing:
            raise asyncio.CancelledError
        try:
            response = await self._client.post(self._server.url, json=body)
        except httpx.HTTPError as error:
            raise transport_error(self._server, error) from error
        self._server.check(response.status_code, response.headers, response.text)
        return parse_completion(response.text, self._dialect.begins)

    async def _stop(self) -> None:
        self._closing = True
        for _ in range(5):  # a connection cancelled before its first step would be warned of as never awaited
            await asyncio.sleep(0)
        rows = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rows:
            task.cancel()
        await asyncio.gather(*rows, return_exceptions=True)
        await self._client.aclose()


def client_options(server: Server) -> dict[str, Any]:
    """Settings of an httpx client for the server."""
    return {
        "headers": server.headers(),
        "timeout": httpx.Timeout(server.timeout, connect=min(_CONNECT_TIMEOUT, server.timeout)),
        "trust_env": not server.is_local,
    }


def transport_error(server: Server, error: httpx.HTTPError) -> TryAgain:
    """What an error below HTTP means."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
        return ServerUnreachable(f"{server.base_url} can't be reached: {error or type(error).__name__}")
    if isinstance(error, httpx.TimeoutException):
        return TryAgain(f"{server.base_url} gave no answer within {server.timeout:g} s")
    return TryAgain(f"{server.base_url} broke off: {str(error) or type(error).__name__}")
