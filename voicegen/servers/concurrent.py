"""Rows that each ask a server, many under way at once."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Generic, Self, TypeVar

import httpx
import openai

from voicegen.errors import ModelError
from voicegen.records import Failure
from voicegen.servers.endpoint import Endpoint
from voicegen.servers.failures import ParameterRefused, RequestRefused, ServerUnreachable, TryAgain
from voicegen.servers.openai_client import Clients, failure_of, request_options
from voicegen.servers.tries import Tries

_NOTHING_BUT_ERRORS: Final = 20  # failed tries without a reply between them: the server is at fault
_TRIES_OF_A_STRANGER: Final = 3  # tries that one request makes of a server that has never replied, once it is at fault

_POLL: Final = 0.05  # seconds between looks at a source that has nothing ready
_FAILURES_IN_A_ROW: Final = 20  # so many rows without one good one between them: not the rows are at fault

Asked = TypeVar("Asked")
Record = TypeVar("Record")
Result = TypeVar("Result")


class Requests(Generic[Record]):
    """Rows under way on an event loop of its own thread, so that they go on while the caller does other work."""

    def __init__(
        self,
        endpoint: Endpoint,
        short: Callable[[Requests[Record]], Awaitable[object]] | None = None,
        *,
        has_replied: bool = False,
    ) -> None:
        """Opens no connection yet.

        Args:
            endpoint: where the server is.
            short: one try of a short request that any server which works has a reply to.
            has_replied: whether the server is known to work.
        """
        self._endpoint = endpoint
        self._short = short
        self._asking = asyncio.Lock()
        self._results: queue.SimpleQueue[Future[Record]] = queue.SimpleQueue()
        self._closing = False
        self._under_way: set[Future[Record]] = set()
        self._has_replied = has_replied
        self._failed = 0  # tries since the last reply

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"{self._endpoint.group} requests", daemon=True
        )
        self._thread.start()
        self._clients = Clients(self._endpoint)
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

    def run(
        self, rows: Iterable[Asked | None], ask: Callable[[Asked], Coroutine[Any, Any, Record]], at_once: int
    ) -> Iterator[Record]:
        """Yields what `ask` makes of each row, in completion order; None among `rows` says that none is ready.

        Raises:
            ModelError: a row met an error that every row would meet.
        """
        source, is_open = iter(rows), True
        while is_open or self._under_way:
            while is_open and len(self._under_way) < at_once:
                try:
                    row = next(source)
                except StopIteration:
                    is_open = False
                    break
                if row is None:
                    break
                self._start(ask(row))
            if self._under_way:
                has_room = is_open and len(self._under_way) < at_once
                yield from self._finished(_POLL if has_room else None)

    def _start(self, row: Coroutine[Any, Any, Record]) -> None:
        future = asyncio.run_coroutine_threadsafe(row, self._loop)
        self._under_way.add(future)
        future.add_done_callback(self._results.put)

    def _finished(self, timeout: float | None) -> Iterator[Record]:
        """Waits for a row to finish, at most `timeout` seconds, and yields all that have."""
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

    async def tried(self, once: Callable[[], Awaitable[Result]], tries: Tries) -> Result:
        """What `once` gives, tried again as `tries` says while the server may still give a reply.

        Raises:
            RequestRefused: the server refuses the request.
            TryAgain: it still failed at the last try.
            ModelError: every request would fail.
        """
        while True:
            try:
                reply = await once()
            except (ParameterRefused, TryAgain) as error:
                if isinstance(error, TryAgain):
                    await self._blame(error, tries.failed + 1)
                await asyncio.sleep(tries.wait_after(error))
            else:
                self._has_replied, self._failed = True, 0
                return reply

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """One try, whole within the deadline.

        Raises:
            TryAgain, RequestRefused, ModelError: as `failure_of` tells.
        """
        if self._closing:
            raise asyncio.CancelledError
        try:
            with self._clients.one() as client:
                async with asyncio.timeout(self._endpoint.timeout):
                    return await client.post(
                        path, cast_to=httpx.Response, body=body, options=request_options(self._endpoint)
                    )
        except (openai.OpenAIError, TimeoutError) as error:
            raise failure_of(self._endpoint, error) from error

    async def _blame(self, error: TryAgain, failed: int) -> None:
        """Ends the run where not the row is at fault, but the server; `failed` tries are of this request.

        One that gives nothing but errors. If it has replied before, it may be down for a while, so a request makes all
        its tries before it is given up; one that never has is more likely the wrong address. And one that has no reply
        to a short request either: no row is to be lost to a server that does not work.

        Raises:
            ModelError: with the last of the errors.
        """
        self._failed += not error.is_busy
        if isinstance(error, ServerUnreachable):
            return
        said, group = self._endpoint.reported(str(error)), self._endpoint.group
        tries = self._endpoint.retries + 1 if self._has_replied else _TRIES_OF_A_STRANGER
        if self._failed >= _NOTHING_BUT_ERRORS and failed >= tries:
            why = f"{self._failed} requests in a row failed, the last with: {said}"
        elif failed > self._endpoint.retries and not await self._works():
            why = f"{said} (after {failed} {'try' if failed == 1 else 'tries'}), and nothing else had a reply"
        else:
            return
        busy, wrong = f"Lower {group}.concurrency, or come back later.", f"Check the server and {group}.base_url."
        raise ModelError(f"{why}. {busy if error.is_busy else wrong}")

    async def _works(self) -> bool:
        """Whether the server has replied to anything, a short request if to nothing else."""
        async with self._asking:
            if not self._has_replied and self._short is not None:
                with suppress(TryAgain):
                    with suppress(RequestRefused):
                        await self._short(self)
                    self._has_replied = True
        return self._has_replied

    async def _stop(self) -> None:
        self._closing = True
        for _ in range(5):  # a connection cancelled before its first step would be warned of as never awaited
            await asyncio.sleep(0)
        rows = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rows:
            task.cancel()
        await asyncio.gather(*rows, return_exceptions=True)
        await self._clients.close()


def while_some_succeed(records: Iterable[Record | Failure]) -> Iterator[Record | Failure]:
    """Passes records on, until so many in a row are failures that the server must be at fault.

    Raises:
        ModelError: with the last of the failures.
    """
    failures = 0
    for record in records:
        failures = failures + 1 if isinstance(record, Failure) else 0
        if isinstance(record, Failure) and failures >= _FAILURES_IN_A_ROW:
            raise ModelError(f"{failures} rows in a row failed, the last with: {record.error}")
        yield record
