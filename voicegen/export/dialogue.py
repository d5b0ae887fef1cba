"""A question and its answer as two people say them: two tracks of one length, each silent while the other speaks."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voicegen.bounds import Subtype
from voicegen.errors import InputError
from voicegen.export.rows import ExportRow

PAUSE: Final = 0.2
"""Seconds between question and answer: the mean of conversations in ten languages (Stivers et al. 2009, PNAS)."""


@dataclass(frozen=True, slots=True)
class Track:
    """What one of the two says: float32 `samples` (N,) of the whole dialogue, in which it speaks from `start` to `end`.

    Seconds; `subtype` and `tags` are of the file that it comes from.
    """

    samples: NDArray[np.float32]
    start: float
    end: float
    subtype: Subtype
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Both tracks, at `sampling_rate` Hz."""

    question: Track
    answer: Track
    sampling_rate: int

    @classmethod
    def of(cls, row: ExportRow) -> Dialogue:
        """The dialogue of a row.

        Raises:
            InputError: the row has not both clips.
        """
        if row.sound is None or row.question is None:
            raise InputError(
                f"row {row.values['id']!r} has not both its clips: leave it out, as by "
                '--where "question_audio_path IS NOT NULL"'
            )
        rate = row.sound.sampling_rate
        (asked, *of_question), (answered, *of_answer) = _read(row.question.data), _read(row.sound.data)
        start = len(asked) + round(PAUSE * rate)
        whole = start + len(answered)
        return cls(
            Track(np.pad(asked, (0, whole - len(asked))), 0.0, len(asked) / rate, *of_question),
            Track(np.pad(answered, (start, 0)), start / rate, whole / rate, *of_answer),
            rate,
        )

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.answer.samples) / self.sampling_rate


def _read(data: bytes) -> tuple[NDArray[np.float32], Any, Mapping[str, str]]:
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        return file.read(dtype="float32"), file.subtype, file.copy_metadata()
