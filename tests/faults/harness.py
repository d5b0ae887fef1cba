"""Plants a fault in a run, has the same command finish it, and holds what is there against an unbroken run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random
from subprocess import CompletedProcess

from tests.faults.plan import Fault
from tests.product import manifest_rows, questions_csv, run_module, voicegen, wav_hashes
from voicegen.files import TEMPORARY_SUFFIX

ROWS = 60
WORDS = ("run", "preset=fake", "tts.duration=0.05", "questions.path=q.csv")
_AFTER_A_KILL = ("torn ledger", "torn audio")
_ENDS = {0: "well", 2: "one line", 3: "rows failed", 130: "interrupted", 143: "terminated", -9: "killed"}
NOT_REACHED = "over before"
_UNFORESEEN = ("chat fails", "speech fails")  # shown with its traceback, as whoever mends it needs it


class Broken(AssertionError):
    """What is left of a fault is not what an unbroken run makes."""


class Bench:
    """Unbroken and broken runs over the same questions, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        questions_csv(folder / "q.csv", ROWS)
        self._counts = folder / "counts.json"
        self._run(None, "unbroken")
        self.counts = self._counted()
        self._unbroken = folder / "unbroken"

    def plant(self, fault: Fault, name: str, draw: Random) -> str:
        """Has a run of this name with the fault, and finishes it; returns how the first ended, or NOT_REACHED.

        Raises:
            Broken: what is there then is not what an unbroken run makes, or the product said more than a line.
        """
        run = self._folder / name
        done = self._run(fault if fault.call else None, name)
        struck = self._counted().get("struck", True)  # a process that died counted nothing
        unforeseen = fault.kind in _UNFORESEEN and done.returncode == 1
        if not unforeseen and (done.returncode not in _ENDS or "Traceback" in done.stderr):
            raise Broken(f"{fault}: exit code {done.returncode}, {done.stderr}")
        if fault.kind in _AFTER_A_KILL or not fault.call:
            _spoil(run, fault.kind, draw)
        if fault.kind == "changed audio":
            self._voicegen("verify", name, "--fix", ends=(3,))
        self._voicegen(*WORDS, f"output_dir={name}", "retry_failed=true", ends=(0,))
        self._compare(fault, run)
        if fault.call and not struck:
            return NOT_REACHED
        return "unforeseen" if unforeseen else _ENDS[done.returncode]

    def _run(self, fault: Fault | None, name: str) -> CompletedProcess[str]:
        planted = json.dumps(asdict(fault)) if fault else ""
        words = (planted, self._counts, self._folder / name, *WORDS, f"output_dir={name}")
        self._counts.unlink(missing_ok=True)
        return run_module("tests.faults.process", *words, cwd=self._folder)

    def _counted(self) -> Mapping[str, int]:
        return json.loads(self._counts.read_text("utf-8")) if self._counts.exists() else {}

    def _voicegen(self, *words: str, ends: tuple[int, ...]) -> None:
        done = voicegen(*words, cwd=self._folder)
        if done.returncode not in ends:
            raise Broken(f"{' '.join(words)}: exit code {done.returncode}, {done.stderr}")

    def _compare(self, fault: Fault, run: Path) -> None:
        if left := list(run.rglob(f"*{TEMPORARY_SUFFIX}")):
            raise Broken(f"{fault}: left {left}")
        if wav_hashes(run) != wav_hashes(self._unbroken):
            raise Broken(f"{fault}: other audio than of an unbroken run")
        for row, whole in zip(manifest_rows(run), manifest_rows(self._unbroken), strict=True):
            if row != whole:
                raise Broken(f"{fault}: row {row['index']} differs: {row} from {whole}")


def _spoil(run: Path, kind: str, draw: Random) -> None:
    """Does to the files of a run what a crash of the machine, or somebody, does later; none may be there yet."""
    pattern = "ledger/*.jsonl" if kind == "torn ledger" else "audio/**/*.wav"
    files = sorted(path for path in run.glob(pattern) if path.stat().st_size)
    if not files:
        return
    file = draw.choice(files)
    data = file.read_bytes()
    if kind == "lost audio":
        file.unlink()
    elif kind == "changed audio":
        place = draw.randrange(len(data))
        file.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
    else:
        file.write_bytes(data[: -draw.randint(1, min(len(data), 200))])
