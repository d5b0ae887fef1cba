"""Plants faults in a run, has the same command finish it, and holds what is there against an unbroken run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, Self

from tests.faults.grounds import Bench, Ground
from tests.faults.invariants import Broken, check_record, check_whole
from tests.faults.plan import KINDS, SPOILS, Fault
from tests.faults.power import lose_power
from tests.product import voicegen

NOT_REACHED: Final = "over before"
_ENDS: Final = {
    0: "well",
    2: "one line",
    3: "rows failed",
    130: "interrupted",
    -2: "interrupted",
    143: "terminated",
    -9: "killed",
}
_UNFORESEEN: Final = ("chat fails", "speech fails", "little memory")  # shown with its traceback, for whoever mends it
_CRASHED: Final = (-6, -11)  # a library that is given no memory may abort


class Trial:
    """A run that has one fault after another, as a context manager; in the end it is removed.

    Args:
        bench: where.
        name: of a folder that is not there.
        draw: what is left to chance of the faults.
    """

    def __init__(self, bench: Bench, name: str, draw: Random) -> None:
        self._bench = bench
        self._name = name
        self._draw = draw
        self._had: list[Fault] = []  # since the run was begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def have(self, fault: Fault, defect: str | None = None) -> str:
        """Has the command go on with the run, with this fault; how that ended, or NOT_REACHED.

        Where the run came to its end all the same it is whole, and the next fault begins another.

        Args:
            fault: planted in the same kind of run as those before it.
            defect: one that the run has beside, of `defects.DEFECTS`.

        Raises:
            Broken: what is there then is not what must be, or the product said more than a line.
        """
        self._had.append(fault)
        ground, place = self._ground, f"{self._ground.url}{self._name}"
        with self._told():
            done, was_had = self._bench.run(fault, place, ground.words, defect)
            if fault.kind in ("node gone", "Ray gone"):
                self._bench.start_ray_anew()
            end = _end(fault, done)
            run = self._bench.files(ground.url, self._name)
            lost_power = fault.kind == "power" and done.returncode == -9
            recorded = lose_power(run, self._bench.kept, self._draw) if lost_power else ()
            if fault.kind in SPOILS:
                _spoil(run, fault.kind, self._draw)
            else:
                check_record(run, recorded)
                awaits_more = KINDS[fault.kind].lasts or "tries again" in done.stderr  # for its log, or for a page
                if done.returncode == 0 and not awaits_more:
                    self._check_whole()
        return end if was_had or not fault.call else NOT_REACHED

    def finish(self) -> None:
        """Has the command finish the run.

        Raises:
            Broken: it does not make what an unbroken run makes.
        """
        if not self._had:
            return
        last, place = self._had[-1].kind, f"{self._ground.url}{self._name}"
        with self._told():
            if last == "changed audio":
                self._voicegen("verify", place, "--fix", ends=(3,))
            again = (*self._ground.words, f"output_dir={place}", "retry_failed=true")
            if last == "changed ledger":
                _remove_line(self._voicegen(*again, ends=(2,)), self._bench.folder)
            self._voicegen(*again, ends=(0,))
            self._check_whole()

    @property
    def earlier(self) -> int:
        """How many faults the run has had that is there now."""
        return len(self._had)

    @property
    def _ground(self) -> Ground:
        return self._bench.ground(self._had[-1].kind)

    def _check_whole(self) -> None:
        """Holds the run, which is finished, against an unbroken one; the next is begun anew."""
        ground = self._ground
        check_whole(self._bench.files(ground.url, self._name), ground.unbroken, ground.rows)
        self._remove()

    def _remove(self) -> None:
        if self._had:
            self._bench.remove(self._ground.url, self._name)
        self._had.clear()

    @contextmanager
    def _told(self) -> Iterator[None]:
        had = "; ".join(map(str, self._had))
        try:
            yield
        except Broken as error:
            raise Broken(f"{had}: {error}") from None

    def _voicegen(self, *words: str, ends: Sequence[int]) -> str:
        """What the command says on standard error."""
        done = voicegen(*words, cwd=self._bench.folder)
        if done.returncode not in ends:
            raise Broken(f"{' '.join(words)}: exit code {done.returncode}, {done.stderr}")
        return done.stderr


def _end(fault: Fault, done: subprocess.CompletedProcess[str]) -> str:
    """How a run with a fault ended; says so where it must not end like that."""
    if fault.kind in _UNFORESEEN and done.returncode == 1:
        return "unforeseen"
    if fault.kind == "little memory" and done.returncode in _CRASHED:
        return "crashed"
    if done.returncode not in _ENDS or "Traceback" in done.stderr:
        raise Broken(f"exit code {done.returncode}, {done.stderr}")
    return _ENDS[done.returncode]


def _spoil(run: Path, kind: str, draw: Random) -> None:
    """Does to the files of a run what a crash of the machine, or somebody, does later; none may be there yet."""
    patterns = ["ledger/*.jsonl"] if kind.endswith("ledger") else ["audio/**/*.wav", "shards/*"]
    files = sorted(path for pattern in patterns for path in run.glob(pattern) if path.stat().st_size)
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
