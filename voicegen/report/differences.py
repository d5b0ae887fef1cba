"""What differs between rows of two runs that have the same id; knows manifests, not how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicegen.report.statistics import MEASURES, Measure, measured


class _Audio(NamedTuple):
    """The columns that have the SHA-256 of a clip's samples and of its file."""

    samples: str
    file: str


_TEXTS: Final = {
    "question": "question",
    "answer": "answer",
    "answer_spoken": "spoken form",
    "status": "status",
    "voice": "voice",
    "split": "split",
    "question_spoken": "spoken form of the question",
    "question_voice": "voice of the question",
}
"""Columns of the manifest that are compared, and what a difference in them is called."""

_AUDIO: Final = {
    "audio": _Audio("audio_samples_sha256", "audio_sha256"),
    "audio of the question": _Audio("question_audio_samples_sha256", "question_audio_sha256"),
}
"""What a difference between two clips is called."""

SOUND: Final = frozenset(_AUDIO)
"""The differences that are heard alone."""

COMPARED: Final = (*_TEXTS, *(column for audio in _AUDIO.values() for column in audio))
"""Columns of the manifest that are compared."""


def differences(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Which rows differ, by what differs, as arrays of bools; of the columns that both have.

    Two clips differ where their samples do. Of a row that one of the runs made before a hash of them was kept that is
    not known, and it differs where the files do, whose tags name their run.

    Args:
        before: rows of the first run, with those of `COMPARED` that it has.
        after: the same rows of the second, in the same order.
    """
    texts = {what: _differ(before, after, column) for column, what in _TEXTS.items()}
    sounds = {what: _sounds_differ(before, after, audio) for what, audio in _AUDIO.items()}
    return {what: differ for what, differ in (*texts.items(), *sounds.items()) if differ is not None}


def files_alone(before: pd.DataFrame, after: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows have files with other bytes and the same samples; arguments as of `differences`."""
    alone = np.zeros(len(before), np.bool_)
    for audio in _AUDIO.values():
        files, sounds = _differ(before, after, audio.file), _sounds_differ(before, after, audio)
        if files is not None and sounds is not None:
            alone |= files & ~sounds
    return alone


def medians(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[Measure, float, float]]:
    """Each measure that both have, with its medians in the first and the second, of rows that are good in both."""
    good = ((before["status"] == "ok") & (after["status"] == "ok")).to_numpy(dtype=bool)
    one, other = measured(before[good]), measured(after[good])
    for measure in MEASURES:
        if measure.name in one and measure.name in other:
            yield measure, float(one[measure.name].median()), float(other[measure.name].median())


def _sounds_differ(before: pd.DataFrame, after: pd.DataFrame, audio: _Audio) -> NDArray[np.bool_] | None:
    files, samples = _differ(before, after, audio.file), _differ(before, after, audio.samples)
    if files is None or samples is None:
        return files
    known = (before[audio.samples].notna() & after[audio.samples].notna()).to_numpy(dtype=bool)
    return np.where(known, samples, files)


def _differ(before: pd.DataFrame, after: pd.DataFrame, column: str) -> NDArray[np.bool_] | None:
    if column not in before or column not in after:
        return None
    one, other = before[column], after[column]
    same = (one == other) | (one.isna() & other.isna())
    return ~same.to_numpy(dtype=bool)
