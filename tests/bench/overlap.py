"""How well the stages of `voicegen run` overlap: is the slowest of asking, speaking and writing always at work?

    python -m tests.bench.overlap                                # tone, at a set rate
    python -m tests.bench.overlap --tts piper --rows 100
    python -m tests.bench.overlap --tts marvis --rows 6000       # true sizes with random weights, on a GPU

A whole run, three times, each time with another stage the slowest: speaking, with a chat server that answers faster
than it; asking, with a server that answers half as fast as speaking goes; writing, to a disk that takes half as many
rows. The chat server is a stand-in in a process of its own, which answers one question after the other at a set rate;
it is at work when it has one to answer. A stage of the run is at work when it waits neither for the stage before it nor
for the one after it. A slow disk, and the rate of tone, are pauses after the real work. All is measured in the middle
of a run, from a quarter of its rows to three quarters. "Could do" is what a stage did in the time that it was at work.
Ends with 1 where no stage was at work for nine tenths of the time: then they waited for one another. On a machine that
is busy with other work another stage may be the slowest than was meant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

STAGES: Final = {"asking": "chat server", "voicegen-speaking": "speaking", "voicegen-writing": "writing"}
TEXT: Final = "The harbour of the town was full of ships."
AT_LEAST: Final = 0.9

Spans = list[tuple[float, float]]
"""From when to when something lasted, by the clock that all processes share."""


class Rate:
    """Lets so many pass a second, at the most."""

    def __init__(self, a_second: float | None) -> None:
        self.each = 1 / a_second if a_second else 0.0
        self._free = 0.0

    def next(self, count: int = 1) -> tuple[float, float]:
        """From when to when it is at work on what comes now."""
        began = max(time.monotonic(), self._free)
        self._free = began + count * self.each
        return began, self._free

    def pause(self, count: int = 1) -> None:
        """Waits until that is over."""
        time.sleep(max(self.next(count)[1] - time.monotonic(), 0.0))


class ChatServer:
    """A stand-in for a chat server: answers questions one after the other, and each some time later."""

    def __init__(self, rate: float, latency: float) -> None:
        self.worked: Spans = []
        self._rate = Rate(rate)
        self._latency = latency

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers what comes by a connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = json.dumps(await self._reply(await reader.readexactly(length))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _reply(self, request: bytes) -> Mapping[str, Any]:
        if not request:
            return {"data": [{"id": "stand-in"}]}
        question = json.loads(request)["messages"][-1]["content"]
        span = self._rate.next()
        self.worked.append(span)
        await asyncio.sleep(max(span[1] + self._latency - time.monotonic(), 0.0))
        message = {"role": "assistant", "content": f"{TEXT[:-1]}, {''.join(filter(str.isdecimal, question))} of them."}
        usage = {"prompt_tokens": 20, "completion_tokens": 15}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


def serve(pipe: Connection, rate: float, latency: float) -> None:
    """A chat server's process: says its port, and in the end when it was at work."""

    async def serving() -> None:
        server = ChatServer(rate, latency)
        async with await asyncio.start_server(server.connected, "127.0.0.1", 0, backlog=1024) as listening:
            pipe.send(listening.sockets[0].getsockname()[1])
            await asyncio.to_thread(pipe.recv)
            pipe.send(server.worked)

    asyncio.run(serving())


@contextmanager
def chat_server(rate: float, latency: float) -> Iterator[tuple[int, Spans]]:
    """The port of a chat server, and when it was at work, which is known after the block."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(far, rate, latency), daemon=True)
    process.start()
    worked: Spans = []
    yield near.recv(), worked
    near.send(None)
    worked += near.recv()
    process.join()


class Waits:
    """When the stages of a run waited for one another, by the names of their threads."""

    def __init__(self) -> None:
        self.spans: defaultdict[str, Spans] = defaultdict(list)
        self._within = threading.local()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Takes down how long the block took, unless it is within another one."""
        if getattr(self._within, "another", False):
            yield
            return
        self._within.another, began = True, time.monotonic()
        try:
            yield
        finally:
            self._within.another = False
            self.spans[threading.current_thread().name].append((began, time.monotonic()))

    def of_all(self, methods: Iterable[tuple[type, str]]) -> None:
        """Notes each call of these methods from now on."""
        for owner, name in methods:
            setattr(owner, name, self._noted(getattr(owner, name)))

    def _noted(self, method: Any) -> Any:
        def noted(*arguments: Any, **options: Any) -> Any:
            with self.noting():
                return method(*arguments, **options)

        return noted


@dataclass(frozen=True, slots=True)
class Ran:
    """What was seen of a run: when its stages waited, and when how many rows had been written."""

    waits: Mapping[str, Spans]
    written: Sequence[tuple[float, int]]


def run(pipe: Connection, words: Sequence[str], speak_rate: float | None, write_rate: float | None) -> None:
    """A run's process."""
    import voicegen
    from voicegen.executors.channel import Channel, Round
    from voicegen.files import allow_many_files
    from voicegen.pipeline.writer import Writer
    from voicegen.tts.tone import ToneSpeech

    allow_many_files()  # as the command does
    waits, written = Waits(), [(time.monotonic(), 0)]
    waits.of_all([(Channel, "put"), (Channel, "get"), (Channel, "get_batch"), (Round, "put"), (Round, "put_behind")])
    speak, write = ToneSpeech.speak, Writer.write
    speaking, writing = Rate(speak_rate), Rate(write_rate)

    def at_a_rate(model: ToneSpeech, utterances: Any) -> Iterator[Any]:
        for record in speak(model, utterances):
            speaking.pause()
            yield record

    def to_a_slow_disk(writer: Writer, outcomes: Any) -> Any:
        entries = write(writer, outcomes)
        writing.pause(len(entries))
        written.append((time.monotonic(), written[-1][1] + len(entries)))
        return entries

    ToneSpeech.speak, Writer.write = at_a_rate, to_a_slow_disk  # type: ignore[method-assign]
    voicegen.run(*words)
    pipe.send(Ran(dict(waits.spans), written))


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows a second in the middle of a run, the share of that time that each stage was at work, and its own rate."""

    rate: float
    busy: Mapping[str, float]
    could_do: Mapping[str, float]

    @classmethod
    def of(cls, ran: Ran, chat_worked: Spans, chat_rate: float) -> Measured:
        """From what was seen of a run, and the rate of its chat server."""
        rows = ran.written[-1][1]
        (begins, before), (ends, after) = (
            next(at for at in ran.written if at[1] >= share * rows) for share in (0.25, 0.75)
        )
        whole = ends - begins
        busy = {name: 1 - _within(spans, begins, ends) / whole for name, spans in ran.waits.items()}
        busy["asking"] = _within(chat_worked, begins, ends) / whole
        rate = (after - before) / whole
        could_do = {name: rate / max(share, 1e-9) for name, share in busy.items()} | {"asking": chat_rate}
        return cls(rate, *({name: of[key] for key, name in STAGES.items()} for of in (busy, could_do)))


def _within(spans: Spans, begins: float, ends: float) -> float:
    return sum(max(min(stop, ends) - max(start, begins), 0.0) for start, stop in spans)


def measure(
    name: str, rows: int, words: Sequence[str], chat: float, speak: float | None, write: float | None
) -> Measured:
    """Makes a run with a chat server, and with a speech model and a disk, at these rates."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    with chat_server(chat, latency=0.2) as (port, worked):
        server = [f"chat.base_url=http://127.0.0.1:{port}/v1", "chat=openai", "chat.model=stand-in"]
        given = [*server, "questions.path=q.csv", f"questions.limit={rows}", f"name={name}", *words]
        process = context.Process(target=run, args=(far, given, speak, write))
        process.start()
        far.close()
        try:
            ran = near.recv()
        except EOFError:
            raise SystemExit("the run failed") from None
        process.join()
    return Measured.of(ran, worked, chat)


def main() -> None:
    """Prints a line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tts", choices=["tone", "piper", "marvis"], default="tone")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--tone-rate", type=float, default=40.0, help="takes a second that tone makes")
    parser.add_argument("--fast", type=float, default=2_000.0, help="answers a second of a server that is not slow")
    parser.add_argument("--at-once", type=int, help="requests under way, and half as many rows between two stages")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("words", nargs="*", help="more settings of the run")
    options = parser.parse_args()
    at_once = options.at_once or (512 if options.tts == "marvis" else 16)
    words = [f"tts={options.tts}", f"chat.concurrency={at_once}", f"executor.queue_size={at_once // 2}", "quality=off"]
    words += options.words
    tone = options.tone_rate if options.tts == "tone" else None
    with TemporaryDirectory(dir=options.folder) as folder, chdir(folder):
        if options.tts == "marvis":
            from tests.bench.two_gpus import write_checkpoint_of_true_sizes

            write_checkpoint_of_true_sizes(Path("model"))
            words += ["tts.model=model", "tts.device=cuda"]
        questions = ["question", *(f"How many are there in harbour {row}?" for row in range(options.rows))]
        Path("q.csv").write_text("\n".join(questions) + "\n", "utf-8")
        print(f"{options.rows} rows of {options.tts}\n{'slowest':12}{'rows/s':>8}", end="")
        print("".join(f"{name:>24}" for name in STAGES.values()), flush=True)
        speaking = measure("speaking", options.rows, words, options.fast, tone, None)
        all_busy = _print("speaking", speaking)
        half = speaking.rate / 2
        all_busy &= _print("chat server", measure("asking", options.rows, words, half, tone, None))
        all_busy &= _print("writing", measure("writing", options.rows, words, options.fast, tone, half))
    sys.exit(not all_busy)


def _print(slowest: str, found: Measured) -> bool:
    """Prints how a run went; returns whether any stage was at work nearly all the time."""
    print(f"{slowest:12}{found.rate:>8.1f}", end="")
    for name, busy in found.busy.items():
        print(f"{busy:>7.1%} could do{found.could_do[name]:>8.0f}", end="")
    enough = max(found.busy.values()) >= AT_LEAST
    print("" if enough else f"   none for {AT_LEAST:.0%}", flush=True)
    return enough


if __name__ == "__main__":
    main()
