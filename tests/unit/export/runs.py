"""Finished runs to export, made by the parts that a run is made by."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.finished_rows import FinishedRows, failed_row, spoken_row
from voicegen.audio.audio_file import encode_clip
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations, RowRelations
from voicegen.dataset.splits import Shares
from voicegen.files import write_atomic
from voicegen.records import ManifestRow, Speech, SpokenQuestion, Utterance
from voicegen.store import Store

RATE = 22_050
MADE_BY = Provenance("chat", "r1", "tts", "r2", "en", "hash")


def finished_run(
    folder: Path,
    statuses: Sequence[str] = ("ok",) * 5,
    words: bool = False,
    extra: str = "topic",
    voices: Sequence[str] = ("ann", "bob"),
    shares: Shares = Shares(),  # noqa: B008 - frozen
    provenance: Provenance = MADE_BY,
    asked: bool = False,
    talks: Sequence[str] = (),
) -> Path:
    """A run of a row a status: tones of different lengths, a voice and an extra column of the input by turns.

    With `words`, the two words of an answer share its first 90 ms. With `asked`, questions are spoken, too.
    With `talks`, rows are turns of conversations: each says of which.
    """
    questions = folder.parent / f"{folder.name}.csv"
    with questions.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "question", extra, "talk"] if talks else ["id", "question", extra])
        lines.writerows(
            [f"q{n}", f"Was ist {n}, größer als “{n - 1}”?", ["even", "odd"][n % 2], *talks[n : n + 1]]
            for n in range(len(statuses))
        )
    rows = [_row(folder, index, status, words, voices[index % 2]) for index, status in enumerate(statuses)]
    if asked:
        rows = [_with_question(folder, row) if row.status == "ok" else row for row in rows]
    file_of_questions = QuestionFile(questions, conversation_column="talk" if talks else None)
    relations = RowRelations(QuestionRelations(file_of_questions, shares), answers_per_question=1)
    write_manifest(Store(folder), file_of_questions, FinishedRows(rows), provenance, relations=relations)
    return folder


def _with_question(folder: Path, row: ManifestRow) -> ManifestRow:
    samples = (0.2 * np.sin(np.arange(RATE // 20 * (row.index + 2)) / 30)).astype(np.float32)
    path = f"audio/{row.index:06d}.question.wav"
    clip, data = encode_clip(Speech(Utterance(row.index, "-", "eve", side="question"), samples, RATE), row.index, path)
    write_atomic(folder / clip.path, data)
    return replace(row, question_spoken=f"What is {row.index}?", asked=SpokenQuestion("ok", voice="eve", clip=clip))


def _row(folder: Path, index: int, status: str, words: bool, voice: str) -> ManifestRow:
    if status == "failed":
        return failed_row(index)
    time = np.arange(RATE // 10 * (index + 1)) / RATE
    samples = (0.3 * np.sin(2 * np.pi * (200 + 20 * index) * time)).astype(np.float32)
    place = "rejected" if status == "rejected" else "audio"
    clip, data = encode_clip(Speech(Utterance(index, "-"), samples, RATE), index, f"{place}/{index:06d}.wav")
    write_atomic(folder / clip.path, data)
    times = {"words": f'[["Answer", 0.01, 0.05], ["{index}.", 0.05, 0.09]]'} if words else {}
    row = spoken_row(index, clip=clip, voice=voice, scores=times)
    return row if status == "ok" else replace(row, status="rejected", error="tts: too short")


def taken_from(row: dict[str, Any]) -> str | None:
    """The path of the audio of a row of a manifest, from which all is taken that says where in the run audio lies."""
    path: str | None = row["audio_path"]
    for of in ("", "question_"):
        for column in ("audio_path", "audio_offset", "audio_size"):
            del row[f"{of}{column}"]
    return path
