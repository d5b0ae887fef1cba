"""`--to audiofolder`: audio files and a table of what they say, a folder a split.

The format is Hugging Face's: https://huggingface.co/docs/datasets/audio_dataset#audiofolder
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRows
from voicegen.export.tables import parquet_rows

_QUESTION: Final = "question_audio_file_name"
"""With `speak=both`: `datasets` makes a column `question_audio` of it."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/0000/000000.wav and so on beside SPLIT/metadata.parquet."""
    question = [pa.field(_QUESTION, pa.string())] if rows.pairs else []
    schema = pa.schema([pa.field("file_name", pa.string(), nullable=False), *question, *rows.schema])
    for split in rows.splits:
        place = folder / split
        place.mkdir()
        with parquet_rows(place / "metadata.parquet", schema) as add:
            for row in rows.rows(split):
                asked = {_QUESTION: row.write_question(place)} if rows.pairs else {}
                add({"file_name": row.write_audio(place), **asked, **row.values})


SPEC: Final = Exporter(
    name="audiofolder",
    help="audio files and metadata.parquet, a folder a split: HF datasets' audiofolder, and people",
    write=write,
    load='datasets.load_dataset("audiofolder", data_dir="{folder}")',
    adds=("file_name", _QUESTION),
)
