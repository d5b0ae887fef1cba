"""`--to nemo-duplex`: dialogues for NeMo's speech-to-speech models, as Lhotse's Shar.

The format is that of `DuplexS2SDataset`: https://docs.nvidia.com/nemo-framework/user-guide/latest/nemotoolkit/speechlm2/
datasets.html. A cut is a row, or a whole conversation. Its `recording` has the questions and its `target_audio` the
answers, both as long as the cut, and supervisions say when who speaks: `user` and `agent`, by turns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from voicegen.export.dialogue import Dialogue, Span, Track, Turn, dialogues
from voicegen.export.encoding import encoded
from voicegen.export.exporter import Exporter
from voicegen.export.lhotse import INSTALL, recording_of, words_of
from voicegen.export.lhotse_shar import SharFolder
from voicegen.export.rows import ExportRows
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
            for dialogue in dialogues(rows.rows(split)):
                sounds = [_sound(track, dialogue) for track in (dialogue.question, dialogue.answer)]
                shar.add(_cut(dialogue, sounds), sounds)


def _sound(track: Track, dialogue: Dialogue) -> Sound:
    first = dialogue.turns[0].row.sound
    assert first is not None
    container, rate = first.container, dialogue.sampling_rate
    data, _ = encoded(track.samples, rate, container, track.subtype, track.tags)
    return Sound(data, container, rate, len(track.samples), sha256(data).hexdigest())


def _cut(dialogue: Dialogue, sounds: list[Sound]) -> MonoCut:
    from lhotse import AudioSource, MonoCut

    asked, answered = (recording_of(dialogue.name, sound, AudioSource("memory", [0], "")) for sound in sounds)
    return MonoCut(
        dialogue.name,
        start=0.0,
        duration=asked.duration,
        channel=0,
        recording=asked,
        supervisions=[said for turn in dialogue.turns for said in _supervisions(dialogue, turn)],
        custom={"turns": [_columns(turn) for turn in dialogue.turns], "target_audio": answered},
    )


def _columns(turn: Turn) -> dict[str, Any]:
    """The manifest's columns of a turn, as JSON has them."""
    others = {key: value for key, value in turn.row.values.items() if value is not None and key not in _ELSEWHERE}
    found: dict[str, Any] = json.loads(json.dumps(others, default=str))
    return found


def _supervisions(dialogue: Dialogue, turn: Turn) -> Iterator[SupervisionSegment]:
    """What is said in a turn: by `user`, then by `agent`."""
    from lhotse import SupervisionSegment

    sides: list[tuple[str, str, str, Span]] = [
        ("user", "question_spoken", "question_words", turn.question),
        ("agent", "answer_spoken", "words", turn.answer),
    ]
    for role, text, words, span in sides:
        timed: list[dict[str, Any]] | None = turn.row.values.get(words)
        yield SupervisionSegment(
            f"{turn.row.name}-{role}",
            dialogue.name,
            start=span.start,
            duration=span.end - span.start,
            text=turn.row.values[text],
            language=turn.row.values["language"],
            speaker=role,
            alignment=words_of(timed, span.start),
        )


SPEC: Final = Exporter(
    name="nemo-duplex",
    help="Shar of dialogues, question as recording, answer as target_audio: NeMo's duplex models; of speak=both",
    write=write,
    load='lhotse.CutSet.from_shar(in_dir="{folder}/{split}")',
    adds=("target_audio", "turns"),
    beside=False,
    pairs=True,
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
