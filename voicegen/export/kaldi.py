"""`--to kaldi`: a Kaldi data folder a split.

The format: https://kaldi-asr.org/doc/data_prep.html. Utterances are called SPEAKER-NUMBER, so that sorting by them
sorts by speakers too, as Kaldi wants it. Audio paths are those of where the export lies.
"""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import IO, Final

from voicegen.errors import InputError
from voicegen.export.destination import place_of
from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows

_TABLES: Final = ("wav.scp", "text", "utt2spk", "utt2lang", "utt2dur", "reco2dur")


def write(rows: ExportRows, folder: Path) -> None:
    """Writes the tables in SPLIT, and beside them 0000/000000.wav and so on."""
    for split in rows.splits:
        (folder / split).mkdir()
        with _Tables(folder / split) as tables:
            for row in rows.rows(split):
                tables.add(row, place_of(folder) / split / row.write_audio(folder / split))


class _Tables:
    """The tables of a data folder: one of each for a speaker, which are joined in the end, since all must be sorted.

    A speaker's rows come in the order of their numbers, so that nothing else is to be sorted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._voices: dict[str, str | None] = {}
        self._files: dict[str, list[IO[str]]] = {}
        self._open = ExitStack()

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._open.close()
        if kind is None:
            self._join()

    def add(self, row: ExportRow, path: Path) -> None:
        """Adds a row whose audio comes to lie at `path`."""
        speaker = self._speaker(row.values["voice"])
        name, duration = f"{speaker}-{row.name}", f"{row.values['duration']:.6f}"
        text = " ".join(row.text.split())
        cells = (str(path), text, speaker, row.values["language"] or "und", duration, duration)
        for file, cell in zip(self._files[speaker], cells, strict=True):
            file.write(f"{name} {cell}\n")

    def _speaker(self, voice: str | None) -> str:
        speaker = re.sub(r"[^A-Za-z0-9_.]", "_", voice or "voice")
        if self._voices.setdefault(speaker, voice) != voice:
            raise InputError(
                f"the voices {self._voices[speaker]!r} and {voice!r} would both be Kaldi's speaker {speaker}: "
                "export one at a time, by --where \"voice = '...'\""
            )
        if speaker not in self._files:
            parts = (self._part(table, speaker) for table in _TABLES)
            self._files[speaker] = [
                self._open.enter_context(part.open("w", encoding="utf-8", newline="\n")) for part in parts
            ]
        return speaker

    def _part(self, table: str, speaker: str) -> Path:
        return self._folder / f".{table}.{speaker}"

    def _join(self) -> None:
        for table in _TABLES:
            with (self._folder / table).open("wb") as whole:
                for speaker in sorted(self._files):
                    part = self._part(table, speaker)
                    with part.open("rb") as file:
                        shutil.copyfileobj(file, whole)
                    part.unlink()
        with (
            (self._folder / "utt2spk").open(encoding="utf-8") as pairs,
            (self._folder / "spk2utt").open("w", encoding="utf-8", newline="\n") as file,
        ):
            for speaker, lines in groupby(map(str.split, pairs), key=itemgetter(1)):
                file.write(speaker)
                file.writelines(f" {name}" for name, _ in lines)
                file.write("\n")


SPEC: Final = Exporter(
    name="kaldi",
    help="wav.scp, text, utt2spk and the other tables, a data folder a split: Kaldi, ESPnet, ...",
    write=write,
    load='kaldiio.load_scp("{folder}/{split}/wav.scp")',
    container="wav",
    answers_alone=True,
)
