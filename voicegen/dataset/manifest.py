"""Writes `manifest.parquet`: the input streamed again and joined with the rows that are finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.manifest_join import OneAnswerEach, Provenance, RowNaming, join
from voicegen.dataset.manifest_schema import MANIFEST_SCHEMA, manifest_schema
from voicegen.dataset.minimal_card import manifest_version, put_version
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations, RowRelations
from voicegen.errors import OutputError
from voicegen.records import ManifestRow
from voicegen.store import Store

__all__ = [
    "MANIFEST_SCHEMA",
    "FinishedRows",
    "Provenance",
    "RowNaming",
    "manifest_rows",
    "write_manifest",
    "writing_manifest",
]

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 64 * 2**20


class FinishedRows(Protocol):
    """Where finished rows are looked up: the ledger."""

    @property
    def end(self) -> int:
        """One past the last finished row."""

    def get(self, indexes: Iterable[int]) -> Mapping[int, ManifestRow]:
        """The finished rows among `indexes`."""


def write_manifest(
    store: Store,
    questions: QuestionFile,
    rows: FinishedRows,
    provenance: Provenance,
    naming: RowNaming | None = None,
    relations: RowRelations | None = None,
) -> int:
    """Writes the manifest of all finished rows, in input order, and puts it in the place of the old one at once.

    Memory is that of a row group, whatever the number of rows. The input's other columns follow ours, unchanged.

    Args:
        store: the run's, which audio paths are relative to.
        questions: the input.
        rows: what is finished so far.
        provenance: what made the rows.
        naming: how questions become rows; one row a question, with its id, by default.
        relations: what rows say of one another, of earlier writes; found anew, and all rows in train, by default.

    Returns:
        The number of rows written.

    Raises:
        InputError: The input has changed or cannot be read any more.
        OutputError: The manifest cannot be written; the old one stays.
    """
    schema = manifest_schema(questions.inspect().columns)
    naming = naming or OneAnswerEach()
    relations = relations or RowRelations(QuestionRelations(questions), naming.answers_per_question)
    written = 0
    with writing_manifest(store, schema) as add:
        relations.read(rows)
        for batch in finished_batches(questions, rows, provenance, naming, schema, relations):
            add(batch)
            written += batch.num_rows
    return written


@contextmanager
def writing_manifest(store: Store, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A manifest being written: takes its batches, and is put in the place of the old one at once, unless it raises.

    The run's card, a minimal one where there is none, says that it is another.

    Raises:
        OutputError: it cannot be written; the old one stays.
    """
    with store.making(MANIFEST) as path:
        with _row_groups(path, schema) as add:
            yield add
        with path.open("rb") as file:
            version = manifest_version(file)
    put_version(store, version)  # not before: the old manifest's rows would be kept as this one's


def finished_batches(
    questions: QuestionFile,
    rows: FinishedRows,
    provenance: Provenance,
    naming: RowNaming,
    schema: pa.Schema,
    relations: RowRelations,
) -> Iterator[pa.RecordBatch]:
    """Yields the manifest's rows that are finished, a block of the input at a time."""
    first = 0
    for inputs in questions.batches():
        if first >= rows.end:
            return
        after = first + inputs.num_rows * naming.answers_per_question
        finished = rows.get(range(first, after))
        if finished:
            yield join(inputs, first, finished, provenance, naming, schema, relations)
        first = after


def manifest_rows(store: Store) -> int | None:
    """The number of rows in the manifest; None where there is none that can be read."""
    try:
        with store.reading(MANIFEST) as file:
            return int(pq.read_metadata(file).num_rows)
    except (OutputError, pa.ArrowException):
        return None


@contextmanager
def _row_groups(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A Parquet file being written: takes batches, and writes a row group whenever there is enough for one."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0

    def flush() -> None:
        nonlocal rows, size
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema), row_group_size=ROW_GROUP_ROWS)
            waiting.clear()
            rows = size = 0

    def add(batch: pa.RecordBatch) -> None:
        nonlocal rows, size
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            flush()

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield add
        flush()
