"""How fast a large run is exported, as a share of what copying the same audio takes, and in how much memory.

    python -m tests.bench.export_scale                      # 100,000 rows of 0.5 s, to every format
    python -m tests.bench.export_scale 3000 hf --seconds 10

The copy is of the audio files alone, one by one, made as durable as an export is, and just before each export, which is
made in a process of its own: "base" is its resident memory before a row is read, with the libraries that it needs,
"peak" its highest. Compare two sizes to see what grows with the rows. Times of the CPU are beside those of the clock,
since other work on the machine does not count in them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests.finished_rows import EveryRow, spoken_row
from voicegen.audio.audio_file import encode_clip
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.export.choice import Selection
from voicegen.export.formats import EXPORTERS
from voicegen.job.exporting import export_run
from voicegen.pipeline.plan import audio_path
from voicegen.records import ManifestRow, Speech, Utterance
from voicegen.store import Store

FORMATS = [name for name, format in EXPORTERS.items() if not format.pairs]
RATE = 22_050
SOUNDS = 64
"""Different ones, of which each file is a copy."""


class EveryRowWithAudio(EveryRow):
    """Every row is finished, and has noise of so many seconds."""

    def __init__(self, rows: int, seconds: float) -> None:
        super().__init__(rows)
        noise = np.random.default_rng(0)
        takes = [noise.normal(0, 0.03, int(RATE * seconds)).astype(np.float32) for _ in range(SOUNDS)]
        self.sounds = [encode_clip(Speech(Utterance(0, "-"), take, RATE), 0, "-") for take in takes]

    def clip(self, index: int) -> tuple[str, bytes]:
        """Where the row's audio lies, and its bytes."""
        return audio_path(index, "ok", self.end), self.sounds[index % SOUNDS][1]

    def row(self, index: int) -> ManifestRow:
        """One row."""
        clip = replace(self.sounds[index % SOUNDS][0], index=index, path=self.clip(index)[0])
        return spoken_row(index, clip=clip)


def make_run(folder: Path, rows: int, seconds: float) -> None:
    """A run of that many rows."""
    questions = folder / "questions.csv"
    lines = (f"q{number},What is {number}?\n" for number in range(rows))
    questions.write_text("id,question\n" + "".join(lines), "utf-8")
    finished = EveryRowWithAudio(rows, seconds)
    for index in range(rows):
        name, data = finished.clip(index)
        if index % 10_000 == 0:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    provenance = Provenance("chat", "r", "tts", "r", "en", "h")
    write_manifest(Store(folder), QuestionFile(questions), finished, provenance)


def copy(source: Path, target: Path) -> None:
    """Copies the files of a folder one by one, and makes them durable."""
    for top, _, names in os.walk(source):
        place = target / Path(top).relative_to(source)
        place.mkdir(parents=True)
        for name in names:
            (place / name).write_bytes(Path(top, name).read_bytes())
    os.sync()


def peak_megabytes() -> float:
    """Highest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds of the clock and of the CPU, and megabytes of memory before and at most."""
    base, began, began_cpu = peak_megabytes(), time.monotonic(), time.process_time()
    work()
    return {
        "clock": time.monotonic() - began,
        "cpu": time.process_time() - began_cpu,
        "base": base,
        "peak": peak_megabytes(),
    }


def measure(run: Path, target: Path, format: str | None) -> dict[str, float]:
    """Exports the run, or copies its audio."""
    if format is None:
        return timed(lambda: copy(run / "audio", target))
    for module in ("duckdb", "pyarrow.parquet", "voicegen.report.card_facts", *EXPORTERS[format].needs):
        import_module(module)  # part of the base
    return timed(lambda: export_run(run, format, target, Selection(where='"index" >= 0')))


def main() -> None:
    """Prints a line a format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("formats", nargs="*", metavar="format", help=f"{', '.join(FORMATS)}; all by default")
    parser.add_argument("--seconds", type=float, default=0.5, help="of audio in a row")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        run, target = Path(folder) / "run", Path(folder) / "out"
        run.mkdir()
        maker = context.Process(target=make_run, args=(run, arguments.rows, arguments.seconds))
        maker.start()
        maker.join()
        size = sum(path.stat().st_size for path in (run / "audio").rglob("*.wav")) / 1e6

        def fresh(format: str | None) -> dict[str, float]:
            with context.Pool(1, maxtasksperchild=1) as pool:
                found = pool.apply(measure, (run, target, format))
            shutil.rmtree(target)
            return found

        print(f"{arguments.rows:,} rows, {size:,.0f} MB          a copy               the export")
        print("                  clock    CPU     clock    CPU       speed   of a copy    base     peak")
        for format in arguments.formats or FORMATS:
            copied, found = fresh(None), fresh(format)
            clock, cpu, base, peak = (found[name] for name in ("clock", "cpu", "base", "peak"))
            print(
                f"{format:>14} {copied['clock']:6.1f} s {copied['cpu']:4.1f} s  {clock:6.1f} s {cpu:4.1f} s"
                f" {size / clock:6.0f} MB/s {copied['clock'] / clock:9.0%} {base:6.0f} MB {peak:5.0f} MB"
            )


if __name__ == "__main__":
    main()
