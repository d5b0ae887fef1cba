"""What verifying a run takes: time and memory by its number of rows, and the time that a million would take.

    python -m tests.bench.verify_scale [--rows 20000 70000 140000] [--listen basic]

run.json is a real run's; the rest is made up: ledger and manifest by voicegen's own writers, the texts short, and a WAV
of 0.05 s a row, each a file of its own. Each run is verified by a process of its own. The last line is the straight
line through what was measured, at a million rows: worked out, not measured. Files that were just written are read from
memory; what a disk takes comes on top. A manifest's row groups have 65,536 rows, and memory grows until one is full.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.finished_rows import spoken_row
from tests.product import command, environment, questions_csv
from voicegen.audio.audio_file import encode_clip
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.pipeline.ledger import LEDGER, Ledger, LedgerWriter
from voicegen.pipeline.plan import AUDIO, audio_path
from voicegen.records import Speech, Utterance
from voicegen.store import Store

MILLION = 1_000_000
BLOCK = 1000  # rows made together, all in one folder


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock and of all processors, and the peak resident set in MB, of one process."""

    clock: float
    cpu: float
    peak: float


def main() -> None:
    """Prints a line a run, and the time of a million rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 70_000, 140_000])
    parser.add_argument("--listen", help="checks to listen by, such as basic")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    words = command("verify", "outputs/r", *([] if options.listen is None else ["--listen", options.listen]))
    print(f"{'rows':>10} {'clock':>9} {'CPU':>9} {'peak':>9}")
    costs = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            made = multiprocessing.get_context("spawn").Process(target=make_run, args=(Path(folder), rows))
            made.start()  # on its own: a process's peak begins with its parent's memory
            made.join()
            costs.append(cost_of(words, Path(folder)))
        print(line(rows, costs[-1]), flush=True)
    clock, cpu = (
        float(np.polynomial.Polynomial.fit(options.rows, seconds, 1)(MILLION))
        for seconds in ([cost.clock for cost in costs], [cost.cpu for cost in costs])
    )
    print(f"{MILLION:>10,} {clock:>7.1f} s {cpu:>7.1f} s by the lines through these")


def make_run(folder: Path, rows: int) -> None:
    """A finished run of so many rows, in `outputs/r`."""
    file = questions_csv(folder / "q.csv", rows)
    cost_of(command("run", "preset=fake", f"questions.path={file}", "questions.limit=1", "name=r"), folder)
    store = Store(folder / "outputs" / "r")
    shutil.rmtree(store.root / LEDGER)
    shutil.rmtree(store.root / AUDIO)
    tone = np.sin(np.arange(400) / 3).astype(np.float32) / 4
    first, data = encode_clip(Speech(Utterance(0, "-"), tone, 8_000), 0, "-")
    writer = LedgerWriter(store, 0, "all")
    for start in range(0, rows, BLOCK):
        names = {index: audio_path(index, "ok", rows) for index in range(start, min(start + BLOCK, rows))}
        (store.root / names[start]).parent.mkdir(parents=True, exist_ok=True)
        for name in names.values():
            (store.root / name).write_bytes(data)
        writer.append([spoken_row(index, clip=replace(first, index=index, path=names[index])) for index in names])
    writer.close()
    write_manifest(store, QuestionFile(file), Ledger(store), Provenance("chat", "r", "tts", "r", "en", "h"))


def cost_of(words: list[str], folder: Path) -> Cost:
    """What a process takes that must find nothing wrong."""
    began = time.monotonic()
    process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def line(rows: int, cost: Cost) -> str:
    """One row of the table."""
    return f"{rows:>10,} {cost.clock:>7.1f} s {cost.cpu:>7.1f} s {cost.peak:>6.0f} MB"


if __name__ == "__main__":
    main()
