"""Two runs side by side: which row of the first is which of the second, and what differs between them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from voicegen.errors import InputError
from voicegen.report.differences import SOUND, differences, medians
from voicegen.report.rows import MOST_PICTURES, MOST_ROWS, RunRows

_NONE: Final = -1  # the place of a row that a run does not have


class RunPair:
    """Two runs as a page shows them: the rows of both by their ids, in the second's order, then those it lacks.

    Args:
        before: the first run.
        after: the second.

    Raises:
        InputError: they are the same, or have no row in common.
        OutputError: their files cannot be read.
    """

    def __init__(self, before: RunRows, after: RunRows) -> None:
        if before.folder.samefile(after.folder):
            raise InputError(f"{before.root} and {after.root} are the same run: give two")
        one, other = before.compared(), after.compared()
        both = one.index.intersection(other.index, sort=False)
        if not len(both):
            raise InputError(
                f"{before.root} and {after.root} have no row in common, by their ids: give two runs of the same input"
            )
        self._medians = list(medians(one.loc[both], other.loc[both]))
        ids = other.index.append(one.index.difference(other.index, sort=False))
        # (P, 2): the places of each row in the first and in the second
        places = np.stack([one.index.get_indexer(ids), other.index.get_indexer(ids)], axis=1)
        what = _what(one, other, places, (f"only in {before.name}", f"only in {after.name}"))
        ranks = _ranks(what, places)
        kept = _first(ranks, MOST_ROWS)
        self._places, self._what, self._ranks = places[kept], what[kept], ranks[kept]
        pictured = self._places[_first(self._ranks, MOST_PICTURES)]
        self.before, self.after = (
            rows.only(*_shown(self._places[:, side], pictured[:, side])) for side, rows in enumerate((before, after))
        )

    def head(self) -> dict[str, Any]:
        """What the page needs to open: the second run's as if it were alone, and under `pair` what comes beside it."""
        codes, names = pd.factorize(self._what)
        return {
            **self.after.head(beside=self.before),
            "pair": {
                "before": self.before.head(beside=self.after),
                "folder": self._folder(),
                "places": {
                    name: _in_table(self._places[:, side]) for side, name in enumerate(("before", "after"))
                },
                "difference": {
                    "names": [str(name) or "none" for name in names],
                    "codes": codes.tolist(),
                    "ranks": self._ranks.tolist(),
                },
                "medians": [
                    {"label": measure.label, "unit": measure.unit, "digits": measure.digits, "values": [one, other]}
                    for measure, one, other in self._medians
                ],
            },
        }  # fmt: skip

    def _folder(self) -> str:
        """The way from the page to the first run's files, as a URL that ends with a slash."""
        before, after = self.before.folder, self.after.folder
        try:
            way = os.path.relpath(before, after)
        except ValueError:  # on another drive of Windows
            raise InputError(f"{before} and {after} are on two drives: move one run beside the other") from None
        return quote(way.replace(os.sep, "/")) + "/"


def _what(one: pd.DataFrame, other: pd.DataFrame, places: NDArray[np.int64], only: tuple[str, str]) -> NDArray[Any]:
    """What differs in each row, as text; an empty one where nothing does."""
    what = np.full(len(places), "", object)
    for side, text in enumerate(only):
        what[places[:, 1 - side] == _NONE] = text
    shared = np.flatnonzero((places != _NONE).all(1))
    before, after = (rows.iloc[places[shared, side]] for side, rows in enumerate((one, other)))
    for name, differ in differences(before, after).items():
        rows = shared[differ]
        what[rows] = [f"{text}, {name}" if text else name for text in what[rows]]
    return what


def _ranks(what: NDArray[Any], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """What comes first: 0 rows whose texts or verdicts differ, 1 of one run alone, 2 other sound, 3 the same."""
    of = {text: 3 if not text else 2 if SOUND.issuperset(text.split(", ")) else 0 for text in set(what)}
    return np.where((places == _NONE).any(1), 1, [of[text] for text in what])


def _first(ranks: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The places of at most so many rows, in order: by their ranks, and from everywhere in the last that fits."""
    found = np.empty(0, np.int64)
    for rank in np.unique(ranks):
        found = np.union1d(found, _evenly(np.flatnonzero(ranks == rank), most - len(found)))
    return found


def _evenly(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return places if len(places) <= most else places[np.linspace(0, len(places) - 1, most).astype(int)]


def _shown(places: NDArray[np.int64], pictured: NDArray[np.int64]) -> tuple[Sequence[int], Sequence[int]]:
    """Which rows of a run its table holds, and the places there of those that have a picture."""
    kept = np.unique(places[places != _NONE])
    wanted = np.unique(pictured[pictured != _NONE])
    return kept.tolist(), np.searchsorted(kept, wanted).tolist()


def _in_table(places: NDArray[np.int64]) -> list[int]:
    """The places in the table of a run, where those in its manifest are given."""
    kept = np.unique(places[places != _NONE])
    return np.where(places == _NONE, _NONE, np.searchsorted(kept, places)).tolist()  # type: ignore[no-any-return]
