"""Questions and answers as two people say them: two tracks of one length, each silent while the other speaks."""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voicegen.bounds import Subtype
from voicegen.errors import InputError
from voicegen.export.rows import ExportRow
from voicegen.export.sound import Sound

PAUSE: Final = 0.2
"""Seconds of silence before the other speaks: the mean in ten languages (Stivers et al. 2009, PNAS)."""


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds of a dialogue in which somebody speaks."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of a dialogue, and when its question and its answer are said."""

    row: ExportRow
    question: Span
    answer: Span


@dataclass(frozen=True, slots=True)
class Track:
    """What one of the two says: float32 `samples` (N,) of the whole dialogue.

    `subtype` and `tags` are of the file of its first turn.
    """

    samples: NDArray[np.float32]
    subtype: Subtype
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns one after another, and both tracks at `sampling_rate` Hz."""

    turns: Sequence[Turn]
    question: Track
    answer: Track
    sampling_rate: int

    @classmethod
    def of(cls, rows: Sequence[ExportRow]) -> Dialogue:
        """The dialogue of a conversation's rows, or of one row.

        Raises:
            InputError: a row has not both clips, or they have not all the same rate.
        """
        sounds = [sound for row in rows for sound in _both(row)]
        rates = {sound.sampling_rate for sound in sounds}
        if len(rates) > 1:
            raise InputError(
                f"the clips of row {rows[0].values['id']!r} and of what follows it have {sorted(rates)} Hz: "
                "give --sample-rate"
            )
        [rate] = rates
        clips = [_read(sound.data) for sound in sounds]
        pause, at, starts = round(PAUSE * rate), 0, []
        for clip in clips:
            starts.append(at)
            at += len(clip.samples) + pause
        whole = at - pause
        spans = [
            Span(start / rate, (start + len(clip.samples)) / rate) for start, clip in zip(starts, clips, strict=True)
        ]
        question, answer = (_track(clips[side::2], starts[side::2], whole) for side in (0, 1))
        turns = [Turn(*turn) for turn in zip(rows, spans[::2], spans[1::2], strict=True)]
        return cls(turns, question, answer, rate)

    @property
    def name(self) -> str:
        """That of its first row."""
        return self.turns[0].row.name

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.answer.samples) / self.sampling_rate


def dialogues(rows: Iterable[ExportRow]) -> Iterator[Dialogue]:
    """The dialogues of rows in their order: one of all turns of a conversation, one of each row that stands alone."""
    return (Dialogue.of(list(turns)) for _, turns in groupby(rows, _talk))


def _talk(row: ExportRow) -> Hashable:
    conversation = row.values["conversation_id"]
    return ("row", row.name) if conversation is None else ("conversation", conversation)


def _both(row: ExportRow) -> tuple[Sound, Sound]:
    """The question's clip and the answer's."""
    if row.sound is None or row.question is None:
        raise InputError(
            f"row {row.values['id']!r} has not both its clips: leave it out, as by "
            '--where "question_audio_path IS NOT NULL"'
        )
    return row.question, row.sound


def _read(data: bytes) -> Track:
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return Track(file.read(dtype="float32"), file.subtype, file.copy_metadata())


def _track(clips: Sequence[Track], starts: Sequence[int], length: int) -> Track:
    """Clips from these samples on, in so many samples of silence."""
    samples = np.zeros(length, np.float32)
    for clip, start in zip(clips, starts, strict=True):
        samples[start : start + len(clip.samples)] = clip.samples
    return Track(samples, clips[0].subtype, clips[0].tags)
