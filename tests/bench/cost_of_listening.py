"""What listening costs of a run: its share of the processor time of the starter preset, models loaded and all.

    python -m tests.bench.cost_of_listening [--quality basic] [--questions 8]

The time is that of the thread that listens, with one thread for torch, over that of the whole process, so that other
work on the machine does not count. What runs in processes of its own (recognition, of `strict`) is in neither.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Sequence
from types import MappingProxyType

import torch

import voicegen
from voicegen.executors import chain
from voicegen.quality.listener import Hearing, Listener
from voicegen.quality.usual import Usual
from voicegen.records import Speech


class TimedListener(Listener):
    """A listener, and the processor seconds that it took."""

    seconds = 0.0
    takes = 0

    def hear(self, takes: Sequence[Speech], usual: Usual = MappingProxyType({})) -> list[Hearing]:
        """As the listener does."""
        began = time.thread_time()
        try:
            return super().hear(takes, usual)
        finally:
            TimedListener.seconds += time.thread_time() - began
            TimedListener.takes += len(takes)


def main() -> None:
    """Prints the share."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", default="basic")
    parser.add_argument("--questions", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chain.Listener = TimedListener  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        words = ("preset=starter", f"quality={options.quality}", f"questions.limit={options.questions}", "name=r")
        summary = voicegen.run(*words)
    whole = time.process_time()
    print(
        f"{options.quality}: {summary.rows} rows, {TimedListener.takes} takes, {summary.audio_seconds:.0f} s of audio\n"
        f"processor time: {whole:.1f} s, of which listening {TimedListener.seconds:.2f} s, "
        f"{TimedListener.seconds / whole:.1%} ({1e3 * TimedListener.seconds / TimedListener.takes:.0f} ms a take)"
    )


if __name__ == "__main__":
    main()
