"""Where the time of a step goes when Marvis runs on MLX: takes of the lengths of speech through a number of slots.

    python -m tests.bench.mlx_loop [--slots 256] [--takes 2048 10000] [--device mlx] [--dtype auto]

Random weights of true sizes, codes alone. Prints for each number of takes how fast they were made, how many of the
slots' frames were of takes, and what the host does in a step: it launches the frame, reads prompts, waits for the frame
before, and does the rest. The first run of all compiles, and is not told.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from voicegen.bench.marvis_mlx import random_mlx_engine
from voicegen.bench.marvis_workload import audio_seconds, workload
from voicegen.tts.marvis.engine import Marvis
from voicegen.tts.marvis.frame_runner import PendingFrame
from voicegen.tts.marvis.mlx import runners
from voicegen.tts.marvis.mlx.frames import MLXFrames
from voicegen.tts.marvis.prompts import Admission

SPENT: Counter[str] = Counter()
"""Seconds that the host was in each part of its steps."""


class TimedFrames(MLXFrames):
    """Notes what the host does."""

    def admit(self, admissions: Sequence[Admission]) -> None:
        with noted("prompts"):
            super().admit(admissions)

    def launch(self, slots: int) -> PendingFrame:
        with noted("launch"):
            return TimedWait(super().launch(slots))


class TimedWait:
    """A frame under way; notes how long it is waited for."""

    def __init__(self, frame: PendingFrame) -> None:
        self._frame = frame

    def wait(self) -> NDArray[np.int32]:
        with noted("wait"):
            return self._frame.wait()


@contextmanager
def noted(part: str) -> Iterator[None]:
    """Adds the seconds of the block to `SPENT`."""
    start = time.perf_counter()
    yield
    SPENT[part] += time.perf_counter() - start


def main() -> None:
    """Prints a line for each number of takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=256)
    parser.add_argument("--takes", type=int, nargs="+", default=[2048, 10_000])
    parser.add_argument("--device", default="mlx")
    parser.add_argument("--dtype", default="auto")
    options = parser.parse_args()
    runners.MLXFrames = TimedFrames  # type: ignore[misc]
    engine = random_mlx_engine(options.device, options.dtype)
    engine.slots = options.slots
    engine.generate_takes(workload(3 * options.slots, seed=1))
    for takes in options.takes:
        measure(engine, takes)


def measure(engine: Marvis, takes: int) -> None:
    """Makes so many takes, and prints how."""
    requests = workload(takes)
    SPENT.clear()
    start = time.perf_counter()
    engine.generate_takes(requests)
    seconds = time.perf_counter() - start
    steps = engine.counts.steps
    parts = {**SPENT, "the rest": seconds - SPENT.total()}
    print(
        f"{takes} takes through {engine.slots} slots: {audio_seconds(requests) / seconds:.0f}x in {seconds:.1f} s, "
        f"{engine.counts.occupancy:.1%} of the slots' frames are of takes; {steps} steps of "
        f"{1e3 * seconds / steps:.2f} ms: " + ", ".join(f"{name} {1e3 * of / steps:.2f}" for name, of in parts.items()),
        flush=True,
    )


if __name__ == "__main__":
    main()
