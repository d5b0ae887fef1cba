"""How much faster eight clients are answered that ask at once than one after another, by the starter's chat model.

    python -m tests.bench.clients_at_once [mcp|serve] [CLIENTS] [ROUNDS] [TOKENS]

The same questions, of the same server over HTTP; the first round warms up. Every round asks both ways, so that a
machine that others use as well slows both; the processor's time tells most there.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import httpx

from tests.mcp_clients import Assistant, assistant, over_http
from tests.mcp_clients import serving as mcp_serving
from voicegen.job.composing import compose
from voicegen.webserver.app import serving
from voicegen.webserver.engine import Engine

QUESTIONS = (
    "What is a tide?", "Why is the sky blue?", "How does a kite fly?", "What is bread made of?", "Who wrote Hamlet?",
    "What does a bee do?", "How is glass made?", "Why do leaves fall?", "What is a comet?", "How deep is the sea?",
    "What is a haiku?", "Why do cats purr?", "How old is the moon?", "What is salt?", "Why do we dream?",
    "What is jazz?",
)  # fmt: skip


Ask = Callable[[str], str]


@contextmanager
def of_mcp(count: int, words: Sequence[str]) -> Iterator[list[Ask]]:
    """Clients of `voicegen mcp`, each with a connection of its own."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url, _ = stack.enter_context(mcp_serving(*words, f"output_dir={folder}"))
        clients = [stack.enter_context(assistant(over_http(url))) for _ in range(count)]
        yield [partial(_told, client) for client in clients]


def _told(client: Assistant, question: str) -> str:
    return str(client.told("ask", text=question)["answer"])


@contextmanager
def of_serve(count: int, words: Sequence[str]) -> Iterator[list[Ask]]:
    """Clients of `voicegen serve`, as OpenAI's API has them."""
    config = compose([*words, "serve=default", "serve.port=0", "serve.recognizer=null"])
    assert config.serve is not None
    system = {"role": "system", "content": getattr(config.chat, "system_prompt", None)}
    with serving(Engine.load(config), config.serve) as url, httpx.Client(base_url=url, timeout=300) as client:

        def ask(question: str) -> str:
            messages = [system, {"role": "user", "content": question}]
            reply = client.post("v1/chat/completions", json={"messages": messages}).raise_for_status()
            return str(reply.json()["choices"][0]["message"]["content"])

        yield [ask] * count


def one_after_another(clients: Sequence[Ask], questions: Sequence[str]) -> list[str]:
    return [ask(question) for ask, question in zip(clients, questions, strict=True)]


def at_once(clients: Sequence[Ask], questions: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda ask, question: ask(question), clients, questions))


def timed(ask_all: Callable[[], list[str]]) -> tuple[list[str], float, float]:
    """The answers, the seconds that they took, and those of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    answers = ask_all()
    return answers, time.perf_counter() - began, time.process_time() - worked


def main(kind: str = "mcp", count: int = 8, rounds: int = 4, tokens: int = 32) -> None:
    ratios = []
    words = ("preset=starter", f"chat.max_tokens={tokens}", "tts=tone", "quality=off")
    with {"mcp": of_mcp, "serve": of_serve}[kind](count, words) as clients:
        at_once(clients, QUESTIONS[:count])
        for number in range(rounds):
            questions = [QUESTIONS[(number * count + place) % len(QUESTIONS)] for place in range(count)]
            ways = [partial(one_after_another, clients, questions), partial(at_once, clients, questions)]
            first = number % 2  # which way comes first: the second one finds its questions in the model's cache
            timings = {way: timed(ways[way]) for way in (first, 1 - first)}
            (alone, seconds, work), (together, seconds_together, work_together) = timings[0], timings[1]
            ratios.append((seconds / seconds_together, work / work_together))
            same = sum(a == b for a, b in zip(alone, together, strict=True))
            print(
                f"one after another {seconds:.1f} s ({work:.1f} of the processor), at once {seconds_together:.1f} s "
                f"({work_together:.1f}); {same} of {count} answers the same",
                flush=True,
            )
    faster, less = zip(*ratios, strict=True)
    print(
        f"{count} clients at once: {statistics.median(faster):.2f} times the throughput (at best {max(faster):.2f}), "
        f"{statistics.median(less):.2f} times less of the processor"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "mcp", *map(int, sys.argv[2:]))
