"""`--to lhotse`: a CutSet and its audio files, a folder a split.

The format: https://lhotse.readthedocs.io/en/latest/cuts.html. Its audio paths are those of where the export lies; one
that is to be moved is better made with `--to lhotse-shar`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegen.export.destination import place_of
from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows

if TYPE_CHECKING:
    from lhotse import AudioSource, MonoCut, SupervisionSegment

INSTALL: Final = "pip install lhotse urllib3"
"""Lhotse 1.33 imports urllib3, and does not say so."""

_ELSEWHERE: Final = frozenset(
    {"answer_spoken", "voice", "language", "words", "duration", "sampling_rate", "num_samples"}
)
"""Columns that a recording or a supervision has a place for."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/cuts.jsonl.gz beside SPLIT/0000/000000.wav and so on."""
    from lhotse import AudioSource, CutSet

    for split in rows.splits:
        place = folder / split
        place.mkdir()
        with CutSet.open_writer(place / "cuts.jsonl.gz") as writer:
            for row in rows.rows(split):
                path = place_of(folder) / split / row.write_audio(place)
                writer.write(cut_of(row, AudioSource("file", [0], str(path))))


def cut_of(row: ExportRow, source: AudioSource) -> MonoCut:
    """A row with audio as a cut with one supervision; columns of the manifest are its custom fields."""
    from lhotse import MonoCut, Recording

    assert row.sound is not None
    rate, samples = row.sound.sampling_rate, row.sound.num_samples
    recording = Recording(row.name, [source], rate, samples, samples / rate)
    others = {name: value for name, value in row.values.items() if value is not None and name not in _ELSEWHERE}
    return MonoCut(
        row.name,
        start=0.0,
        duration=recording.duration,
        channel=0,
        recording=recording,
        supervisions=[_supervision(row, recording.duration)],
        custom=json.loads(json.dumps(others, default=str)),
    )


def _supervision(row: ExportRow, duration: float) -> SupervisionSegment:
    """What is said, in which language, by which voice, and when each word is, where that is known."""
    from lhotse import SupervisionSegment
    from lhotse.supervision import AlignmentItem

    words: list[dict[str, Any]] | None = row.values.get("words")
    return SupervisionSegment(
        row.name,
        row.name,
        start=0.0,
        duration=duration,
        text=row.values["answer_spoken"],
        language=row.values["language"],
        speaker=row.values["voice"],
        alignment=words
        and {"word": [AlignmentItem(word["word"], word["start"], word["end"] - word["start"]) for word in words]},
    )


SPEC: Final = Exporter(
    name="lhotse",
    help="a CutSet and its audio files, a folder a split: Lhotse, icefall, NeMo",
    write=write,
    load='lhotse.CutSet.from_file("{folder}/{split}/cuts.jsonl.gz")',
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
