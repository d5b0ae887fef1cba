"""How fast a large input is inspected, read and joined to a manifest, and in how much memory.

    python -m tests.bench.input_scale            # 1,000,000 rows of each format
    python -m tests.bench.input_scale 100000 csv

Times are of the CPU, so that other work on the machine does not count. Each format is measured in a process of its
own. "peak" is that process's highest resident memory, of which "base" is
there before a row is read: Python, numpy and Arrow. Compare two sizes to see what grows with the rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench.export_scale import peak_megabytes
from tests.finished_rows import EveryRow
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.questions import QuestionFile
from voicegen.store import Store

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet")


def table_rows(rows: int) -> Iterator[dict[str, Any]]:
    """Short questions with an id and a category."""
    for number in range(rows):
        yield {"id": f"q{number}", "question": f"What is the number {number}, please?", "category": number % 7}


def write_input(path: Path, rows: int) -> None:
    """Writes the input in the format that the name says."""
    if path.suffix == ".parquet":
        schema = pa.schema([("id", pa.string()), ("question", pa.string()), ("category", pa.int64())])
        with pq.ParquetWriter(path, schema) as parquet:
            for start in range(0, rows, 100_000):
                piece = list(islice(table_rows(rows), start, start + 100_000))
                parquet.write_table(pa.Table.from_pylist(piece, schema), row_group_size=100_000)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row) + "\n" for row in table_rows(rows))
            return
        if path.suffix == ".json":
            file.writelines(f"{',' if number else '['}{json.dumps(row)}" for number, row in enumerate(table_rows(rows)))
            file.write("]")
            return
        writer = csv.DictWriter(file, ["id", "question", "category"], delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(table_rows(rows))


def seconds(work: Callable[[], Any]) -> float:
    """CPU time of `work`, all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(path: Path, rows: int) -> dict[str, float]:
    """Reads the file in every way that a run does."""
    base = peak_megabytes()
    file = QuestionFile(path)
    lookup = EveryRow(rows)
    inspect = seconds(file.inspect)
    read = seconds(lambda: sum(1 for _ in file.questions()))
    look_up = (
        seconds(lambda: [lookup.get(range(start, start + 2048)) for start in range(0, 50_000, 2048)]) * rows / 51_200
    )
    store = Store(path.parent)
    write = seconds(lambda: write_manifest(store, file, lookup, Provenance("chat", "r", "tts", "r", "en", "h")))
    return {
        "inspect": inspect,
        "read": rows / read,
        "write": rows / max(write - look_up, 1e-9),
        "size": (path.parent / MANIFEST).stat().st_size / 1e6,
        "base": base,
        "peak": peak_megabytes(),
    }


def main() -> None:
    """Prints a line a format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("formats", nargs="*", metavar="format", help=f"{', '.join(FORMATS)}; all by default")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"{arguments.rows:,} rows   inspect    questions     manifest   its size     base     peak")
    for format in arguments.formats or FORMATS:
        with TemporaryDirectory() as folder, context.Pool(1, maxtasksperchild=1) as pool:
            path = Path(folder) / f"questions.{format}"
            writer = context.Process(target=write_input, args=(path, arguments.rows))
            writer.start()
            writer.join()
            found = pool.apply(measure, (path, arguments.rows))
        print(
            f"{format:>9}   {found['inspect']:9.1f} s {found['read']:8,.0f}/s {found['write']:10,.0f}/s "
            f"{found['size']:7.1f} MB {found['base']:5.0f} MB {found['peak']:5.0f} MB"
        )


if __name__ == "__main__":
    main()
