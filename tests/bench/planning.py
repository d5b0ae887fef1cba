"""What a run of 100 million questions takes: planned from what a row costs in smaller runs, measured here and now.

    python -m tests.bench.planning [--rows 100000000] [--begin 1000000 10000000] [--beside 300000 1000000]

Each step of a run is measured in a process of its own on runs of two sizes; the straight line through the two is what
a row costs, and what the step costs at any size. Steps that the work waits for are measured on larger runs than those
that go on beside it, which take long. Seconds are of the processor, since other work on the machine does not count in
those. Memory is the process's own beyond that of an empty one (Linux's RssAnon, looked at all the time): files that
are mapped are the system's to drop. What the runs hold is told in `made_run`; all else is done by what does it in a
run. Prices of an object store are arguments: those of S3 in us-east-1 by default (2025).

Worked out, not measured: everything beyond the sizes that are named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from tests.bench.made_run import Run, make_run
from voicegen.dataset.input_index import INPUT_INDEX
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.relations import QuestionRelations, RowRelations
from voicegen.executors.chain import WRITE_GROUP
from voicegen.pipeline.clips import AUDIO_INDEX
from voicegen.pipeline.ledger import INDEX, INDEX_AFTER, LEDGER, Ledger
from voicegen.pipeline.plan import ROWS_PER_FOLDER
from voicegen.pipeline.same_audio import reject_same_audio
from voicegen.quality.checks.duplicates import SAME_AUDIO, SPEC

_SHARD: Final = 100_000  # KB of audio, as audio.shard_mb is unless it is set
_DUPLICATES: Final = SPEC.settings.model_validate({"rules": {SAME_AUDIO.name: {"max": 0.5}}})


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the processor, and bytes of memory."""

    seconds: float
    memory: float

    def of_each(self, fewer: Cost, rows: int) -> Cost:
        """What each of `rows` costs that `fewer` does not have."""
        return Cost(max(self.seconds - fewer.seconds, 0.0) / rows, max(self.memory - fewer.memory, 0.0) / rows)


def _begin(run: Run) -> None:
    """All that the work of a session waits for."""
    run.questions.inspect()
    ledger = Ledger(run.store)
    run.clips(ledger).remove_leftovers()
    run.clips(ledger).forget_missing()
    assert not ledger.unfinished(range(run.rows))
    assert ledger.first_unfinished() == run.rows


def _look_for_audio(run: Run) -> None:
    run.store.remove([AUDIO_INDEX])
    _folders(run)
    run.clips(Ledger(run.store)).keep()


def _lines(run: Run) -> None:
    index = run.store.root / INDEX
    index.rename(index.with_name("kept"))
    Ledger(run.store)
    index.with_name("kept").rename(index)


def _folders(run: Run) -> None:
    run.clips(Ledger(run.store)).forget_missing()


def _manifest(run: Run) -> None:
    relations = RowRelations(QuestionRelations(run.questions))
    write_manifest(run.store, run.questions, Ledger(run.store), Provenance(), relations=relations)


def _same_audio(run: Run) -> None:
    assert not reject_same_audio(run.store, Ledger(run.store), _DUPLICATES)


Step = Callable[[Run], object]
BEGIN: Final[Mapping[str, tuple[Step, tuple[str, ...]]]] = MappingProxyType(
    {
        "once: look at the input": (lambda run: run.new.inspect(), ()),
        "know the input again": (lambda run: run.questions.inspect(), ()),
        "read the ledger's index": (lambda run: Ledger(run.store), ()),
        "see which folders have changed": (_folders, ("read the ledger's index",)),
        "all that the work waits for": (_begin, ()),
    }
)
"""What is done before the work begins, by name, and which of the others each one's measurement has in it."""

BESIDE: Final[Mapping[str, tuple[Step, tuple[str, ...]]]] = MappingProxyType(
    {
        "once: look which audio is there": (_look_for_audio, ()),
        "plan rows": (lambda run: deque(run.plan.rows(run.questions.questions()), 0), ()),
        "find repeated questions": (lambda run: QuestionRelations(run.questions).splits, ()),
        "find repeats, write the manifest": (_manifest, ()),
        "find the same audio": (_same_audio, ()),
        "(the ledger without its index)": (_lines, ()),
    }
)
"""What is done beside the work, and after it."""


def costs_of_a_row(steps: Mapping[str, tuple[Step, tuple[str, ...]]], few: Run, many: Run) -> dict[str, Cost]:
    """What a row costs each step."""
    whole = {}
    for name, (step, _) in steps.items():
        of_few, of_many = _alone(step, few), _alone(step, many)
        print(
            f"  {name:<34} {few.rows:>10,}: {of_few.seconds:>7.2f} s {_size(of_few.memory):>8}"
            f"   {many.rows:>10,}: {of_many.seconds:>7.2f} s {_size(of_many.memory):>8}",
            flush=True,
        )
        whole[name] = of_many.of_each(of_few, many.rows - few.rows)
    return {
        name: Cost(
            max(whole[name].seconds - sum(whole[other].seconds for other in within), 0.0),
            max(whole[name].memory - sum(whole[other].memory for other in within), 0.0),
        )
        for name, (_, within) in steps.items()
    }


def _alone(step: Step, run: Run) -> Cost:
    """What a step costs in a process of its own."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_report, args=(far, step, run))
    process.start()
    far.close()  # so that the end of the process is the end of the pipe
    cost: Cost = near.recv()
    process.join()
    return cost


def _report(pipe: Connection, step: Step, run: Run) -> None:
    most = before = _own_memory()
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, _own_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.process_time()
    try:
        step(run)
        seconds = time.process_time() - began
    finally:
        done.set()
        watching.join()
    pipe.send(Cost(seconds, max(most, _own_memory()) - before))


def _own_memory() -> float:
    """Bytes of memory that are the process's own, and no file's."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def print_run(title: str, rows: int, costs: Mapping[str, Cost]) -> None:
    """What each step takes of a run of so many rows, all of them done."""
    print(f"\n{title}: {rows:,} rows")
    for name, cost in costs.items():
        print(f"  {name:<34} {_time(cost.seconds * rows):>10} {_size(cost.memory * rows):>10}")
    lines = max(INDEX_AFTER, rows // 128)  # as many as the index may lack
    seconds = costs["all that the work waits for"].seconds * rows
    tail = costs["(the ledger without its index)"].seconds * min(lines, rows)
    print(f"  to begin again: {_time(seconds + tail)}, with up to {min(lines, rows):,} lines that the index has not")


def made(folder: Path, sizes: Sequence[int], *, with_audio: bool) -> Iterator[Run]:
    """Runs of these sizes."""
    for rows in sizes:
        began = time.monotonic()
        yield make_run(folder / f"{rows}", rows, with_audio=with_audio)
        print(f"made {rows:,} rows in {time.monotonic() - began:.0f} s of the clock", flush=True)


def main() -> None:
    """Prints what a row costs, and what a run does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--shards", type=int, nargs="*", default=[])
    sizes = partial(parser.add_argument, type=int, nargs=2, metavar=("FEW", "MANY"))
    sizes("--begin", default=[1_000_000, 10_000_000], help="rows by which the steps of a start are measured")
    sizes("--beside", default=[300_000, 1_000_000], help="rows by which the others are")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--clip-kb", type=float, default=240.0, help="of audio a row: 5 s at 24 kHz in 16 bits")
    parser.add_argument("--put", type=float, default=0.005, help="dollars for 1,000 requests that write or list")
    parser.add_argument("--keep", type=float, default=0.023, help="dollars for a GB and month")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        few, many = made(folder, options.begin, with_audio=False)
        costs = costs_of_a_row(BEGIN, few, many)
        kept = {name: (many.store.size(name) or 0) / many.rows for name in (INDEX, AUDIO_INDEX, INPUT_INDEX)}
        (folder / "beside").mkdir()
        few, many = made(folder / "beside", options.beside, with_audio=True)
        costs |= costs_of_a_row(BESIDE, few, many)
        ledger = sum(file.size for file in many.store.files(LEDGER)) / many.rows
        manifest = (many.store.size(MANIFEST) or 0) / many.rows
    print("\na row costs")
    for step, cost in costs.items():
        print(f"  {step:<34} {cost.seconds * 1e6:>8.2f} us {cost.memory:>7.1f} bytes of memory")
    print(
        f"  on the disk: {ledger:.0f} bytes of ledger, {manifest:.0f} of manifest, {options.clip_kb:g} KB of audio, ",
        end="",
    )
    print(", ".join(f"{size:.2f} of {name}" for name, size in kept.items()))
    print_run("a run", options.rows, costs)
    for shards in options.shards:
        print_run(f"one of {shards} shards", -(-options.rows // shards), costs)
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
    packed = 2 * rows * options.clip_kb / _SHARD  # a shard, and then the ledger lines of its rows
    print(f"packed in shards of 100 MB: {packed:,.0f} requests, ${packed / 1000 * options.put:,.2f}")


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def _size(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"


if __name__ == "__main__":
    main()
