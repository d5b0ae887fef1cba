"""A thread that a model lives on: whatever is done with the model is done there, for all clients in turn.

MLX ties its streams to the thread that made them, and an accelerator has one owner. Knows no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

T = TypeVar("T")

_END: Final = object()


class ModelThread:
    """One thread, to which work is handed from any other; it is done in the order in which it came."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    def begin(self, function: Callable[[], T]) -> Future[T]:
        """Has `function` called there, and returns at once."""
        return self._executor.submit(function)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """What `function` gives there."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def steps(self, make: Callable[[], Generator[T, None, Any]]) -> AsyncGenerator[T, None]:
        """What the generator that `make` gives yields; closing this one closes that one.

        Each step waits in line behind those of the other generators, so that all of them go on side by side, each at
        the pace of whoever reads it.
        """
        generator = await self.call(make)
        try:
            while (step := await self.call(next, generator, _END)) is not _END:
                yield step
        finally:
            await asyncio.shield(self.call(generator.close))

    def close(self) -> None:
        """Ends the thread when the step under way is over; what waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)
