"""`--to lhotse`: a CutSet and its audio files, a folder a split.

The format: https://lhotse.readthedocs.io/en/latest/cuts.html. Its audio paths are those of where the export lies; one
that is to be moved is better made with `--to lhotse-shar`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegen.export.destination import place_of
from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows
from voicegen.records import Side

if TYPE_CHECKING:
    from lhotse import AudioSource, MonoCut, Recording
    from lhotse.supervision import AlignmentItem

    from voicegen.export.sound import Sound

INSTALL: Final = "pip install lhotse urllib3"
"""Lhotse 1.33 imports urllib3, and does not say so."""

_ELSEWHERE: Final = frozenset(
    {"answer_spoken", "voice", "language", "words", "duration", "sampling_rate", "num_samples"}
)
"""Columns that a recording or a supervision has a place for."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/cuts.jsonl.gz beside SPLIT/0000/000000.wav and so on."""
    from lhotse import CutSet

    for split in rows.splits:
        place, there = folder / split, place_of(folder) / split
        place.mkdir()
        with CutSet.open_writer(place / "cuts.jsonl.gz") as writer:
            for row in rows.rows(split):
                paths: dict[Side, str | None] = {
                    "question": row.write_question(place),
                    "answer": row.write_audio(place),
                }
                for cut, _ in cuts_of(row, {side: str(there / str(path)) for side, path in paths.items()}):
                    writer.write(cut)


def cuts_of(row: ExportRow, paths: Mapping[Side, str] | None = None) -> Iterator[tuple[MonoCut, Sound]]:
    """A row's audio as a cut with one supervision, and the sound in it; columns of the manifest are custom fields.

    With `speak=both` its question comes before it as a cut of its own, and the custom field `side` says which is which.

    Args:
        row: has audio.
        paths: of its files; None where they are not in files of their own.
    """
    assert row.sound is not None  # the format holds no other rows
    if row.question is None:
        yield _cut(row, row.name, row.sound, "answer", paths, {}), row.sound
        return
    name = f"{row.name}-question"
    yield _cut(row, name, row.question, "question", paths, {"side": "question"}), row.question
    yield _cut(row, row.name, row.sound, "answer", paths, {"side": "answer"}), row.sound


def _cut(
    row: ExportRow, name: str, sound: Sound, side: Side, paths: Mapping[Side, str] | None, more: Mapping[str, Any]
) -> MonoCut:
    from lhotse import AudioSource, MonoCut, SupervisionSegment

    source = AudioSource("memory", [0], "") if paths is None else AudioSource("file", [0], paths[side])
    recording = recording_of(name, sound, source)
    values, asked = row.values, side == "question"
    others = {key: value for key, value in values.items() if value is not None and key not in _ELSEWHERE}
    said = SupervisionSegment(
        name,
        name,
        start=0.0,
        duration=recording.duration,
        text=values["question_spoken"] if asked else row.text,
        language=values["language"],
        speaker=values["question_voice"] if asked else values["voice"],
        alignment=words_of(values.get("question_words" if asked else "words")),
    )
    return MonoCut(
        name,
        start=0.0,
        duration=recording.duration,
        channel=0,
        recording=recording,
        supervisions=[said],
        custom={**json.loads(json.dumps(others, default=str)), **more},
    )


def recording_of(name: str, sound: Sound, source: AudioSource) -> Recording:
    """What Lhotse calls an audio file."""
    from lhotse import Recording

    rate, samples = sound.sampling_rate, sound.num_samples
    return Recording(name, [source], rate, samples, samples / rate)


def words_of(words: list[dict[str, Any]] | None, after: float = 0.0) -> dict[str, list[AlignmentItem]] | None:
    """Words with their times, so many seconds later, as Lhotse has them; None where they are not known."""
    from lhotse.supervision import AlignmentItem

    if not words:
        return None
    return {"word": [AlignmentItem(word["word"], word["start"] + after, word["end"] - word["start"]) for word in words]}


SPEC: Final = Exporter(
    name="lhotse",
    help="a CutSet and its audio files, a folder a split: Lhotse, icefall, NeMo",
    write=write,
    adds=("side",),
    load='lhotse.CutSet.from_file("{folder}/{split}/cuts.jsonl.gz")',
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
