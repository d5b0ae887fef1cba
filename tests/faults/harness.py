"""Plants a fault in a run, has the same command finish it, and holds what is there against an unbroken run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Self

from tests.faults.chat_server import PATIENCE, WORDS, FaultyChat
from tests.faults.invariants import Broken, check_record, check_whole
from tests.faults.plan import KINDS, REQUEST, ROOM, Fault
from tests.faults.power import lose_power
from tests.faults.process import Planted
from tests.openai_server import serving
from tests.product import questions_csv, run_module, voicegen

ROWS = 24
NOT_REACHED = "over before"
_RUN = ("run", "preset=fake", "tts.duration=0.05", "questions.path=q.csv", "executor.queue_size=4")
_LONGEST = 90.0  # seconds of a run; one that takes longer hangs
_SPOILS = ("torn ledger", "torn audio", "changed ledger", "changed audio", "lost audio")
_ENDS = {0: "well", 2: "one line", 3: "rows failed", 130: "interrupted", 143: "terminated", -9: "killed"}
_UNFORESEEN = ("chat fails", "speech fails", "little memory")  # shown with its traceback, as whoever mends it needs it
_CRASHED = (-6, -11)  # a library that is given no memory may abort


@dataclass(frozen=True, slots=True)
class Course:
    """How runs go: the command but for their folder, an unbroken one, and how often it made each call."""

    words: tuple[str, ...]
    unbroken: Path
    counts: Mapping[str, int]


class Bench:
    """Unbroken and broken runs over the same questions, in a folder of their own, as a context manager.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = folder / "kept"
        self._counts = folder / "counts.json"
        self._work = ExitStack()
        self._chat = FaultyChat()
        questions_csv(folder / "q.csv", ROWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chat.plant(None)
        self._work.close()

    def course(self, kind: str) -> Course:
        """The one that faults of a kind are planted in."""
        return self._of_server if REQUEST in KINDS[kind].calls else self._of_fakes

    @cached_property
    def _of_fakes(self) -> Course:
        return self._unbroken("unbroken", _RUN)

    @cached_property
    def _of_server(self) -> Course:
        server = self._work.enter_context(serving(self._chat))
        words = (*_RUN, *WORDS, *PATIENCE, f"chat.base_url={server.base_url}")
        return self._unbroken("unbroken-of-server", words)

    def _unbroken(self, name: str, words: tuple[str, ...]) -> Course:
        self._chat.plant(None)
        done = self._run(None, name, words, None)
        if done.returncode:
            raise Broken(f"the unbroken run: exit code {done.returncode}, {done.stderr}")
        run = self._folder / name
        check_record(run)
        room = sum(-(-path.stat().st_size // 4096) * 4 for path in run.rglob("*"))
        return Course(words, run, {**self._counted(), REQUEST: self._chat.requests, ROOM: room})

    def plant(self, fault: Fault, name: str, draw: Random, defect: str | None = None) -> str:
        """Has a run of this name with the fault, and finishes it; returns how the first ended, or NOT_REACHED.

        Args:
            fault: for the first run alone.
            name: of a folder that is not there.
            draw: what is left to chance of the fault.
            defect: one that the first run has beside, of `defects.DEFECTS`.

        Raises:
            Broken: what is there then is not what must be, or the product said more than a line.
        """
        try:
            return self._planted(fault, name, draw, defect)
        except Broken as error:
            raise Broken(f"{fault}: {error}") from None

    def _planted(self, fault: Fault, name: str, draw: Random, defect: str | None) -> str:
        course, run = self.course(fault.kind), self._folder / name
        self._chat.plant(fault if fault.of_server else None)
        done = self._run(fault if fault.call and not fault.of_server else None, name, course.words, defect)
        killed = done.returncode < 0  # and so it may have written half of what it counted
        struck = self._chat.struck if fault.of_server else killed or self._counted().get("struck", True)
        self._chat.plant(None)
        end = self._end(fault, done)
        lost_power = fault.kind == "power" and done.returncode == -9
        recorded = lose_power(run, self._kept, draw) if lost_power else ()
        if fault.kind in _SPOILS:
            _spoil(run, fault.kind, draw)
        else:
            check_record(run, recorded)
        self._finish(fault, name, course.words)
        check_whole(run, course.unbroken, ROWS)
        return end if struck or not fault.call else NOT_REACHED

    def _end(self, fault: Fault, done: subprocess.CompletedProcess[str]) -> str:
        """How a run with a fault ended; says so where it must not end like that."""
        if fault.kind in _UNFORESEEN and done.returncode == 1:
            return "unforeseen"
        if fault.kind == "little memory" and done.returncode in _CRASHED:
            return "crashed"
        if done.returncode not in _ENDS or "Traceback" in done.stderr:
            raise Broken(f"exit code {done.returncode}, {done.stderr}")
        return _ENDS[done.returncode]

    def _finish(self, fault: Fault, name: str, words: tuple[str, ...]) -> None:
        if fault.kind == "changed audio":
            self._voicegen("verify", name, "--fix", ends=(3,))
        again = (*words, f"output_dir={name}", "retry_failed=true")
        if fault.kind == "changed ledger":
            said = self._voicegen(*again, ends=(2,))
            _remove_line(said, self._folder)
        self._voicegen(*again, ends=(0,))

    def _run(
        self, fault: Fault | None, name: str, words: tuple[str, ...], defect: str | None
    ) -> subprocess.CompletedProcess[str]:
        self._counts.unlink(missing_ok=True)
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir()
        planted = Planted(fault, str(self._counts), str(self._kept), defect).to_word()
        words = (planted, str(self._folder / name), *words, f"output_dir={name}")
        try:
            return run_module("tests.faults.process", *words, cwd=self._folder, timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            raise Broken(f"the run hangs, after {_LONGEST:g} s") from None

    def _counted(self) -> Mapping[str, int]:
        return json.loads(self._counts.read_text("utf-8")) if self._counts.exists() else {}

    def _voicegen(self, *words: str, ends: tuple[int, ...]) -> str:
        """What the command says on standard error."""
        done = voicegen(*words, cwd=self._folder)
        if done.returncode not in ends:
            raise Broken(f"{' '.join(words)}: exit code {done.returncode}, {done.stderr}")
        return done.stderr


def _spoil(run: Path, kind: str, draw: Random) -> None:
    """Does to the files of a run what a crash of the machine, or somebody, does later; none may be there yet."""
    pattern = "ledger/*.jsonl" if kind.endswith("ledger") else "audio/**/*.wav"
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
    elif kind == "changed ledger":
        lines = data.splitlines(keepends=True)
        place = draw.randrange(len(lines))
        lines[place] = b"#" + lines[place][1:]
        file.write_bytes(b"".join(lines))
    else:
        file.write_bytes(data[: -draw.randint(1, min(len(data), 200))])


def _remove_line(said: str, folder: Path) -> None:
    """Removes the line of a ledger that an error names, as it says."""
    found = re.search(r"(\S+\.jsonl), line (\d+): .*remove that line", said)
    if found is None:
        raise Broken(f"a line of the ledger is garbage, and all that is said is: {said}")
    file, number = folder / found[1], int(found[2])
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: number - 1] + lines[number:]))
