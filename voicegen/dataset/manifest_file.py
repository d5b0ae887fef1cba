"""Opens the manifest of a run, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.errors import InputError
from voicegen.files import given_path
from voicegen.remote import AnyPath, RemotePath, given_place
from voicegen.store import Store

MANIFEST: Final = "manifest.parquet"
"""The manifest's name in a run's store."""

_NEEDED = ("status", "split", "answer_spoken", "audio_path", "sampling_rate", "num_samples")


def columns_there(schema: pa.Schema, wanted: Iterable[str]) -> list[str]:
    """Those of the columns, and of the fields of columns as in `question_measures.pace`, that a manifest has."""
    return [name for name in wanted if _has(schema, *name.partition(".")[::2])]


def flat(rows: pa.RecordBatch | pa.Table) -> pa.Table:
    """Rows in which each field of a column is a column, as `columns_there` calls it."""
    return (rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])).flatten()


def _has(schema: pa.Schema, column: str, field: str) -> bool:
    if column not in schema.names:
        return False
    type = schema.field(column).type
    return not field or (pa.types.is_struct(type) and type.get_field_index(field) >= 0)


def open_manifest(path: str | Path) -> tuple[pq.ParquetFile, Path]:
    """The manifest of a run in a folder, given by that or its own path, and the folder.

    What is read of it stays the same, also when the run goes on and puts another in its place.

    Raises:
        ConfigError: the path is a URL.
        InputError: There is no manifest, or it is not voicegen's.
    """
    path = given_path("path", path)
    manifest = path / MANIFEST if path.is_dir() else path
    if not manifest.is_file():
        raise _refusal(manifest)
    return _checked(manifest, manifest), manifest.parent


def open_any_manifest(path: str | AnyPath) -> tuple[pq.ParquetFile, AnyPath]:
    """As `open_manifest`, of a run that may lie at a URL: its manifest is read whole, as it is at one time."""
    place = given_place("path", path)
    if not isinstance(place, RemotePath):
        return open_manifest(place)
    root = place.parent if place.suffix == ".parquet" else place
    manifest = place if place.suffix == ".parquet" else place / MANIFEST
    data = Store(root).read(manifest.name)
    if data is None:
        raise _refusal(manifest)
    return _checked(manifest, pa.BufferReader(data)), root


def _checked(manifest: AnyPath, source: Path | pa.NativeFile) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(source)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{manifest}: cannot be read as Parquet ({error}): run the command again") from error
    schema = file.schema_arrow  # made at each call
    missing = [name for name in _NEEDED if name not in schema.names]
    if missing:
        raise InputError(f"{manifest}: is no manifest of voicegen: it has no column {missing[0]!r}")
    return file


def _refusal(manifest: AnyPath) -> InputError:
    return InputError(f"{manifest}: there is no manifest: give the folder of a run, such as outputs/NAME")
