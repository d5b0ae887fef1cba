"""`--to hf`: Parquet shards with the audio in them, as Hugging Face's hub, its viewer and `datasets` read them.

An Audio column is a `struct<bytes, path>`, and the schema's metadata says that it is one
(https://huggingface.co/docs/datasets/about_dataset_features). The viewer asks for row groups of about 100 rows and
refuses those from 286 MiB on; the hub asks for shards of some hundred MB and for a page index
(https://huggingface.co/docs/hub/datasets-libraries). Bounds of content-defined chunks make what did not change between
two exports the same bytes, which the hub does not take twice. Audio is not compressed, as it is not by `datasets`: that
takes longer than all the rest, and gains a quarter where FLAC gains half.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows

SHARD_BYTES: Final = 480 * 10**6
"""What a shard holds at most, but for a few MB of footer and pages' headers; a larger row group has its own shard."""

GROUP_ROWS: Final = 100
GROUP_BYTES: Final = 90 * 10**6
"""Of audio in a row group; a row of more has a row group of its own."""

SHARD_GROUPS: Final = 100
"""Row groups that a shard holds at most: its writer keeps 0.1 MB of each until it is closed."""

AUDIO: Final = pa.field("audio", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())]))
QUESTION_AUDIO: Final = AUDIO.with_name("question_audio")
"""With `speak=both`."""

_AUDIO_BYTES: Final = tuple(f"{field.name}.bytes" for field in (AUDIO, QUESTION_AUDIO))


def write(rows: ExportRows, folder: Path) -> None:
    """Writes data/SPLIT-00000-of-00007.parquet and so on."""
    data = folder / "data"
    data.mkdir()
    for split in rows.splits:
        with closing(_Shards(data, rows.schema, [AUDIO, QUESTION_AUDIO] if rows.pairs else [AUDIO])) as shards:
            for row in rows.rows(split):
                shards.add(row)
            shards.finish()
        for number, path in enumerate(shards.paths):
            path.rename(data / f"{split}-{number:05d}-of-{len(shards.paths):05d}.parquet")


def _schema(columns: pa.Schema, audio: Sequence[pa.Field]) -> pa.Schema:
    features = {"info": {"features": {field.name: {"_type": "Audio"} for field in audio}}}
    marks = {**(columns.metadata or {}), "huggingface": json.dumps(features)}
    return pa.schema([*audio, *columns], metadata=marks)


class _Shards:
    """The shards of a split, one of them open, and the rows of its next row group."""

    def __init__(self, folder: Path, columns: pa.Schema, audio: Sequence[pa.Field]) -> None:
        self._folder = folder
        self._audio = audio
        self._schema = _schema(columns, audio)
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self._shard: _Shard | None = None
        self.paths: list[Path] = []

    def add(self, row: ExportRow) -> None:
        """Takes a row; what has waited is written first, where both would be too much for one row group."""
        sounds = (row.sound, row.file_name), (row.question, row.question_file_name)
        size = sum(len(sound.data) for sound, _ in sounds if sound is not None)
        if len(self._rows) == GROUP_ROWS or self._size + size > GROUP_BYTES:
            self._flush()
        audio = {
            field.name: None if sound is None else {"bytes": sound.data, "path": name}
            for field, (sound, name) in zip(self._audio, sounds, strict=False)
        }
        self._rows.append({**audio, **row.values})
        self._size += size

    def finish(self) -> None:
        """Writes what has waited."""
        self._flush()
        self.close()

    def close(self) -> None:
        """Ends the open shard."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def _flush(self) -> None:
        if not self._rows:
            return
        group = pa.Table.from_pylist(self._rows, self._schema)
        self._rows, self._size = [], 0
        if self._shard is not None and not self._shard.has_room(group):
            self.close()
        if self._shard is None:
            self.paths.append(self._folder / f"{len(self.paths)}.parquet")
            self._shard = _Shard(self.paths[-1], self._schema)
        self._shard.add(group)


class _Shard:
    """A Parquet file that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("wb")
        self._groups = 0
        self._writer = pq.ParquetWriter(
            self._file,
            schema,
            compression={column: "none" if column in _AUDIO_BYTES else "zstd" for column in _columns(schema)},
            use_dictionary=False,  # zstd finds what repeats
            write_page_index=True,
            use_content_defined_chunking=True,
        )

    def has_room(self, group: pa.Table) -> bool:
        """Whether a row group may be added."""
        return self._groups < SHARD_GROUPS and self._file.tell() + group.nbytes <= SHARD_BYTES

    def add(self, group: pa.Table) -> None:
        """Writes a row group."""
        self._writer.write_table(group)
        self._groups += 1

    def close(self) -> None:
        self._writer.close()
        self._file.close()


def _columns(schema: pa.Schema) -> list[str]:
    """The paths of what are columns to Parquet: fields of structs and elements of lists are some of their own."""
    empty = pa.BufferOutputStream()
    pq.write_metadata(schema, empty)
    found = pq.read_metadata(pa.BufferReader(empty.getvalue())).schema
    return [found.column(number).path for number in range(len(found))]


SPEC: Final = Exporter(
    name="hf",
    help="Parquet shards under 500 MB with the audio in them: HF datasets, the hub and its viewer",
    write=write,
    load='datasets.load_dataset("{folder}")',
    parquet=True,
    beside=False,
    adds=(AUDIO.name, QUESTION_AUDIO.name),
    without_audio=True,
)
