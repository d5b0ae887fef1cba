"""Which of very many keys are the same, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from voicegen.scratch.by_part import ByPart

_BITS: Final = 8
_RECORD: Final = np.dtype([("key", "<u8"), ("place", "<u4")])
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 by the golden ratio: keys need not be spread by themselves


class Alike(NamedTuple):
    """Places that have the key of another, those of a key together and in the order in which they were added.

    Attributes:
        keys: uint64 (N,), sorted.
        places: int64 (N,).
        first: for each, the first of its key, int64 (N,).
        before: for each, the last before it of its key, or itself, int64 (N,).
    """

    keys: NDArray[np.uint64]
    places: NDArray[np.int64]
    first: NDArray[np.int64]
    before: NDArray[np.int64]


class SameKeys:
    """Takes keys, each with its place, and says which are the same.

    Raises:
        OutputError: by any method: the disk for temporary files is full or cannot be used.
    """

    def __init__(self) -> None:
        self._records = ByPart(_RECORD, 1 << _BITS)
        self._sizes = np.zeros(1 << _BITS, np.int64)

    def add(self, keys: NDArray[np.uint64], places: NDArray[np.int64]) -> None:
        """Takes keys; places are below 2**32."""
        records = np.empty(len(keys), _RECORD)
        records["key"], records["place"] = keys, places
        parts = ((keys * _SPREAD) >> np.uint64(64 - _BITS)).astype(np.int64)
        self._records.add(parts, records)
        self._sizes += np.bincount(parts, minlength=len(self._sizes))

    def alike(self) -> Iterator[Alike]:
        """The places whose key is there more than once, some of the keys at a time."""
        for number in np.flatnonzero(self._sizes > 1).tolist():  # of a small run, hardly any
            records = self._records.part(number)
            order = np.argsort(records["key"], kind="stable")
            keys = records["key"][order]
            same = keys[1:] == keys[:-1]
            kept = np.zeros(len(keys), bool)
            kept[1:] |= same
            kept[:-1] |= same
            if kept.any():
                yield _alike(keys[kept], records["place"][order[kept]].astype(np.int64))


def _alike(keys: NDArray[np.uint64], places: NDArray[np.int64]) -> Alike:
    at = np.arange(len(keys))
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    starts = np.maximum.accumulate(np.where(new, at, 0))
    return Alike(keys, places, places[starts], places[np.maximum(at - 1, starts)])
