"""How long a question takes in a large index: the exact search of its nearest passages, its embedding apart.

    python -m tests.bench.retrieval [--passages 1000000] [--questions 30] [--first]

The vectors are made up: topics, each with passages around it, as a sentence model has them (a cosine of some 0.6 within
one, and near 0 from one to another); the index is a real file, mapped into memory. `plain` is one
product of all vectors and the question's, with nothing before it. Both find the same. With `--first` a question goes
before all else that the machine does, as on a quiet one (Linux, by root).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicegen.retrieval import vdb
from voicegen.retrieval.index_file import Index, IndexedDocument, Making, Texts

WIDTH = 384
TOPICS = 2000
BLOCK = 50_000


def made_up(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((TOPICS, WIDTH), dtype=np.float32)
    vectors = np.empty((count, WIDTH), np.float32)
    for start in range(0, count, BLOCK):
        some = vectors[start : start + BLOCK]
        some[:] = topics[rng.integers(TOPICS, size=len(some))]
        some += 0.8 * rng.standard_normal(some.shape, dtype=np.float32)
        some /= np.linalg.norm(some, axis=1, keepdims=True)
    return vectors


def milliseconds(
    ask: Callable[[NDArray[np.float32]], object], questions: NDArray[np.float32]
) -> list[tuple[float, float]]:
    """Of the clock, and of this process on all cores, for each question."""
    took = []
    for question in questions:
        began, worked = time.perf_counter(), time.process_time()
        ask(question[None])
        took.append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)))
        time.sleep(0.05)  # others are let in
    return took


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--first", action="store_true")
    args = parser.parse_args()
    count = args.passages
    with tempfile.TemporaryDirectory() as folder:
        path, texts = Path(folder) / "docs.npz", Texts.of([f"Passage {place}." for place in range(count)])
        vectors = made_up(count)
        documents = (IndexedDocument("all.txt", ""),)
        Index(Making("none", None, 200, 40), documents, np.zeros(count, np.int32), vectors, texts, texts).write(path)
        noise = np.random.default_rng(1).standard_normal((args.questions, WIDTH), dtype=np.float32)
        asked = vectors[:: max(1, count // args.questions)][: args.questions] + np.float32(0.03) * noise
        asked /= np.linalg.norm(asked, axis=1, keepdims=True)
        del vectors
        database = vdb.VectorDB(path)
        load = os.getloadavg()[0]
        print(
            f"{count} passages, {path.stat().st_size / 1e9:.2f} GB, load average {load:.1f} on {os.cpu_count()} cores"
        )
        if args.first:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        found = {}
        for name, quick in (("as it is", vdb.is_quick(WIDTH)), ("plain", False)):
            vdb.is_quick = lambda _width, quick=quick: quick
            first, *rest = milliseconds(lambda question: database.nearest(question, 5), asked)
            clock, work = zip(*rest, strict=True)
            found[name] = [database.nearest(question[None], 5)[0][0].tolist() for question in asked[:5]]
            print(
                f"{name:9}median {statistics.median(clock):6.1f} ms, best {min(clock):6.1f}, worst {max(clock):6.1f}; "
                f"work of all cores {statistics.median(work):6.1f} ms; the first {first[0]:.0f} ms"
            )
        assert found["as it is"] == found["plain"]


if __name__ == "__main__":
    main()
