"""What is kept in memory of finished rows: a few bytes each, of most rows in a file that the system maps.

Knows numbers by row, and nothing of what they mean.
"""

from __future__ import annotations

import io
import json
import mmap
from array import array
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 2**20
"""Rows looked at together."""

_ALIGNED: Final = 64  # bytes
_FORMAT: Final = 1


class Column:
    """A number a row, growing; what was never set is the default.

    One thread may read it while another sets.

    Args:
        code: the type, as `array` and numpy both name it.
        default: of rows that have none.
        base: of the first rows.
    """

    def __init__(self, code: str, default: int = 0, base: NDArray[Any] | None = None) -> None:
        self.code = code
        self._default = default
        self._parts: tuple[NDArray[Any], array[Any]] = (np.zeros(0, code) if base is None else base, array(code))

    def __len__(self) -> int:
        """One past the last row that was set."""
        base, tail = self._parts
        return len(base) + len(tail)

    def __getitem__(self, index: int) -> Any:
        """The number of a row."""
        base, tail = self._parts
        if index < len(base):
            return base[index].item()
        return tail[index - len(base)] if index < len(base) + len(tail) else self._default

    def __setitem__(self, index: int, number: float) -> None:
        base, tail = self._parts
        if index < len(base):
            base[index] = number
            return
        missing = index + 1 - len(base) - len(tail)
        if missing > 0:
            if number == self._default:
                return  # as it is; so what no row has takes no memory
            tail.extend(array(self.code, [self._default]) * missing)
        tail[index - len(base)] = number

    def part(self, start: int, stop: int) -> NDArray[Any]:
        """A copy of the numbers of rows from `start` to `stop`, which may not be set yet."""
        base, tail = self._parts
        found = [base[start:stop], np.array(tail[max(start - len(base), 0) : max(stop - len(base), 0)], self.code)]
        missing = stop - start - sum(map(len, found))
        return np.concatenate([*found, np.full(max(missing, 0), self._default, self.code)])

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Parts of the rows from `start` to `stop`, or to the last, each with its first row."""
        end = len(self) if stop is None else min(stop, len(self))
        for first in range(start, end, BLOCK):
            yield first, self.part(first, min(first + BLOCK, end))

    def rebase(self, base: NDArray[Any]) -> None:
        """Takes other memory for the first rows, with the same numbers."""
        _, tail = parts = self._parts
        self._parts = base, tail[len(base) - len(parts[0]) :]


def save(
    path: Path, head: Mapping[str, Any], columns: Mapping[str, Column], on_record: Mapping[int, Mapping[str, int]]
) -> None:
    """Writes columns to a file.

    Args:
        path: of the file.
        head: what else is to be known of them, as JSON has it.
        columns: by their names.
        on_record: numbers to write in the place of those in the columns, by row and name of the column.
    """
    lengths = {name: (column.code, len(column)) for name, column in columns.items()}
    others = np.array(sorted(on_record), np.int64)
    with path.open("wb") as file:
        _write_aligned(file, json.dumps({**head, "format": _FORMAT, "columns": lengths}).encode() + b"\n")
        for name, column in columns.items():
            for first, numbers in column.blocks(0, lengths[name][1]):
                within = slice(*np.searchsorted(others, (first, first + len(numbers))))
                for index in others[within].tolist():
                    numbers[index - first] = on_record[index].get(name, numbers[index - first])
                file.write(numbers.data)
            file.write(bytes(-file.tell() % _ALIGNED))


def load(file: BufferedReader) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The head and the columns of a file that `save` has written; changes in them do not reach it.

    Raises:
        ValueError: it is none.
        KeyError, TypeError: it is none.
    """
    head = json.loads(file.readline())
    if head["format"] != _FORMAT:
        raise ValueError(f"format {head['format']}")
    offset = file.tell() + -file.tell() % _ALIGNED
    memory = _memory(file)
    found = {}
    for name, (code, length) in head["columns"].items():
        found[name] = np.frombuffer(memory, code, length, offset)
        offset += found[name].nbytes + -found[name].nbytes % _ALIGNED
    return head, found


def _write_aligned(file: io.BufferedWriter, data: bytes) -> None:
    file.write(data + bytes(-len(data) % _ALIGNED))


def _memory(file: BufferedReader) -> Any:
    """The bytes of a file, mapped where the system can."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (AttributeError, OSError):  # of another kind of store
        file.seek(0)
        return bytearray(file.read())
