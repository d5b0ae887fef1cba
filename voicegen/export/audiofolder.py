"""`--to audiofolder`: audio files and a table of what they say, a folder a split.

The format is Hugging Face's: https://huggingface.co/docs/datasets/audio_dataset#audiofolder
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows
from voicegen.export.tables import parquet_rows

FOLDER_ROWS: Final = 10_000
"""Files in a folder, as in a run."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/0000/000000.wav and so on beside SPLIT/metadata.parquet."""
    schema = pa.schema([pa.field("file_name", pa.string(), nullable=False), *rows.schema])
    for split in rows.splits:
        place = folder / split
        place.mkdir()
        with parquet_rows(place / "metadata.parquet", schema) as add:
            for row in rows.rows(split):
                add({"file_name": _write_audio(place, row), **row.values})


def _write_audio(place: Path, row: ExportRow) -> str:
    """Writes the row's audio and returns its name in the split's folder."""
    assert row.sound is not None  # the format holds no other rows
    assert row.file_name is not None
    name = f"{row.values['index'] // FOLDER_ROWS:04d}/{row.file_name}"
    path = place / name
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_bytes(row.sound.data)
    return name


SPEC: Final = Exporter(
    name="audiofolder",
    help="audio files and metadata.parquet, a folder a split: HF datasets' audiofolder, and people",
    write=write,
    load='datasets.load_dataset("audiofolder", data_dir="{folder}")',
    adds=("file_name",),
)
