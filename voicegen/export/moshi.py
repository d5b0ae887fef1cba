"""`--to moshi`: dialogues for kyutai's moshi-finetune: stereo WAVs, with the words of the answer and their times.

The format: https://github.com/kyutai-labs/moshi-finetune, README, "Prepare dataset": what Moshi says is on the left,
what the user says on the right; beside each WAV lies a JSON with `alignments`, and a JSONL has paths relative to it.
Words are those of `SPEAKER_MAIN`, who is Moshi. 24 kHz is the rate of its codec. A WAV is a row, or a conversation with
all of its turns.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from voicegen.errors import InputError
from voicegen.export.dialogue import Dialogue, Turn, dialogues
from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRows

_RATE: Final = 24_000
_MOSHI: Final = "SPEAKER_MAIN"


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT.jsonl and SPLIT/0000/000000.wav, SPLIT/0000/000000.json and so on."""
    for split in rows.splits:
        (folder / split).mkdir()
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for dialogue in dialogues(rows.rows(split)):
                path = f"{split}/{dialogue.turns[0].row.place_in(folder / split)}/{dialogue.name}"
                (folder / f"{path}.wav").write_bytes(_stereo(dialogue))
                words = [word for turn in dialogue.turns for word in _alignments(turn)]
                said = json.dumps({"alignments": words}, ensure_ascii=False)
                (folder / f"{path}.json").write_text(said, "utf-8")
                file.write(json.dumps({"path": f"{path}.wav", "duration": dialogue.duration}) + "\n")


def _alignments(turn: Turn) -> list[Any]:
    """Each word of the answer, its seconds in the dialogue, and who says it."""
    row, start = turn.row, turn.answer.start
    words = row.values.get("words")
    if not words:
        raise InputError(
            f'row {row.values["id"]!r} has no times of its words: leave it out, as by --where "words IS NOT NULL"'
        )
    return [[word["word"], [round(word["start"] + start, 3), round(word["end"] + start, 3)], _MOSHI] for word in words]


def _stereo(dialogue: Dialogue) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", _RATE, channels=2, format="WAV", subtype="PCM_16") as file:
        for name, tag in dialogue.answer.tags.items():
            setattr(file, name, tag)
        file.write(np.stack([dialogue.answer.samples, dialogue.question.samples], axis=1))
    return buffer.getvalue()


SPEC: Final = Exporter(
    name="moshi",
    help="stereo WAVs: answer left, question right; times of words: moshi-finetune; speak=both quality=strict",
    write=write,
    load='[json.loads(line) for line in open("{folder}/{split}.jsonl", encoding="utf-8")]',
    container="wav",
    sampling_rate=_RATE,
    beside=False,
    pairs=True,
    words=True,
)
