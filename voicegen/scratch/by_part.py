"""Records in parts, each of which fits into memory: very many of them sorted by two passes over the disk."""

from __future__ import annotations

import tempfile
from typing import IO, Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from voicegen.scratch.disk import telling_of_scratch

_TOGETHER: Final = 2**18
"""Records that are kept in memory before they go to the disk."""


class ByPart:
    """Takes records in any order, each for a part, and gives them back a part at a time, in the order of arrival.

    Up to 262,144 of them lie in memory, others in a temporary file.

    Args:
        type: of a record, as numpy has it.
        parts: how many there are, 65,536 at the most.

    Raises:
        OutputError: by any method: the disk for temporary files is full or cannot be used.
    """

    def __init__(self, type: DTypeLike, parts: int) -> None:
        self.parts = parts
        self._type = np.dtype(type)
        self._waiting: list[tuple[NDArray[np.uint16], NDArray[Any]]] = []
        self._count = 0  # of those
        self._in_order: tuple[NDArray[np.int64], NDArray[Any]] | None = (
            None  # the same by part, once that was asked for
        )
        self._file: IO[bytes] | None = None
        self._written: list[NDArray[np.int64]] = []  # where in the file each part of a piece begins, and the last ends

    def add(self, parts: NDArray[Any], records: NDArray[Any]) -> None:
        """Takes records, each for the part of that number."""
        if not len(records):
            return
        self._waiting.append((parts.astype(np.uint16), records))
        self._count += len(records)
        self._in_order = None
        if self._count >= _TOGETHER:
            self._write()

    def part(self, number: int) -> NDArray[Any]:
        """The records of a part."""
        found = []
        for begins in self._written:
            start, stop = (int(place) * self._type.itemsize for place in begins[number : number + 2])
            if start < stop:
                assert self._file is not None
                with telling_of_scratch():
                    self._file.seek(start)
                    found.append(np.frombuffer(self._file.read(stop - start), self._type))
        if self._waiting:
            self._in_order = self._in_order or self._sorted()
            begins, records = self._in_order
            found.append(records[begins[number] : begins[number + 1]])
        return np.concatenate(found) if found else np.empty(0, self._type)

    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Where among what waits, by part, each part begins, and the last ends; and the records so."""
        parts, records = (np.concatenate(columns) for columns in zip(*self._waiting, strict=True))
        order = np.argsort(parts, kind="stable")
        return np.searchsorted(parts[order], np.arange(self.parts + 1)), records[order]

    def _write(self) -> None:
        begins, records = self._sorted()
        self._waiting, self._count = [], 0
        with telling_of_scratch():
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this does
            self._file.seek(0, 2)
            first = self._file.tell() // self._type.itemsize
            self._file.write(records.tobytes())
        self._written.append(first + begins)
