"""Reads CSV (RFC 4180) and TSV: quoted cells may hold delimiters, newlines and doubled quotes. Cells are strings.

A CSV file's cells are separated by what its first line declares (`sep=;`, which Excel writes and heeds); else by
semicolons, as Excel has it where commas are in numbers, if the header has more of them than of commas.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from voicegen.dataset.readers.block import BLOCK_ROWS, PythonBlock, Table
from voicegen.dataset.readers.text import open_text, refuse_encoding, refuse_nul
from voicegen.errors import InputError
from voicegen.remote import AnyPath

OTHER_DELIMITERS = {
    "\t": "set questions.format=tsv",
    "|": "separate cells by commas",
    ",": "set questions.format=csv",
}
_DECLARED = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
CELL_LIMIT = 16 * 2**20  # characters: a longer cell is a quote that was never closed


@dataclass(frozen=True, slots=True)
class DelimitedReader:
    """A text table with a header line. Blank lines are skipped; a row of another width than the header is refused.

    Errors count rows from 1, the first one after the header, and lines of the file from 1.
    """

    path: AnyPath
    delimiter: str | None = None  # None: as the file has it

    def survey(self) -> Table:
        """Counts the rows and checks each one's width, quotes and encoding."""
        header = self._header()
        rows = sum(len(block) for block in self.blocks(()))
        return Table.of_texts(header, rows)

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[PythonBlock]:
        """Yields the rows from `start` on; all columns, whatever `columns` names, as they cost nothing more."""
        header = self._header()
        try:
            with self._open() as (reader, _):
                lines = filter(None, reader)  # a blank line is an empty list
                next(lines, None)  # the header
                rows = islice(lines, start, None)
                while block := list(islice(rows, BLOCK_ROWS)):
                    if set(map(len, block)) != {len(header)}:
                        raise self._refuse_width(header)
                    cells = zip(*block, strict=True) if columns is None or columns else ()
                    yield PythonBlock(start, len(block), dict(zip(header, cells, strict=False)))
                    start += len(block)
        except UnicodeDecodeError as error:
            raise self._refuse_encoding() from error
        except csv.Error as error:
            raise self._refuse_quotes(error) from error

    @contextmanager
    def _open(self, errors: str = "strict") -> Iterator[tuple[Any, int]]:
        """A CSV reader that begins with the header, and the number of lines before what it reads."""
        csv.field_size_limit(max(csv.field_size_limit(), CELL_LIMIT))
        with open_text(self.path, errors) as stream:
            begin = _first_lines(stream)
            declared = _DECLARED.fullmatch(begin[-1]) if begin else None
            delimiter = declared[1] if declared else self.delimiter or usual_delimiter("".join(begin[-1:]))
            lines = stream if declared else chain(begin, stream)
            yield csv.reader(lines, delimiter=delimiter, strict=True), len(begin) if declared else 0

    def _header(self) -> list[str]:
        try:
            with self._open() as (reader, _):
                names = next(filter(None, reader), None)
        except UnicodeDecodeError as error:
            raise self._refuse_encoding() from error
        except csv.Error as error:
            raise self._refuse_quotes(error) from error
        if names is None:
            raise InputError(f"{self.path}: the file is empty: it needs a header line and one row a question.")
        if any("\0" in name for name in names):
            raise refuse_nul(self.path)
        names = [name.strip() or f"column_{place}" for place, name in enumerate(names, 1)]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(f"{self.path}: the header names column {twice[0]!r} more than once: rename one of them.")
        return names

    def _walk(self) -> Iterator[tuple[int, int, list[str]]]:
        """Each row slowly, for error messages: number from 1 (0: the header), first line from 1, cells."""
        with self._open(errors="surrogateescape") as (reader, before):
            line, row = before + 1, 0
            for cells in reader:
                if cells:
                    yield row, line, cells
                    row += 1
                line = before + reader.line_num + 1

    def _refuse_other_delimiter(self) -> InputError | None:
        with open_text(self.path, errors="surrogateescape") as stream:
            header = "".join(_first_lines(stream)[-1:]).rstrip("\r\n")
        cells = len(next(csv.reader([header], delimiter=self.delimiter or usual_delimiter(header)), []))
        other = other_delimiter(header, cells)
        return None if other is None else InputError(f"{self.path}: {other}")

    def _refuse_width(self, header: list[str]) -> InputError:
        if (other := self._refuse_other_delimiter()) is not None:
            return other
        row, line, cells = next(found for found in self._walk() if len(found[2]) != len(header))
        found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
        return InputError(
            f"{self.path}: row {row} (line {line}) has {found} and the header has {len(header)}: put double "
            "quotes around a cell that holds the delimiter or a line break; if it is the last row, the file is cut "
            "short."
        )

    def _refuse_encoding(self) -> InputError:
        row = -1
        with suppress(csv.Error):
            for row, _, cells in self._walk():
                if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
                    return refuse_encoding(self.path, row)
        return refuse_encoding(self.path, row + 1)

    def _refuse_quotes(self, error: csv.Error) -> InputError:
        if (other := self._refuse_other_delimiter()) is not None:
            return other
        row, line = -1, 0
        with suppress(csv.Error):
            for row, line, _ in self._walk():  # noqa: B007
                pass
        where = "the header" if row < 0 else f"row {row + 1} (after line {line})"
        return InputError(
            f"{self.path}: {where} cannot be read ({error}): a double quote is left open or stands inside a cell: "
            'write "" for a quote in a quoted cell; if it is the last row, the file is cut short.'
        )


def _first_lines(stream: TextIO) -> list[str]:
    """The lines up to the first that is not blank."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if not line.isspace():
            break
    return lines


def usual_delimiter(header: str) -> str:
    """What separates the cells of a CSV file with this header."""
    unquoted = _unquoted(header)
    return ";" if unquoted.count(";") > unquoted.count(",") else ","


def _unquoted(header: str) -> str:
    """The header without what is in quotes, where a mark separates nothing."""
    return re.sub(r'"[^"]*"', '""', header)


def other_delimiter(header: str, cells: int) -> str | None:
    """What to say and do where a mark splits the header into more cells than it was read as, else `None`."""
    unquoted = _unquoted(header)
    for mark, remedy in OTHER_DELIMITERS.items():
        if 0 < cells <= unquoted.count(mark):
            return f"the header {header!r} seems to be separated by {mark!r}: {remedy}."
    return None
