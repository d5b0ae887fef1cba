"""`--to ljspeech`: metadata.csv and wavs/, a folder a split, as LJ Speech has them and many TTS trainers read.

The format: https://keithito.com/LJ-Speech-Dataset/. Lines are ID|text|text with nothing quoted: both texts are what is
said, of which `|` and the ends of lines become spaces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRows


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/metadata.csv and SPLIT/wavs/000000.wav and so on."""
    for split in rows.splits:
        wavs = folder / split / "wavs"
        wavs.mkdir(parents=True)
        with (folder / split / "metadata.csv").open("w", encoding="utf-8", newline="\n") as file:
            for row in rows.rows(split):
                for name, data in row.files:
                    (wavs / name).write_bytes(data)
                text = " ".join(row.text.replace("|", " ").split())
                file.write(f"{row.name}|{text}|{text}\n")


SPEC: Final = Exporter(
    name="ljspeech",
    help="metadata.csv and wavs/, a folder a split, as LJ Speech: Piper, Coqui, ESPnet, ...",
    write=write,
    load='torchaudio.datasets.LJSPEECH("{folder}", url="{split}")',
    container="wav",
    answers_alone=True,
)
