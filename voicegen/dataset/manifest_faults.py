"""Holds a manifest against the ledger that it was made from, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.dataset.manifest import FinishedRows
from voicegen.dataset.manifest_file import MANIFEST, columns_there
from voicegen.dataset.manifest_join import recorded
from voicegen.dataset.manifest_schema import MANIFEST_SCHEMA
from voicegen.dataset.readers.block import arrow_array
from voicegen.errors import OutputError
from voicegen.faults import Fault, FaultKind
from voicegen.records import ManifestRow
from voicegen.store import Store

_BLOCK: Final = 1000  # rows held against the ledger together

_OF_THE_FIRST_VERSION: Final = frozenset(
    {
        *("id", "index", "split", "conversation_id", "turn", "question", "answer", "reasoning", "answer_spoken"),
        *("audio_path", "duration", "sampling_rate", "num_samples", "audio_sha256", "voice", "language"),
        *("status", "error", "finish_reason", "attempts", "peak", "seed", "config_hash"),
        *("chat_model", "chat_revision", "tts_model", "tts_revision"),
        *("prompt_tokens", "completion_tokens", "chat_seconds", "tts_seconds"),
    }
)
"""Columns that every manifest has; one of an older version that no session has gone on with has not all others."""


def manifest_faults(store: Store, finished: FinishedRows, rows: int) -> Iterator[Fault]:
    """Yields what of the manifest is not as the finished rows, of which there are `rows`, would have it."""
    if not store.changed(MANIFEST):
        if rows:
            yield _of_all("it is missing")
        return
    try:
        with store.reading(MANIFEST) as file:
            manifest = pq.ParquetFile(file, pre_buffer=False)
            wrong = _wrong_columns(manifest.schema_arrow)
            yield from map(_of_all, wrong)
            if not wrong:
                yield from _wrong_rows(manifest, finished, rows)
    except (OutputError, pa.ArrowException, UnicodeDecodeError) as error:
        yield _of_all(f"it cannot be read as Parquet: {str(error).splitlines()[0]}")


def _of_all(what: str) -> Fault:
    return Fault(FaultKind.MANIFEST, MANIFEST, what)


def _wrong_columns(schema: pa.Schema) -> list[str]:
    lacking = [name for name in MANIFEST_SCHEMA.names if name in _OF_THE_FIRST_VERSION and name not in schema.names]
    others = [field for field in MANIFEST_SCHEMA if field.name in schema.names and field.name not in lacking]
    return [
        *(f"it has no column {name!r}" for name in lacking),
        *(
            f"its column {field.name!r} holds {schema.field(field.name).type}, not {field.type}"
            for field in others
            if not schema.field(field.name).type.equals(field.type)
        ),
    ]


def _wrong_rows(manifest: pq.ParquetFile, finished: FinishedRows, rows: int) -> Iterator[Fault]:
    columns = columns_there(manifest.schema_arrow, recorded([]))
    last, found = -1, 0
    for batch in manifest.iter_batches(_BLOCK, columns=columns):
        given: dict[str, list[Any]] = batch.to_pydict()
        records = finished.get(index for index in given["index"] if index is not None and index >= 0)
        for index, what in _differences(given, [records.get(index) for index in given["index"]]):
            yield Fault(FaultKind.ROW, MANIFEST, what, index)
        for index in given["index"]:
            if index in records and index <= last:
                yield Fault(FaultKind.ROW, MANIFEST, "it comes twice, or after a later one", index)
            found += index in records
            last = last if index is None else max(last, index)
    if found != rows:
        yield _of_all(f"it has {found} of the ledger's {rows} rows: the run was cut off, or it was changed")


def _differences(
    given: dict[str, list[Any]], records: Sequence[ManifestRow | None]
) -> Iterator[tuple[int | None, str]]:
    """For each row that differs from its record, its index and how."""
    known = [place for place, record in enumerate(records) if record is not None]
    columns = recorded([record for record in records if record is not None])
    wrong: dict[int, str] = dict.fromkeys(range(len(records)), "the ledger has no such row")
    for place in known:
        del wrong[place]
    for name, cells in given.items():
        expected = arrow_array(columns[name], MANIFEST_SCHEMA.field(name).type).to_pylist()
        for place, value in zip(known, expected, strict=True):
            if cells[place] != value:
                wrong.setdefault(place, f"its column {name!r} holds something else")
    for place in sorted(wrong):
        yield given["index"][place], wrong[place]
