"""`--to nemo`: NeMo's manifest, a JSON object a line, beside its audio files, a folder a split.

The format: https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/asr/datasets.html. Audio paths are
relative to the manifest, so that the folder may be moved.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows

_NEMOS: Final = ("audio_filepath", "question_audio_filepath", "text", "lang", "offset", "sample_rate", "_skipme")
"""Names that mean something to NeMo, and that no column of the input must have."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/manifest.jsonl beside SPLIT/0000/000000.wav and so on."""
    for split in rows.splits:
        place = folder / split
        place.mkdir()
        with (place / "manifest.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows.rows(split):
                entry = _entry(row, row.write_audio(place), row.write_question(place))
                file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")


def _entry(row: ExportRow, path: str, question: str | None) -> dict[str, Any]:
    entry = {
        "audio_filepath": path,
        "question_audio_filepath": question,
        "text": row.text,
        "lang": row.values["language"],
        **row.values,
    }
    return {name: value for name, value in entry.items() if value is not None}


SPEC: Final = Exporter(
    name="nemo",
    help="manifest.jsonl and its audio files, a folder a split: NeMo",
    write=write,
    adds=_NEMOS,
    load='[json.loads(line) for line in open("{folder}/{split}/manifest.jsonl", encoding="utf-8")]',
)
