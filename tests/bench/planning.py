"""What a run of 100 million questions takes: planned from what a row costs in small runs, measured here and now.

    python -m tests.bench.planning [--rows 100000000] [--shards 100] [--measured 70000 140000]

Each step of starting a run again is measured in a process of its own on runs of two sizes; the straight line through
the two is what a row costs, and what the step costs at any size. Seconds are of the processor, since other work on the
machine does not count in those; memory is what a process's peak grows by. Texts are short and answers are of a
sentence, as in a run. Prices of an object store are arguments: those of S3 in us-east-1 by default (2025).

Worked out, not measured: everything beyond the sizes that are named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.export_scale import EveryRow
from voicegen.audio.audio_format import WAV
from voicegen.dataset.manifest import MANIFEST, Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations
from voicegen.executors.chain import WRITE_GROUP
from voicegen.pipeline.clips import forget_missing
from voicegen.pipeline.ledger import INDEX, INDEX_AFTER, LEDGER, Ledger, LedgerWriter
from voicegen.pipeline.plan import ROWS_PER_FOLDER, Plan
from voicegen.store.folder import FolderStore

_BLOCK: Final = 1000
_CONTAINER: Final = 1000  # clips
_ANSWER: Final = "It is what you get when you put the one number beside the other and count them all, one by one."


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the processor, and bytes of memory."""

    seconds: float
    memory: float

    def of_each(self, fewer: Cost, rows: int) -> Cost:
        """What each of `rows` costs that `fewer` does not have."""
        return Cost((self.seconds - fewer.seconds) / rows, max(self.memory - fewer.memory, 0.0) / rows)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of so many rows, without its audio's sounds."""

    root: Path
    rows: int

    @property
    def store(self) -> FolderStore:
        """Where its files lie."""
        return FolderStore(self.root / "run")

    @property
    def questions(self) -> QuestionFile:
        """Its input, not looked at yet."""
        return QuestionFile(self.root / "questions.parquet")


def make_run(root: Path, rows: int) -> Run:
    """A finished run, written by voicegen's own writers; each clip is a file of no sound."""
    root.mkdir()
    run = Run(root, rows)
    asked = [f"What is the answer to question {number * 7919} of {rows}?" for number in range(rows)]
    table = pa.table({"id": [f"q{number}" for number in range(rows)], "question": asked})
    pq.write_table(table, run.questions.path, row_group_size=10 * _BLOCK)
    every = EveryRow(rows, 0.02)
    with closing(LedgerWriter(run.store, 0, "made")) as writer:
        for start in range(0, rows, _BLOCK):
            made = every.get(range(start, min(start + _BLOCK, rows)))
            for row in made.values():
                name, data = every.clip(row.index)
                path = run.store.root / name
                if row.index % ROWS_PER_FOLDER == 0:
                    path.parent.mkdir(parents=True)
                path.write_bytes(data)
            writer.append([replace(row, answer=_ANSWER, answer_spoken=_ANSWER) for row in made.values()])
    Ledger(run.store).keep_index(after=1)
    return run


def _input(run: Run) -> None:
    run.questions.inspect()


def _ledger(run: Run) -> None:
    Ledger(run.store)


def _lines(run: Run) -> None:
    run.store.remove([INDEX])
    Ledger(run.store)


def _audio(run: Run) -> None:
    forget_missing(Ledger(run.store), run.store, WAV)


def _plan(run: Run) -> None:
    for _ in Plan(0, run.rows).rows(run.questions.questions()):
        pass


def _relations(run: Run) -> None:
    assert QuestionRelations(run.questions).splits


def _manifest(run: Run) -> None:
    write_manifest(run.store, run.questions, Ledger(run.store), Provenance())


STEPS: Final[Mapping[str, tuple[Callable[[Run], None], tuple[str, ...]]]] = MappingProxyType(
    {
        "look at the input (Parquet)": (_input, ()),
        "read the ledger's index": (_ledger, ()),
        "look which audio is there": (_audio, ("read the ledger's index",)),
        "plan rows": (_plan, ("look at the input (Parquet)",)),
        "find repeated questions": (_relations, ("look at the input (Parquet)",)),
        "write the manifest": (
            _manifest,
            ("look at the input (Parquet)", "read the ledger's index", "find repeated questions"),
        ),
        "(the ledger without its index)": (_lines, ()),
    }
)
"""What is done to go on with a run, by name, and which of the others each one's measurement has in it."""

BEFORE: Final = tuple(STEPS)[:3]
"""The steps that the work waits for. Rows are planned as they come, the others are made beside the work."""


def costs_of_a_row(few: Run, many: Run) -> dict[str, Cost]:
    """What a row costs each step."""
    whole = {
        name: _alone(step, many).of_each(_alone(step, few), many.rows - few.rows) for name, (step, _) in STEPS.items()
    }
    return {
        name: Cost(
            max(whole[name].seconds - sum(whole[other].seconds for other in within), 0.0),
            max(whole[name].memory - sum(whole[other].memory for other in within), 0.0),
        )
        for name, (_, within) in STEPS.items()
    }


def _alone(step: Callable[[Run], None], run: Run) -> Cost:
    """What a step costs in a process of its own."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_report, args=(far, step, run))
    process.start()
    far.close()  # so that the end of the process is the end of the pipe
    cost: Cost = near.recv()
    process.join()
    return cost


def _report(pipe: Connection, step: Callable[[Run], None], run: Run) -> None:
    before, began = _peak(), time.process_time()
    step(run)
    pipe.send(Cost(time.process_time() - began, _peak() - before))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def print_run(title: str, rows: int, costs: Mapping[str, Cost]) -> None:
    """What each step takes of a run of so many rows, all of them done, and those together that the work waits for."""
    print(f"\n{title}: {rows:,} rows")
    for name, cost in costs.items():
        print(f"  {name:<30} {_time(cost.seconds * rows):>10} {_size(cost.memory * rows):>10}")
    tail = costs["(the ledger without its index)"].seconds * min(INDEX_AFTER, rows)
    begin = sum(costs[name].seconds for name in BEFORE) * rows + tail
    print(f"  to begin: the first three, and {INDEX_AFTER:,} lines that the index has not: {_time(begin)}")


def main() -> None:
    """Prints what a row costs, and what a run does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--shards", type=int, nargs="*", default=[100])
    parser.add_argument("--measured", type=int, nargs=2, default=[70_000, 140_000], metavar=("FEW", "MANY"))
    parser.add_argument("--clip-kb", type=float, default=240.0, help="of audio a row: 5 s at 24 kHz in 16 bits")
    parser.add_argument("--put", type=float, default=0.005, help="dollars for 1,000 requests that write or list")
    parser.add_argument("--keep", type=float, default=0.023, help="dollars for a GB and month")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        few, many = (make_run(Path(folder, str(rows)), rows) for rows in options.measured)
        costs = costs_of_a_row(few, many)
        ledger = sum(file.size for file in many.store.files(LEDGER)) / many.rows
        manifest = (many.store.size(MANIFEST) or 0) / many.rows
    print(f"a row costs (measured between {few.rows:,} and {many.rows:,} rows)")
    for name, cost in costs.items():
        print(f"  {name:<30} {cost.seconds * 1e6:>7.1f} us {cost.memory:>7.0f} bytes of memory")
    print(f"  on the disk: {ledger:.0f} bytes of ledger, {manifest:.0f} of manifest, {options.clip_kb:g} KB of audio")
    print_run("going on with a run", options.rows, costs)
    for shards in options.shards:
        print_run(f"going on with one of {shards} shards", -(-options.rows // shards), costs)
    rows, gigabytes = options.rows, options.rows * (options.clip_kb * 1000 + ledger + manifest) / 1e9
    pieces = rows / WRITE_GROUP
    print(
        f"\nfiles: {rows:,} of audio in {-(-rows // ROWS_PER_FOLDER):,} folders; ledger {_size(ledger * rows)}, ",
        end="",
    )
    print(f"manifest {_size(manifest * rows)}, audio {_size(options.clip_kb * 1000 * rows)}")
    print(
        f"an object store: {rows + pieces:,.0f} requests to put clips and groups of {WRITE_GROUP} ledger lines, ",
        end="",
    )
    print(f"${(rows + pieces) / 1000 * options.put:,.0f}, and ${gigabytes * options.keep:,.0f} a month; ", end="")
    print(f"clips in containers of {_CONTAINER:,}: ${(rows / _CONTAINER + pieces) / 1000 * options.put:,.0f}")


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def _size(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


if __name__ == "__main__":
    main()
