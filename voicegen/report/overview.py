"""What a run of any length comes to, a batch of rows at a time; what is held of its rows does not grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicegen.report.statistics import MEASURES, added, measured, totals, worst

MOST_SAMPLED: Final = 200_000
"""Rows from which medians and histograms are taken: up to so many all, of more every second, fourth and so on."""

_NONE: Final = pd.Series(dtype="float64")


class EvenSample:
    """Every row of few, and of many every second, fourth and so on, so that at most `MOST_SAMPLED` are held.

    Attributes:
        known: how many of all rows have which measure.
    """

    def __init__(self) -> None:
        self.known: Counter[str] = Counter()
        self._parts: list[pd.DataFrame] = []
        self._step = 1
        self._seen = self._held = 0

    def add(self, measures: pd.DataFrame) -> None:
        """Takes the next rows: a column a measure, as `measured` gives them."""
        self.known.update({str(name): int(number) for name, number in measures.count().items()})
        taken = measures.iloc[-self._seen % self._step :: self._step].copy()  # or all rows stay in memory for them
        self._seen += len(measures)
        self._parts.append(taken)
        self._held += len(taken)
        while self._held > MOST_SAMPLED:
            self._parts = [self.rows().iloc[::2]]
            self._step, self._held = 2 * self._step, len(self._parts[0])

    def rows(self) -> pd.DataFrame:
        """Those that are held; a column for each measure that any of them has."""
        whole = pd.concat(self._parts, ignore_index=True) if self._parts else pd.DataFrame()
        return whole[[measure.name for measure in MEASURES if whole.get(measure.name, _NONE).notna().any()]]


@dataclass
class _Extremes:
    """The rows of the `each` highest and lowest values by each measure, by their places: the worst are among them."""

    each: int
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)

    def add(self, measures: pd.DataFrame) -> None:
        together = pd.concat([self.rows, measures])
        if len(together) > self.each:
            ends = [
                end.index
                for name in together
                for end in (together[name].nlargest(self.each), together[name].nsmallest(self.each))
            ]
            together = together.loc[np.unique(np.concatenate(ends))] if ends else together.iloc[:0]
        self.rows = together


@dataclass(frozen=True, slots=True)
class Overview:
    """What rows come to.

    Attributes:
        totals: as `statistics.totals` gives them.
        sample: an even sample of their measures, from which medians and histograms are taken.
        places: of the rows that a table of at most so many holds: of more those that need a look, and others evenly.
    """

    totals: dict[str, Any]
    sample: pd.DataFrame
    places: NDArray[np.int64]


def overview(batches: Iterable[pd.DataFrame], most: int) -> Overview:
    """Looks at rows in the manifest's order.

    Args:
        batches: rows with `status` and those of `statistics.COLUMNS`, and of what `totals` takes, that there are.
        most: the rows that a table can hold.
    """
    comes_to = totals(pd.DataFrame({"status": []}))
    sample = EvenSample()
    each = most // 4 // len(MEASURES)
    extremes = _Extremes(each)
    bad: list[int] = []
    rows = 0
    for batch in batches:
        placed = batch.set_axis(range(rows, rows + len(batch)))
        rows += len(batch)
        measures = measured(placed)
        comes_to = added(comes_to, totals(placed))
        sample.add(measures)
        extremes.add(measures)
        bad += placed.index[placed["status"] != "ok"][: most // 2 - len(bad)].tolist()
    sampled = sample.rows()
    if rows <= most:
        places = np.arange(rows)
    else:
        found = worst(extremes.rows[sampled.columns], sampled.median(), each)
        looked_at = np.unique(np.array([*bad, *found], np.int64))
        places = np.union1d(looked_at, _evenly(rows, looked_at, most - len(looked_at)))
    return Overview(comes_to, sampled, places)


def _evenly(rows: int, taken: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The places of so many rows from everywhere among those that are not `taken`, which are in order."""
    ranks = np.linspace(0, rows - len(taken) - 1, most).astype(np.int64)
    before = np.searchsorted(taken - np.arange(len(taken)), ranks, side="right")
    return ranks + before
