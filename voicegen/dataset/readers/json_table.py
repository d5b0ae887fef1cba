"""Reads JSON objects, whose keys are the columns: one a line, or the items of one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from voicegen.dataset.readers.block import PythonBlock, Table
from voicegen.dataset.readers.json_array import array_rows
from voicegen.dataset.readers.json_kinds import column_field, value_kinds
from voicegen.dataset.readers.json_lines import line_rows
from voicegen.dataset.readers.text import first_sign
from voicegen.errors import InputError
from voicegen.remote import AnyPath
from voicegen.text.well_formed import well_formed


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Objects, one a line or in one array, whatever the file is called. A key that a row lacks is a null cell.

    A column's type is inferred over the whole file: text, boolean, int64 or float64 where every value is of that kind,
    JSON text otherwise (nested and mixed values), so that nothing is lost. Errors count rows and lines from 1.
    """

    path: AnyPath

    def survey(self) -> Table:
        """Reads every value once, to find the columns and the type of each."""
        rows, kinds = 0, dict[str, set[str]]()
        for block in self._rows(0):
            rows += len(block)
            if not set().union(*block) <= kinds.keys():
                new = dict.fromkeys(name for row in block for name in row)  # in order of first appearance
                kinds |= {name: set() for name in new if name not in kinds}
            for name, known in kinds.items():
                known |= value_kinds([row.get(name) for row in block])
        for name in kinds:
            if "\0" in name or well_formed(name) != name:
                raise InputError(f"{self.path}: the key {name!r} is not valid text: rename it.")
        return Table(rows, pa.schema([column_field(name, found) for name, found in kinds.items()]), kinds)

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[PythonBlock]:
        """Yields the rows from `start` on; `columns=None` gives the keys seen in each block, so name what you need."""
        for rows in self._rows(start):
            names = columns if columns is not None else dict.fromkeys(name for row in rows for name in row)
            yield PythonBlock(start, len(rows), {name: [row.get(name) for row in rows] for name in names})
            start += len(rows)

    def _rows(self, start: int) -> Iterator[list[dict[str, Any]]]:
        return (array_rows if first_sign(self.path) == "[" else line_rows)(self.path, start)
