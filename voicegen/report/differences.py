"""What differs between rows of two runs that have the same id; knows manifests, not how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pandas as pd

from voicegen.report.statistics import MEASURES, Measure, measured

COMPARED: Final = {
    "question": "question",
    "answer": "answer",
    "answer_spoken": "spoken form",
    "status": "status",
    "voice": "voice",
    "split": "split",
    "audio_sha256": "audio file",
    "question_spoken": "spoken form of the question",
    "question_voice": "voice of the question",
    "question_audio_sha256": "audio file of the question",
}
"""Columns of the manifest that are compared, and what a difference in them is called."""


def differences(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Which rows differ, by what differs, as arrays of bools; of the columns that both have.

    Args:
        before: rows of the first run, with those of `COMPARED` that it has.
        after: the same rows of the second, in the same order.
    """
    return {
        what: _differ(before[column], after[column])
        for column, what in COMPARED.items()
        if column in before and column in after
    }


def medians(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[Measure, float, float]]:
    """Each measure that both have, with its medians in the first and the second, of rows that are good in both."""
    good = ((before["status"] == "ok") & (after["status"] == "ok")).to_numpy(dtype=bool)
    one, other = measured(before[good]), measured(after[good])
    for measure in MEASURES:
        if measure.name in one and measure.name in other:
            yield measure, float(one[measure.name].median()), float(other[measure.name].median())


def _differ(before: pd.Series, after: pd.Series) -> Any:
    same = (before == after) | (before.isna() & after.isna())
    return ~same.to_numpy(dtype=bool)
