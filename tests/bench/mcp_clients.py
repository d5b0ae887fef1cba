"""How much faster eight MCP clients are answered that ask at once than one after another, by the starter's chat model.

    python -m tests.bench.mcp_clients [CLIENTS] [ROUNDS] [TOKENS]

The same questions, of the same server over HTTP, each client with a connection of its own; the first round warms up.
Every round asks both ways, so that a machine that others use as well slows both; the processor's time tells most there.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from tests.mcp_clients import Assistant, assistant, over_http, serving

QUESTIONS = (
    "What is a tide?", "Why is the sky blue?", "How does a kite fly?", "What is bread made of?", "Who wrote Hamlet?",
    "What does a bee do?", "How is glass made?", "Why do leaves fall?", "What is a comet?", "How deep is the sea?",
    "What is a haiku?", "Why do cats purr?", "How old is the moon?", "What is salt?", "Why do we dream?",
    "What is jazz?",
)  # fmt: skip


def ask(client: Assistant, question: str) -> str:
    return str(client.told("ask", text=question)["answer"])


def one_after_another(clients: list[Assistant], questions: list[str]) -> list[str]:
    return [ask(client, question) for client, question in zip(clients, questions, strict=True)]


def at_once(clients: list[Assistant], questions: list[str]) -> list[str]:
    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(ask, clients, questions))


def timed(ask_all: Callable[[], list[str]]) -> tuple[list[str], float, float]:
    """The answers, the seconds that they took, and those of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    answers = ask_all()
    return answers, time.perf_counter() - began, time.process_time() - worked


def main(count: int = 8, rounds: int = 3, tokens: int = 32) -> None:
    ratios = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        words = ("preset=starter", f"output_dir={folder}", f"chat.max_tokens={tokens}", "tts=tone", "quality=off")
        url, _ = stack.enter_context(serving(*words))
        clients = [stack.enter_context(assistant(over_http(url))) for _ in range(count)]
        at_once(clients, list(QUESTIONS[:count]))
        for number in range(rounds):
            questions = [QUESTIONS[(number * count + place) % len(QUESTIONS)] for place in range(count)]
            alone, seconds, work = timed(partial(one_after_another, clients, questions))
            together, seconds_together, work_together = timed(partial(at_once, clients, questions))
            ratios.append((seconds / seconds_together, work / work_together))
            same = sum(a == b for a, b in zip(alone, together, strict=True))
            print(
                f"one after another {seconds:.1f} s ({work:.1f} of the processor), at once {seconds_together:.1f} s "
                f"({work_together:.1f}); {same} of {count} answers the same",
                flush=True,
            )
    faster, less = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(f"{count} clients at once: {faster:.2f} times the throughput, {less:.2f} times less of the processor")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
