"""Reads JSON Lines: one JSON object a line, whose keys are the columns. Blank lines are skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any

import pyarrow as pa

from voicegen.dataset.readers.block import BLOCK_ROWS, JSON_ENCODED, PythonBlock, Table
from voicegen.dataset.readers.text import open_text, refuse_encoding, refuse_nul
from voicegen.errors import InputError
from voicegen.text.well_formed import well_formed

EXACT_FLOAT = 2**53  # integers up to here are exact in float64
INT64 = 2**63


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """Objects, one a line. A key that a row lacks is a null cell.

    A column's type is inferred over the whole file: text, boolean, int64 or float64 where every value is of that kind,
    JSON text otherwise (nested and mixed values), so that nothing is lost. Errors count rows and lines from 1.
    """

    path: Path

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
        return Table(rows, pa.schema([column_field(name, found) for name, found in kinds.items()]))

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[PythonBlock]:
        """Yields the rows from `start` on; `columns=None` gives the keys seen in each block, so name what you need."""
        for rows in self._rows(start):
            names = columns if columns is not None else dict.fromkeys(name for row in rows for name in row)
            yield PythonBlock(start, len(rows), {name: [row.get(name) for row in rows] for name in names})
            start += len(rows)

    def _rows(self, start: int) -> Iterator[list[dict[str, Any]]]:
        parse_line = line_parser()
        try:
            with open_text(self.path) as stream:
                lines = islice((line for line in stream if not line.isspace()), start, None)
                while block := list(islice(lines, BLOCK_ROWS)):
                    try:
                        rows = list(map(parse_line, block))
                    except (ValueError, RecursionError) as error:
                        raise self._refuse_line() from error
                    if set(map(type, rows)) != {dict}:
                        raise self._refuse_line()
                    yield rows
        except UnicodeDecodeError as error:
            raise self._refuse_encoding() from error

    def _walk(self) -> Iterator[tuple[int, int, str]]:
        """Each row slowly, for error messages: row from 1, line from 1, text."""
        with open_text(self.path, errors="surrogateescape") as stream:
            row = 0
            for number, line in enumerate(stream, 1):
                if not line.isspace():
                    row += 1
                    yield row, number, line

    def _refuse_encoding(self) -> InputError:
        found = (row for row, _, line in self._walk() if any("\udc80" <= letter <= "\udcff" for letter in line))
        return refuse_encoding(self.path, next(found))

    def _refuse_line(self) -> InputError:
        for row, number, line in self._walk():
            where = f"{self.path}: row {row} (line {number})"
            try:
                value = json.loads(line)
            except RecursionError:
                return InputError(f"{where} is nested too deeply: flatten it.")
            except ValueError as error:
                return self._refuse_syntax(row, where, line, error)
            if not isinstance(value, dict):
                return InputError(f'{where} holds {value_kind(value)}, not an object such as {{"question": "..."}}.')
        raise AssertionError("a line was refused and then read")

    def _refuse_syntax(self, row: int, where: str, line: str, error: ValueError) -> InputError:
        if row == 1 and "\0" in line:
            return refuse_nul(self.path)
        if row == 1 and line.lstrip().startswith("["):
            remedy = "the file seems to be one JSON array: write one object a line (`jq -c '.[]' OLD > NEW`)"
        elif row == 1 and line.strip() == "{":
            remedy = "the file seems to be indented JSON: write one object a line (`jq -c . OLD > NEW`)"
        elif not line.endswith(("\n", "\r")):
            remedy = "the last line is cut short: get the whole file"
        else:
            remedy = "write one object a line, with line breaks inside a text as \\n"
        return InputError(f"{where} is not JSON ({error}): {remedy}.")


def line_parser() -> Callable[[str], Any]:
    """A parser of one line of JSON: half the time of `json.loads`, the same results and errors."""
    raw_decode = json.JSONDecoder().raw_decode

    def parse(line: str) -> Any:
        text = line.strip(" \t\r\n")
        value, end = raw_decode(text)
        return value if end == len(text) else json.loads(line)

    return parse


def value_kinds(values: Sequence[object]) -> set[str]:
    """The kinds of JSON values that occur in `values`."""
    types = set(map(type, values))
    if types <= {str, NoneType}:
        return {"text" if kind is str else "null" for kind in types}
    return set(map(value_kind, values))


def value_kind(value: object) -> str:
    """The kind of a JSON value, in the words of an error message."""
    if isinstance(value, str):
        return "text"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        if -EXACT_FLOAT <= value <= EXACT_FLOAT:
            return "an integer"
        return "a large integer" if -INT64 <= value < INT64 else "an integer of over 64 bits"
    if isinstance(value, float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def column_field(name: str, kinds: set[str]) -> pa.Field:
    """The Arrow field that holds values of all these kinds without loss."""
    kinds = kinds - {"null"}
    if kinds <= {"text"}:
        return pa.field(name, pa.string())
    if kinds == {"a boolean"}:
        return pa.field(name, pa.bool_())
    if kinds <= {"an integer", "a large integer"}:
        return pa.field(name, pa.int64())
    if kinds <= {"an integer", "a number"}:
        return pa.field(name, pa.float64())
    return pa.field(name, pa.string(), metadata=JSON_ENCODED)
