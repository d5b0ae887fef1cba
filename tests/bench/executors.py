"""What workers cost and gain: `nice python -m tests.bench.executors [--rows N] [--busy MS] [--workers N] [--no-ray]`.

First rows that cost nothing (echo and tone): what a row costs in one process, in worker processes and on Ray; by the
clock, and, since other work on the machine does not count in that, of the processor in all processes but Ray's own
(GCS, raylet). From how long a row must take for what it costs more to be a hundredth of it follows. Then rows that cost
so many ms of one core in the speech model (`--busy 0`: not): N workers against 1, which on N quiet cores is to be 1.8
times as fast for two. Loading is left out of the clock, as in the summary of a run; of the processor's time, what a run
of a tenth of the rows takes is.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import voicegen

BUSY = """
import time
from voicegen.tts.tone import ToneSpeech

_speak = ToneSpeech.speak

def speak(model, utterances):
    for record in _speak(model, utterances):
        end = time.thread_time() + {seconds}
        while time.thread_time() < end:
            pass
        yield record

ToneSpeech.speak = speak
"""
ROOT = Path(voicegen.__file__).parent.parent
WORDS = ("preset=fake", "tts.duration=0.05", "questions.path=q.csv")


def seconds_of(name: str, rows: int, *words: str) -> float:
    """Runs rows, and says what they took after loading."""
    summary = voicegen.run(*WORDS, f"questions.limit={rows}", f"name={name}", *words)
    assert summary.ok == rows, summary
    return summary.session_seconds


def cost_of(name: str, rows: int, *words: str) -> tuple[float, float]:
    """What a row takes, in ms: by the clock, and of the processor."""
    few, before = rows // 10, processor_seconds()
    seconds_of(f"{name}-few", few, *words)
    between = processor_seconds()
    seconds = seconds_of(name, rows, *words)
    processor = (processor_seconds() - between) - (between - before)
    return 1000 * seconds / rows, 1000 * processor / (rows - few)


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def main() -> None:
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")  # of a machine that is busy
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--busy", type=float, default=25.0, help="ms of a core for each of a tenth of the rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-ray", action="store_true")
    options = parser.parse_args()
    several = f"executor.workers={options.workers}"
    kinds = {
        "in this process": (),
        "1 worker process": ("executor.workers=1",),
        f"{options.workers} worker processes": (several,),
        **({} if options.no_ray else {f"{options.workers} Ray actors": ("executor=ray", several)}),
    }
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        lines = ["question", *(f"What is {number}?" for number in range(options.rows))]
        Path("q.csv").write_text("\n".join(lines) + "\n", "utf-8")
        print(f"{options.rows} rows of echo and tone: ms a row\n{'':24}{'clock':>8}{'more':>8}{'processor':>12}")
        alone = None
        for number, (kind, words) in enumerate(kinds.items()):
            clock, processor = cost_of(f"free-{number}", options.rows, *words)
            alone = clock if alone is None else alone
            told = f"{processor:12.2f}" if "Ray" not in kind else f"{'':12}"
            more = max(clock - alone, 0.0)
            print(f"{kind:24}{clock:8.2f}{more:8.2f}{told}   a hundredth of a row of {more / 10:.2f} s", flush=True)
        if not options.busy:
            return
        Path("busy").mkdir()
        Path("busy/sitecustomize.py").write_text(BUSY.format(seconds=options.busy / 1000), "utf-8")
        path = str(Path("busy").resolve())
        sys.path.insert(0, path)  # which worker processes are given
        os.environ["PYTHONPATH"] = os.pathsep.join([path, str(ROOT)])  # and Ray's
        rows = max(options.rows // 10, 1)
        print(f"\n{rows} rows of {options.busy:g} ms\n{'':24}{'s':>8}{'times 1 worker':>16}")
        one = None
        for number, (kind, words) in enumerate(list(kinds.items())[1:]):
            seconds = seconds_of(f"busy-{number}", rows, *words, "executor.queue_size=4")
            one = one or seconds
            print(f"{kind:24}{seconds:8.1f}{one / seconds:16.2f}", flush=True)


if __name__ == "__main__":
    main()
