"""A record of fixed width for each place, in a temporary file; none of it stays in memory."""

from __future__ import annotations

import mmap
import tempfile
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voicegen.scratch.disk import telling_of_scratch


class ByPlace:
    """Records by place, from 0; what was never put is zeros.

    Args:
        type: of a record, as numpy has it.

    Raises:
        OutputError: by any method: the disk for temporary files is full or cannot be used.
    """

    def __init__(self, type: DTypeLike) -> None:
        self.type = np.dtype(type)
        self._end = 0
        with telling_of_scratch():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this does

    def __len__(self) -> int:
        """One past the last place that was put."""
        return self._end

    def put(self, places: NDArray[np.int64], records: NDArray[Any]) -> None:
        """Puts a record at each of some places."""
        if not len(places):
            return
        size, data = self.type.itemsize, np.ascontiguousarray(records, self.type.base)
        breaks = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        with telling_of_scratch():
            for start, stop in pairwise(breaks):
                self._file.seek(int(places[start]) * size)
                self._file.write(data[start:stop].tobytes())
        self._end = max(self._end, int(places.max()) + 1)

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """The records of places from `start` to `stop`, in order."""
        size = self.type.itemsize
        with telling_of_scratch():
            self._file.seek(start * size)
            data = self._file.read((stop - start) * size)
        return np.frombuffer(data.ljust((stop - start) * size, b"\0"), self.type)

    def at(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The record of each of some places, wherever they are."""
        found = np.zeros(len(places), self.type)
        if known := np.flatnonzero(places < self._end).tolist():
            with telling_of_scratch():
                self._file.flush()
                # mapped for this call alone: what it reads is no longer the process's memory when it returns
                with mmap.mmap(self._file.fileno(), self._end * self.type.itemsize, access=mmap.ACCESS_READ) as memory:
                    records = np.frombuffer(memory, self.type)
                    found[known] = records[places[known]]
                    del records
        return found
