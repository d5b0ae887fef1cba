"""What every reader gives: a survey of the table, then blocks of rows in input order."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from voicegen.errors import InputError
from voicegen.text.well_formed import well_formed

BLOCK_ROWS = 2048
MAX_ROWS = 500_000_000
"""Rows that an input may have: a small compressed file can hold any number."""
JSON_ENCODED = {b"encoding": b"json"}  # field metadata: each cell is the JSON text of what the input held


def refuse_too_many(named: object, rows: int) -> None:
    """Refuses an input of so many rows where they are too many.

    Raises:
        InputError: says how many there may be.
    """
    if rows > MAX_ROWS:
        raise InputError(f"{named}: it has {rows:,} rows, more than the {MAX_ROWS:,} that a run may have: split it.")


@dataclass(frozen=True, slots=True)
class Table:
    """What a survey found: the number of rows, and the Arrow type of each column.

    Of a text format also the kinds of values in each column (`json_kinds`), from which its type was inferred; None of
    a format that has types.
    """

    rows: int
    schema: pa.Schema
    kinds: Mapping[str, Collection[str]] | None = None

    @classmethod
    def of_texts(cls, names: Collection[str], rows: int) -> Table:
        """A table whose columns hold texts."""
        return cls(rows, pa.schema([pa.field(name, pa.string()) for name in names]), dict.fromkeys(names, ("text",)))


class Block(Protocol):
    """Consecutive rows."""

    @property
    def start(self) -> int:
        """Index of the first row, from 0."""

    def __len__(self) -> int:
        """Number of rows."""

    def cells(self, column: str) -> Sequence[Any]:
        """The column as Python values, one a row; `None` where there is none."""

    def arrow(self, field: pa.Field) -> pa.Array:
        """The column named and typed by `field`, as an Arrow array."""


class Reader(Protocol):
    """Reads one file of one format, always from its beginning and never whole."""

    def survey(self) -> Table:
        """Reads every row once, and refuses what cannot be read.

        Raises:
            InputError: Says in which row or line, and what to do.
        """

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[Block]:
        """Yields the rows from `start` on, in order; `columns` names those needed (`None`: all)."""


@dataclass(frozen=True, slots=True)
class PythonBlock:
    """A block of Python values, from a text format."""

    start: int
    rows: int
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        """Number of rows."""
        return self.rows

    def cells(self, column: str) -> Sequence[Any]:
        """The column's Python values."""
        return self.columns[column]

    def arrow(self, field: pa.Field) -> pa.Array:
        """The column as Arrow, with JSON text for a field marked `JSON_ENCODED`."""
        values = self.columns[field.name]
        return arrow_array(json_texts(values) if is_json_encoded(field) else values, field.type)


@dataclass(frozen=True, slots=True)
class ArrowBlock:
    """A block of Arrow columns, from Parquet."""

    start: int
    batch: pa.RecordBatch

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.batch.num_rows)

    def cells(self, column: str) -> Sequence[Any]:
        """The column's Python values."""
        values: list[Any] = self.batch.column(column).to_pylist()
        return values

    def arrow(self, field: pa.Field) -> pa.Array:
        """The column as it was read, or in the type that holds it beside those of other files."""
        column = self.batch.column(field.name)
        if is_json_encoded(field):
            return arrow_array(json_texts(column.to_pylist()), field.type)
        return column if column.type == field.type else column.cast(field.type)


def is_json_encoded(field: pa.Field) -> bool:
    """Whether each cell of the column is to be the JSON text of what the input held."""
    return bool((field.metadata or {}).items() >= JSON_ENCODED.items())


def json_texts(values: Sequence[Any]) -> list[str | None]:
    """Each value as JSON, and what JSON has no form for as text in it."""
    return [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values]


def arrow_array(values: Sequence[Any], type: pa.DataType) -> pa.Array:
    """An Arrow array of `values`, in which text that UTF-8 cannot hold is made `well_formed`."""
    try:
        return pa.array(values, type)
    except UnicodeEncodeError:
        return pa.array([value if value is None else well_formed(value) for value in values], type)
