"""Puts rows that have changed since into a manifest, without the input that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.dataset.manifest import writing_manifest
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.manifest_schema import MANIFEST_SCHEMA
from voicegen.records import ManifestRow
from voicegen.store import Store

_CHANGING: Final = ("audio_path", "audio_offset", "audio_size", "status", "error", "takes", "mark")
_OF_QUESTION: Final = (
    "question_audio_path",
    "question_audio_offset",
    "question_audio_size",
    "question_status",
    "question_takes",
)
_OF_CLIP: Final = MappingProxyType({"audio_path": "path", "audio_offset": "offset", "audio_size": "size"})
_BLOCK: Final = 8192


def put_outcomes(store: Store, rows: Mapping[int, ManifestRow]) -> None:
    """Puts the outcomes of rows, by their index, in the place of those in the manifest, and replaces it at once.

    How they ended, where their audio lies, their takes and their mark change, and likewise of their questions; a
    manifest without a column `mark` is given one.

    Raises:
        OutputError: the manifest cannot be read or written.
    """
    with store.reading(MANIFEST) as file:
        manifest = pq.ParquetFile(file)
        schema = _with_all(manifest.schema_arrow)
        with writing_manifest(store, schema) as add:
            for batch in manifest.iter_batches(_BLOCK):
                add(_changed(batch, schema, rows))


def _with_all(schema: pa.Schema) -> pa.Schema:
    for name in _CHANGING:
        if name not in (*schema.names, *_OF_CLIP):  # one without these is of a run that packs nothing
            schema = schema.insert(schema.get_field_index("attempts") + 1, MANIFEST_SCHEMA.field(name))
    return schema


def _changed(batch: pa.RecordBatch, schema: pa.Schema, rows: Mapping[int, ManifestRow]) -> pa.RecordBatch:
    indexes = batch.column("index").to_pylist()
    columns = []
    for field in schema:
        given = batch.column(field.name) if field.name in batch.schema.names else pa.nulls(len(indexes), field.type)
        if field.name in (*_CHANGING, *_OF_QUESTION) and not rows.keys().isdisjoint(indexes):
            cells = given.to_pylist()
            for place, index in enumerate(indexes):
                if index in rows:
                    cells[place] = _cell(rows[index], field.name)
            given = pa.array(cells, field.type)
        columns.append(given)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cell(row: ManifestRow, name: str) -> Any:
    kept = row.of_question if name in _OF_QUESTION else row
    if kept is None:
        return None
    name = name.removeprefix("question_")
    if name in _OF_CLIP:
        return getattr(kept.clip, _OF_CLIP[name], None)
    return [asdict(take) for take in kept.takes] if name == "takes" else getattr(kept, name)
