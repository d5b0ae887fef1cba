"""Checks over all rows that need only a few bytes a row: ids are unique, turns of a conversation ascend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class KeyHashes:
    """64-bit hashes of one key a row, 8 bytes each. Equal keys have equal hashes in the process that made them."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []

    def add(self, keys: Sequence[str]) -> None:
        """Adds the keys of the next rows."""
        self._parts.append(np.fromiter(map(hash, keys), np.int64, len(keys)))

    def array(self) -> NDArray[np.int64]:
        """All hashes, one a row: `(N,)`."""
        return np.concatenate([np.empty(0, np.int64), *self._parts])


def repeated(hashes: NDArray[np.int64]) -> set[int]:
    """The hashes that occur more than once: candidates only, as different keys may share one."""
    ordered = np.sort(hashes)
    return set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())


def first_repeats(keys: Iterable[str], among: set[int], limit: int) -> list[tuple[str, int, int]]:
    """The first `limit` keys that occur again, each with the row of its first and second place, from 1."""
    first: dict[str, int] = {}
    found: list[tuple[str, int, int]] = []
    for row, key in enumerate(keys, 1):
        if hash(key) not in among:
            continue
        if key in first:
            found.append((key, first[key], row))
            if len(found) == limit:
                break
        else:
            first[key] = row
    return found


def places(conversations: NDArray[np.int64]) -> NDArray[np.int32]:
    """The place of each row in its conversation, from 1, by order in the file; `(N,)` to `(N,)`."""
    order = np.argsort(conversations, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(conversations[order])) + 1][: len(order)]
    lengths = np.diff(starts, append=len(order))
    ranks = np.empty(len(order), np.int32)
    ranks[order] = np.arange(len(order)) - np.repeat(starts, lengths) + 1
    return ranks


def first_gap(conversations: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[int, int] | None:
    """The first two neighbours in one conversation with another conversation's row between them: both indexes.

    `rows` are the indexes, ascending, of the rows that belong to a conversation at all; the others may lie anywhere.
    """
    order = np.argsort(conversations[rows], kind="stable")
    same = np.diff(conversations[rows][order]) == 0
    return _earliest(rows[order], same & (np.diff(order) != 1))


def first_descent(conversations: NDArray[np.int64], turns: NDArray[np.int32]) -> tuple[int, int] | None:
    """The first row whose turn is not above that of the row before it in its conversation: both indexes."""
    order = np.argsort(conversations, kind="stable")
    same = np.diff(conversations[order]) == 0
    return _earliest(order, same & (np.diff(turns[order]) <= 0))


def _earliest(order: NDArray[np.int64], wrong: NDArray[np.bool_]) -> tuple[int, int] | None:
    found = np.flatnonzero(wrong)
    if not len(found):
        return None
    at = found[np.argmin(order[found + 1])]
    return int(order[at]), int(order[at + 1])
