"""The files of an input as one table, whose rows are numbered through; one file is open at a time."""

from __future__ import annotations

import hashlib
import json
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from voicegen.dataset.columns import free_name
from voicegen.dataset.readers import open_reader
from voicegen.dataset.readers.block import Block, Table, arrow_array, refuse_too_many
from voicegen.dataset.readers.merged_columns import MergedColumns
from voicegen.dataset.source_files import SourceFile
from voicegen.errors import InputError
from voicegen.remote import AnyPath, RemotePath

_COARSE: Final = 2_000_000_000
"""Nanoseconds that a disk's times are true to, at the least."""

_TOLD_BY_CONTENT: Final = ("s3", "s3a", "gs", "gcs", "hf", "memory")
"""Where a file that has changed has another tag."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file's size in bytes, and when it was changed, or what its store has for that: to notice an edit.

    A file of this machine has two times, in ns: that of its bytes, which anybody can set, and that of what the system
    knows of it.
    """

    size: int
    changed: tuple[int, ...] | str

    @classmethod
    def of(cls, path: AnyPath) -> FileStamp:
        """The stamp of the file at `path`.

        Raises:
            InputError: There is no such file, it is empty, or it may not be read.
        """
        stamp = cls(*path.stamp()) if isinstance(path, RemotePath) else cls._of_file(path)
        if not stamp.size:
            raise InputError(f"{path}: the file is empty: it needs at least one question.")
        return stamp

    @classmethod
    def _of_file(cls, path: Path) -> FileStamp:
        try:
            status = path.stat()
            with path.open("rb"):
                pass
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file (looked in {path.absolute().parent}).") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be opened: {error.strerror}.") from error
        return cls(status.st_size, (status.st_mtime_ns, status.st_ctime_ns))


@dataclass(frozen=True, slots=True)
class SurveyedFile:
    """A file that was looked through: where its rows are, and what is the same in all of them.

    `is_settled` says whether a change that came after it was looked through shows in its stamp.
    """

    file: SourceFile
    first: int
    rows: int
    columns: frozenset[str]
    stamp: FileStamp
    is_settled: bool
    sha256: str

    def unchanged(self, stamp: FileStamp) -> FileStamp:
        """The file's stamp now; if it is another than `stamp`, the content must be the same."""
        path = self.file.path
        now = FileStamp.of(path)
        if now != stamp and _sha256(path) != self.sha256:
            raise InputError(
                f"{path}: the file has changed since the run began, so rows no longer match: put the old file "
                "back and run again, or start anew with another name=... or output_dir=..."
            )
        return now


class InputTable(Protocol):
    """A whole input as one table, and how messages name it and its rows."""

    named: str

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[Block]:
        """As a `Reader` gives them."""

    def place(self, row: int) -> str:
        """File and row, as an error names it; `row` from 1 in the whole input."""

    def places(self, *rows: int) -> str:
        """Rows, from 1, as a sentence names them, with their files where there are several."""


class InputFiles:
    """A `Reader` and an `InputTable` of several files.

    Rows have the columns that are in any of the files, those that the names of folders give, and, where there is more
    than one file, one that says which file the row is from.

    Args:
        files: in the order of their rows.
        named: what they are called together, for messages.
        surveyed: the files where they were looked through before.
        source: the column that says which file a row is from, where that is known.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        named: str,
        surveyed: Sequence[SurveyedFile] = (),
        source: str | None = None,
    ) -> None:
        self.named = named
        self.source = source
        self._files = files
        self._surveyed = surveyed

    @property
    def surveyed(self) -> Sequence[SurveyedFile]:
        """The files as they were looked through."""
        return self._surveyed

    @property
    def sha256(self) -> str:
        """Of the one file's bytes; of several, of their hashes and of what their folders say. In hex."""
        given = [[each.sha256, each.file.folders] for each in self._surveyed]
        if len(given) == 1 and not given[0][1]:
            return self._surveyed[0].sha256
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()

    def survey(self) -> Table:
        """Reads every row of every file once.

        Raises:
            InputError: A file cannot be read, has changed meanwhile, or has no column that others have.
        """
        columns = MergedColumns()
        first_with: dict[str, AnyPath] = {}
        surveyed: list[SurveyedFile] = []
        seen: dict[frozenset[str], frozenset[str]] = {}
        rows = 0
        for file in self._files:
            stamp = FileStamp.of(file.path)
            is_settled = _is_settled(file.path, stamp)
            table = open_reader(file.path, file.format).survey()
            _refuse_twice(file, table)
            names = frozenset(table.schema.names)
            names = seen.setdefault(names, names)  # most files have the same: one set for all
            surveyed.append(SurveyedFile(file, rows, table.rows, names, stamp, is_settled, _sha256(file.path)))
            columns.add(table)
            columns.add(Table.of_texts(file.folders, table.rows))
            first_with = {**dict.fromkeys([*names, *file.folders], file.path), **first_with}
            rows += table.rows
            refuse_too_many(self.named, rows)
        _refuse_missing(surveyed, first_with)
        self._surveyed = surveyed
        schema = columns.schema
        if len(self._files) > 1:
            self.source = free_name(("source", "source_file"), schema.names)
            schema = schema.append(pa.field(self.source, pa.string()))
        return Table(rows, schema)

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[Block]:
        """Yields the rows from `start` on, each only if its file is still as surveyed once it is read."""
        for each in self._surveyed:
            if each.first + each.rows <= start:
                continue
            said = {**each.file.folders, **({} if self.source is None else {self.source: str(each.file.path)})}
            needed = None if columns is None else [name for name in columns if name not in said]
            stamp = each.unchanged(each.stamp)
            reader = open_reader(each.file.path, each.file.format)
            for block in reader.blocks(needed, max(start - each.first, 0)):
                stamp = each.unchanged(stamp)
                yield _FileBlock(block, each.first + block.start, said) if said or each.first else block

    def place(self, row: int) -> str:
        """File and row, as an error names it; `row` from 1 in the whole input."""
        path, number = self._in_file(row)
        return f"{path}: row {number}"

    def places(self, *rows: int) -> str:
        """Rows, from 1, as a sentence names them, with their files where there are several."""
        if len(self._surveyed) == 1:
            return f"row{'s' if len(rows) > 1 else ''} {' and '.join(map(str, rows))}"
        return " and ".join(f"row {number} of {path}" for path, number in map(self._in_file, rows))

    def _in_file(self, row: int) -> tuple[AnyPath, int]:
        """The file that has a row, and the row's number in it, both from 1."""
        each = self._surveyed[bisect_right(self._surveyed, row - 1, key=lambda each: each.first) - 1]
        return each.file.path, row - each.first


@dataclass(frozen=True, slots=True)
class _FileBlock:
    """A block of one of several files: `start` counts through all of them, and `said` is the same in all its rows."""

    block: Block
    start: int
    said: Mapping[str, str | None]

    def __len__(self) -> int:
        return len(self.block)

    def cells(self, column: str) -> Sequence[Any]:
        return [self.said[column]] * len(self) if column in self.said else self.block.cells(column)

    def arrow(self, field: pa.Field) -> pa.Array:
        return arrow_array(self.cells(field.name), field.type) if field.name in self.said else self.block.arrow(field)


def _refuse_missing(surveyed: Sequence[SurveyedFile], first_with: Mapping[str, AnyPath]) -> None:
    for each in surveyed:
        if each.file.format in ("json", "jsonl"):  # a key that is not there is an empty cell
            continue
        for name, path in first_with.items():
            if name not in each.columns and name not in each.file.folders:
                raise InputError(
                    f"{each.file.path}: it has no column {name!r}, which {path} has: give all files the same columns, "
                    "or name in questions.path those alone that belong together."
                )


def _refuse_twice(file: SourceFile, table: Table) -> None:
    for name in file.folders:
        if name in table.schema.names:
            raise InputError(f"{file.path}: column {name!r} is in the file and in a folder's name: rename one of them.")


def _is_settled(path: AnyPath, stamp: FileStamp) -> bool:
    """Whether a change from now on gives a file another stamp: not on the web, nor where times are too coarse."""
    if isinstance(path, RemotePath):
        return path.protocol in _TOLD_BY_CONTENT
    return isinstance(stamp.changed, tuple) and max(stamp.changed) < time.time_ns() - _COARSE


def _sha256(path: AnyPath) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
