"""Where the time of a step goes when Marvis runs on MLX: takes of the lengths of speech through a number of slots.

    python -m tests.bench.mlx_loop [--slots 256] [--takes 2048 10000] [--refill 4] [--device mlx] [--dtype auto]

Random weights of true sizes, codes alone. Prints for each number of takes how fast they were made, how many of the
slots' frames were of takes, and what the host does in a step: it launches the frame, reads prompts, waits for the frame
before, and does the rest. The first run of all compiles, and is not told.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from voicegen.bench.marvis_mlx import random_mlx_engine
from voicegen.bench.marvis_workload import audio_seconds, workload
from voicegen.tts.marvis.engine import Marvis
from voicegen.tts.marvis.mlx import frames


def main() -> None:
    """Prints a line for each number of takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--takes", type=int, nargs="+", default=[2048, 10_000])
    parser.add_argument("--refill", type=int, nargs="+", default=[frames.REFILL], help="frames a free slot waits")
    parser.add_argument("--device", default="mlx")
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args()
    engine = random_mlx_engine(options.device, options.dtype)
    engine.slots = options.slots
    engine.generate_takes(workload(3 * options.slots, seed=1))
    for takes in options.takes:
        for frames.REFILL in options.refill:
            measure(engine, takes)


def measure(engine: Marvis, takes: int) -> None:
    """Makes so many takes, and prints how."""
    requests = workload(takes)
    with noted() as spent:
        start = time.perf_counter()
        engine.generate_takes(requests)
        seconds = time.perf_counter() - start
    steps = engine.counts.steps
    spent["the rest"] = seconds - spent.total()
    parts = ", ".join(f"{name} {1e3 * of / steps:.2f}" for name, of in spent.items())
    print(
        f"{takes} takes through {engine.slots} slots, filled every {frames.REFILL} frames: "
        f"{audio_seconds(requests) / seconds:.0f}x in {seconds:.1f} s, "
        f"{engine.counts.occupancy:.1%} of the slots' frames are of takes; "
        f"{steps} steps of {1e3 * seconds / steps:.2f} ms: {parts}",
        flush=True,
    )


@contextmanager
def noted() -> Iterator[Counter[str]]:
    """The seconds that the host is in each part of a step, while the block runs."""
    spent: Counter[str] = Counter()

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                spent[name] += time.perf_counter() - start

        return called

    frames_class, launched = frames.MLXFrames, frames._Launched
    kept = frames_class.launch, frames_class.admit, launched.wait
    frames_class.launch = timed("launch", kept[0])  # type: ignore[method-assign]
    frames_class.admit = timed("prompts", kept[1])  # type: ignore[method-assign]
    launched.wait = timed("wait", kept[2])  # type: ignore[method-assign]
    yield spent
    frames_class.launch, frames_class.admit, launched.wait = kept  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
