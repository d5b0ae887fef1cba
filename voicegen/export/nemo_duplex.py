"""`--to nemo-duplex`: dialogues for NeMo's speech-to-speech models, as Lhotse's Shar.

The format is that of `DuplexS2SDataset`: https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/speechlm2/
datasets.html. A cut's `recording` has the question and its `target_audio` the answer, both as long as the cut, and two
supervisions say when who speaks: `user` and `agent`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegen.export.dialogue import Dialogue, Track
from voicegen.export.encoding import encoded
from voicegen.export.exporter import Exporter
from voicegen.export.lhotse import INSTALL, recording_of, words_of
from voicegen.export.lhotse_shar import SharFolder
from voicegen.export.rows import ExportRow, ExportRows
from voicegen.export.sound import Sound

if TYPE_CHECKING:
    from lhotse import MonoCut, SupervisionSegment

_FIELDS: Final = ("recording", "target_audio")
_ELSEWHERE: Final = frozenset(
    {"answer_spoken", "question_spoken", "words", "question_words", "language", "duration", "num_samples"}
)
"""Columns that a recording or a supervision has a place for."""


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/cuts.000000.jsonl.gz, SPLIT/recording.000000.tar, SPLIT/target_audio.000000.tar and so on."""
    for split in rows.splits:
        with SharFolder(folder / split, _FIELDS) as shar:
            for row in rows.rows(split):
                dialogue = Dialogue.of(row)
                sounds = [_sound(row, track, dialogue) for track in (dialogue.question, dialogue.answer)]
                shar.add(_cut(row, dialogue, sounds), sounds)


def _sound(row: ExportRow, track: Track, dialogue: Dialogue) -> Sound:
    assert row.sound is not None
    container, rate = row.sound.container, dialogue.sampling_rate
    data, _ = encoded(track.samples, rate, container, track.subtype, track.tags)
    return Sound(data, container, rate, len(track.samples), sha256(data).hexdigest())


def _cut(row: ExportRow, dialogue: Dialogue, sounds: list[Sound]) -> MonoCut:
    from lhotse import AudioSource, MonoCut

    asked, answered = (recording_of(row.name, sound, AudioSource("memory", [0], "")) for sound in sounds)
    others = {name: value for name, value in row.values.items() if value is not None and name not in _ELSEWHERE}
    return MonoCut(
        row.name,
        start=0.0,
        duration=asked.duration,
        channel=0,
        recording=asked,
        supervisions=[
            _supervision(row, "user", "question_spoken", "question_words", dialogue.question),
            _supervision(row, "agent", "answer_spoken", "words", dialogue.answer),
        ],
        custom={**json.loads(json.dumps(others, default=str)), "target_audio": answered},
    )


def _supervision(row: ExportRow, role: str, text: str, words: str, track: Track) -> SupervisionSegment:
    from lhotse import SupervisionSegment

    timed: list[dict[str, Any]] | None = row.values.get(words)
    return SupervisionSegment(
        f"{row.name}-{role}",
        row.name,
        start=track.start,
        duration=track.end - track.start,
        text=row.values[text],
        language=row.values["language"],
        speaker=role,
        alignment=words_of(timed, track.start),
    )


SPEC: Final = Exporter(
    name="nemo-duplex",
    help="Shar of dialogues, question as recording, answer as target_audio: NeMo's duplex models; of speak=both",
    write=write,
    load='lhotse.CutSet.from_shar(in_dir="{folder}/{split}")',
    adds=("target_audio",),
    beside=False,
    pairs=True,
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
