"""Generators that run on threads, read from the server's event loop. Knows no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, Final, TypeVar

T = TypeVar("T")


class _End:
    """What comes after the last of a generator."""


_END: Final = _End()


async def steps(
    submit: Callable[..., Future[Any]], make: Callable[[], Generator[T, None, Any]]
) -> AsyncGenerator[T, None]:
    """What the generator that `make` gives yields; closing this one closes that one.

    Args:
        submit: has a function called on the generator's thread, in line behind what was submitted before: so several
            generators of one thread go on side by side, each at the pace of whoever reads it.
        make: makes the generator.
    """
    generator = await asyncio.wrap_future(submit(make))
    try:
        while (step := await asyncio.wrap_future(submit(next, generator, _END))) is not _END:
            yield step
    finally:
        await asyncio.shield(asyncio.wrap_future(submit(generator.close)))


async def steps_apart(make: Callable[[], Generator[T, None, Any]]) -> AsyncGenerator[T, None]:
    """`steps` on a thread of their own."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="voicegen-reply")
    try:
        async with aclosing(steps(thread.submit, make)) as stepped:
            async for step in stepped:
                yield step
    finally:
        thread.shutdown(wait=False)


async def begun(pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """What a response streams, once there is a first piece: until one was sent, its status tells of what is refused."""
    first = await anext(pieces, _END)

    async def all_of_them() -> AsyncGenerator[T, None]:
        async with aclosing(pieces):
            if not isinstance(first, _End):
                yield first
            async for piece in pieces:
                yield piece

    return all_of_them()
