import asyncio
import threading
from contextlib import aclosing

import pytest

from voicegen.errors import ModelError
from voicegen.sharing.thread import ModelThread
from voicegen.webserver.stepping import steps, steps_apart


@pytest.fixture
def thread():
    thread = ModelThread(object, "model")
    yield thread
    thread.close()


def counting(name, order, until=3, ended=None):
    def counted():
        try:
            for number in range(until):
                order.append((name, number, threading.current_thread().name))
                yield number
        finally:
            if ended is not None:
                ended.append(threading.current_thread().name)

    return counted


def test_generators_go_on_side_by_side_on_one_thread(thread):
    order = []

    async def read(name):
        return [number async for number in steps(thread.submit, counting(name, order))]

    async def both():
        return await asyncio.gather(read("a"), read("b"))

    assert asyncio.run(both()) == [[0, 1, 2], [0, 1, 2]]
    assert [(name, number) for name, number, _ in order] == [(name, number) for number in range(3) for name in "ab"]
    assert len({where for _, _, where in order}) == 1


def test_whoever_stops_reading_closes_the_generator_on_its_thread(thread):
    order, ended = [], []

    async def first():
        async with aclosing(steps(thread.submit, counting("a", order, 100, ended))) as counted:
            return await anext(counted)

    assert asyncio.run(first()) == 0
    assert ended == [order[0][2]]
    assert len(order) == 1


def test_a_reader_that_is_cancelled_in_a_step_closes_the_generator_when_the_step_is_over(thread):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def stuck():
        try:
            begun.set()
            go_on.wait()
            yield 1
        finally:
            ended.set()

    async def cancelled():
        async def read():
            return [one async for one in steps(thread.submit, stuck)]

        reader = asyncio.create_task(read())
        await asyncio.to_thread(begun.wait)
        reader.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await reader

    asyncio.run(cancelled())
    assert ended.is_set()


def test_an_error_of_the_model_reaches_the_reader(thread):
    def broken():
        yield 1
        raise ModelError("the model is broken")

    async def read():
        return [one async for one in steps(thread.submit, broken)]

    with pytest.raises(ModelError, match="broken"):
        asyncio.run(read())


def test_generators_apart_wait_for_nobody():
    met = threading.Barrier(3)

    def meeting():
        met.wait()
        yield threading.current_thread().name

    async def read():
        return [name async for name in steps_apart(meeting)]

    async def all_three():
        return await asyncio.gather(*(read() for _ in range(3)))

    assert [len(names) for names in asyncio.run(all_three())] == [1, 1, 1]
