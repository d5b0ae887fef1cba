"""What the rows of a run are like: totals, how the measures are spread, and which rows are worst by each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicegen.records import STATUSES

BARS: Final = 32
"""Of a histogram, at most."""

_OUTER: Final = 0.005  # of the rows on either side are counted with the outermost bars, or one row would stretch all


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that each row has.

    Attributes:
        name: what it is called in the page's data.
        columns: of the manifest that it is taken from: the first of them that is not null.
        worst: which rows are shown first: those of the highest or lowest values, or those furthest from the median.
        drawn: whether it has a histogram.
    """

    name: str
    label: str
    columns: tuple[str, ...]
    worst: Literal["high", "low", "far"]
    unit: str = ""
    digits: int = 2
    drawn: bool = False


_OF_ANSWERS: Final = (
    Measure("duration", "Duration", ("duration",), "far", "s", 1, drawn=True),
    Measure("rate", "Syllables", ("speaking_rate",), "far", "/s", 1, drawn=True),
    Measure("pace", "Pace", ("pace",), "far", "×", 2, drawn=True),
    Measure("loudness", "Loudness", ("loudness", "lufs"), "far", "LUFS", 1, drawn=True),
    Measure("wer", "Word errors", ("wer",), "high", "", 3, drawn=True),
    Measure("attempts", "Attempts", ("attempts",), "high", "", 0, drawn=True),
    Measure("mos", "Opinion (DNSMOS)", ("mos",), "low", "", 2, drawn=True),
    Measure("cer", "Letter errors", ("cer",), "high", "", 3),
    Measure("misheard", "Misheard in one place", ("misheard",), "high", "sounds", 1),
    Measure("put_in", "Put in", ("put_in",), "high", "sounds", 1),
    Measure("repeated", "Said twice", ("repeated",), "high", "s", 2),
    Measure("silence", "Longest pause", ("silence_within",), "high", "s", 2),
    Measure("peak", "Peak", ("peak",), "high", "dBFS", 1),
)
_OF_QUESTIONS: Final = (
    Measure("question_duration", "Question: duration", ("question_duration",), "far", "s", 1, drawn=True),
    Measure("question_pace", "Question: pace", ("question_measures.pace",), "far", "×", 2, drawn=True),
    Measure("question_loudness", "Question: loudness", ("question_measures.loudness",), "far", "LUFS", 1),
    Measure("question_wer", "Question: word errors", ("question_measures.wer",), "high", "", 3, drawn=True),
    Measure("question_mos", "Question: opinion (DNSMOS)", ("question_measures.mos",), "low", "", 2),
)
"""Of the question's clip where that is beside the answer's."""

MEASURES: Final = (*_OF_ANSWERS, *_OF_QUESTIONS)
_CLIPS: Final = ("audio_path", "question_audio_path")
COLUMNS: Final = tuple(dict.fromkeys((*_CLIPS, *(column for measure in MEASURES for column in measure.columns))))
"""Of the manifest that measures are taken from, with one that says of which clip; where there is a dot, of a struct."""


def measured(manifest: pd.DataFrame) -> pd.DataFrame:
    """A column a measure, of those that any row has; NaN where a row has none.

    Args:
        manifest: rows with those of `COLUMNS` that the manifest has.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for measure in MEASURES if _beside(manifest) else _OF_ANSWERS:
        values = np.full(len(manifest), np.nan)
        for column in measure.columns:
            if column in manifest:
                values = np.where(np.isnan(values), manifest[column].to_numpy("float64", na_value=np.nan), values)
        if not np.isnan(values).all():
            found[measure.name] = values
    return pd.DataFrame(found, index=manifest.index)


def _beside(manifest: pd.DataFrame) -> bool:
    """Whether any question has a clip beside its answer's: with `speak=question` it is the row's own."""
    if not set(_CLIPS).issubset(manifest.columns):
        return False
    own, question = (manifest[column] for column in _CLIPS)
    return bool((question.notna() & (question != own)).any())


def totals(manifest: pd.DataFrame) -> dict[str, Any]:
    """What the run comes to, as numbers: of rows by status, seconds of audio in good rows, takes, and their cost.

    Rows whose question's clip is rejected are counted among those rejected, and by themselves.

    Args:
        manifest: rows with `status`, and with `audio_path`, `question_audio_path`, `question_status`, `duration`,
            `question_duration`, `attempts`, `wer`, `chat_seconds`, `tts_seconds` where there.

    Returns:
        Among them `wer`, the mean of the good rows of which it is known, and their number, `heard`.
    """
    good = manifest[manifest["status"] == "ok"]
    asked = manifest if _beside(manifest) else manifest.iloc[:0]
    return {
        "rows": len(manifest),
        **{status: int((manifest["status"] == status).sum()) for status in STATUSES},
        "question_rejected": int((asked["question_status"] == "rejected").sum()) if "question_status" in asked else 0,
        "seconds": _sum(good, "duration"),
        "question_seconds": _sum(asked[asked["status"] == "ok"], "question_duration") or 0.0,
        "takes": int(_sum(manifest, "attempts") or 0),
        "heard": int(good["wer"].count()) if "wer" in good else 0,
        "wer": _mean(good, "wer"),
        "compute": (_sum(manifest, "chat_seconds") or 0.0) + (_sum(manifest, "tts_seconds") or 0.0),
    }


def added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The totals of two parts of a run together."""
    together = {
        name: None if one[name] is other[name] is None else (one[name] or 0) + (other[name] or 0) for name in one
    }
    errors = sum(part["wer"] * part["heard"] for part in (one, other) if part["heard"])
    return together | {"wer": errors / together["heard"] if together["heard"] else None}


def histogram(values: pd.Series, measure: Measure, beside: pd.Series | None = None) -> dict[str, Any]:
    """How often which values are there.

    Args:
        values: at least one of which is not NaN.
        measure: what they are.
        beside: those of another histogram, which is to have the same bars.

    Returns:
        `edges`, one more than `counts`; the outermost bars count what lies beyond them, too. `median`, and `from` and
        `to`, the least and the greatest value.
    """
    known = values.dropna().to_numpy()
    edges = _edges(known if beside is None else np.concatenate([known, beside.dropna().to_numpy()]), measure)
    counts, _ = np.histogram(np.clip(known, edges[0], np.nextafter(edges[-1], -np.inf)), edges)
    return {
        "edges": [round(float(edge), 6) for edge in edges],
        "counts": [int(count) for count in counts],
        "median": float(np.median(known)),
        "from": float(known.min()),
        "to": float(known.max()),
    }


def _edges(known: NDArray[np.float64], measure: Measure) -> NDArray[np.float64]:
    low, high = np.quantile(known, [_OUTER, 1 - _OUTER])
    if measure.digits == 0:
        edges = np.arange(np.floor(low), np.floor(high) + 2)
        edges = edges[:: max(1, -(-len(edges) // BARS))]
        return edges if len(edges) > 1 else np.array([low, low + 1])
    least = 10.0**-measure.digits
    return np.linspace(low, max(high, low + least), min(BARS, max(2, round((high - low) / least))) + 1)


def worst(measures: pd.DataFrame, medians: pd.Series, each: int) -> Sequence[Any]:
    """The labels of rows that are among the `each` worst by some measure, the worst of every measure first.

    Args:
        measures: a column each.
        medians: of all rows, by the measure's name.
        each: how many.
    """
    orders = [
        _badness(measures[measure.name], measure, medians[measure.name]).nlargest(each).index.to_numpy()
        for measure in MEASURES
        if measure.name in measures
    ]
    ranked = (order[place] for place in range(each) for order in orders if place < len(order))
    return list(dict.fromkeys(ranked))


def _badness(values: pd.Series, measure: Measure, median: float) -> pd.Series:
    """How bad each row is by a measure; NaN where it has none."""
    if measure.worst == "far":
        return (values - median).abs()
    return values if measure.worst == "high" else -values


def _sum(rows: pd.DataFrame, column: str) -> float | None:
    return float(rows[column].sum()) if column in rows else None


def _mean(rows: pd.DataFrame, column: str) -> float | None:
    return float(rows[column].mean()) if column in rows and rows[column].notna().any() else None
