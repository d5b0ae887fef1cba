"""How long merging two large runs takes, and in how much memory.

    python -m tests.bench.merge_scale             # two runs of 50,000 rows
    python -m tests.bench.merge_scale 2500        # of 2,500: compare two sizes to see what grows with the rows

"base" is the resident memory before a row is read, with the libraries of the report, "peak" the highest. Time of
the CPU is beside that of the clock, since other work on the machine does not count in it.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.export_scale import EveryRowWithAudio, timed
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.pipeline.ledger import LedgerWriter
from voicegen.pipeline.run_folder import RUN_JSON, config_hash
from voicegen.store import Store

SECONDS = 0.02
BLOCK = 1000


def make_run(folder: Path, rows: int, seed: int) -> None:
    """A finished run of that many rows, with its ledger and its record."""
    folder.mkdir()
    asked = folder.with_suffix(".csv")
    lines = (f"What is the answer to question {seed * number * 7919} of {rows}?" for number in range(rows))
    asked.write_text("question\n" + "\n".join(lines) + "\n", "utf-8")
    store, every, questions = Store(folder), EveryRowWithAudio(rows, SECONDS), QuestionFile(asked)
    with closing(LedgerWriter(store, 0, "made")) as writer:
        for start in range(0, rows, BLOCK):
            made = every.get(range(start, min(start + BLOCK, rows)))
            for name, data in map(every.clip, made):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
            writer.append(list(made.values()))
    identity = {"input.sha256": questions.inspect().sha256, "seed": seed}
    inputs = [{"sha256": identity["input.sha256"], "rows": rows}]
    record = {"format": 1, "config_hash": config_hash(identity), "identity": identity, "inputs": inputs}
    store.put([(RUN_JSON, json.dumps(record).encode())])
    write_manifest(store, questions, every, Provenance())


def merge(folder: Path) -> None:
    """Merges the runs a and b, and prints what that took."""
    import voicegen.report.page  # noqa: F401 - part of the base
    from voicegen.job.merging import merge_runs

    found = timed(lambda: merge_runs([folder / "a", folder / "b"], folder / "merged"))
    print("{clock:.1f} s, of the CPU {cpu:.1f} s; base {base:.0f} MB, peak {peak:.0f} MB".format(**found))


def main() -> None:
    """Makes two runs and merges them in a process of its own."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with TemporaryDirectory() as folder:
        for seed, name in enumerate("ab", 1):
            make_run(Path(folder) / name, rows, seed)
        process = multiprocessing.get_context("spawn").Process(target=merge, args=(Path(folder),))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
