"""What a look at a large input found, kept beside a run of it, so that its next session need not look again.

It is no record: without it, where a file of the input has changed, or where it is of another version, all is looked at.
"""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

from voicegen import __version__
from voicegen.dataset.columns import ColumnNames
from voicegen.dataset.input_files import FileStamp, InputFiles, InputTable, SurveyedFile
from voicegen.dataset.message_rows import MessageRows
from voicegen.dataset.source_files import SourceFile, SourceFiles
from voicegen.errors import InputError, OutputError
from voicegen.remote import AnyPath
from voicegen.store import Store

INPUT_INDEX: Final = "input.index"
"""Its name in a run's store."""

KEPT_FROM: Final = 100_000
"""Rows from which it is kept; of fewer a look takes a second or two."""

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What one look at the whole input found.

    Attributes:
        rows: in all files.
        sha256: of the file's bytes, in hex; of several files, of what tells them from others.
        names: the columns in use, as the input spells them.
        columns: Arrow schema of the other columns, in the input's order.
        files: their number.
        source: which of `columns` says which file a row is from; None where there is one file.
        passed_over: what was found where files were looked for, and cannot be read as one.
    """

    rows: int
    sha256: str
    names: ColumnNames
    columns: pa.Schema
    files: int
    source: str | None
    passed_over: Sequence[AnyPath]


@dataclass(frozen=True, slots=True)
class InputIndex:
    """Where what was found is kept: in a run's store."""

    store: Store

    def known(
        self, settings: Mapping[str, Any], named: str, found: SourceFiles
    ) -> tuple[InputTable, InputSummary] | None:
        """What was found in these files, where none has changed since; else None.

        Args:
            settings: what else decides what is found, as JSON has it.
            named: what the files are called together.
            found: the files as they are there now.
        """
        try:
            head, _, firsts = (self.store.read(INPUT_INDEX) or b"").partition(b"\n")
            kept = json.loads(head)
            if (kept["format"], kept["voicegen"], kept["settings"]) != (_FORMAT, __version__, dict(settings)):
                return None
            if kept["files"] != list(map(_as_json, found.files)):
                return None
            surveyed = _surveyed(kept, found.files)
            if any(each.stamp != FileStamp.of(each.file.path) for each in surveyed):
                return None
            return _restored(kept, named, found, surveyed, firsts)
        except (OutputError, InputError, ValueError, LookupError, TypeError, pa.ArrowException):
            return None

    def keep(self, settings: Mapping[str, Any], table: InputTable, summary: InputSummary) -> None:
        """Keeps what was found of many rows, where a file that changes from now on is known by its stamp."""
        if summary.rows < KEPT_FROM:
            return
        turns = table if isinstance(table, MessageRows) else None
        files = turns.files if turns is not None else table
        assert isinstance(files, InputFiles)
        if not all(each.is_settled for each in files.surveyed):
            return
        columns = list(dict.fromkeys(each.columns for each in files.surveyed))
        numbers = {names: number for number, names in enumerate(columns)}
        kept = {
            "format": _FORMAT,
            "voicegen": __version__,
            "settings": dict(settings),
            "files": [_as_json(each.file) for each in files.surveyed],
            "surveyed": [
                [each.rows, numbers[each.columns], each.stamp.size, each.stamp.changed, each.sha256]
                for each in files.surveyed
            ],
            "columns": [sorted(names) for names in columns],
            "rows": summary.rows,
            "sha256": summary.sha256,
            "names": asdict(summary.names),
            "others": b64encode(summary.columns.serialize()).decode(),
            "source": summary.source,
            "turns": turns and turns.settings,
        }
        data = json.dumps(kept).encode() + b"\n" + (turns.firsts.tobytes() if turns else b"")
        try:
            if self.store.read(INPUT_INDEX) != data:
                self.store.put([(INPUT_INDEX, data)])
        except OutputError:
            return  # who writes rows to that disk tells of it


def _as_json(file: SourceFile) -> list[Any]:
    return [str(file.path), file.format, dict(file.folders)]


def _surveyed(kept: Mapping[str, Any], files: Sequence[SourceFile]) -> list[SurveyedFile]:
    columns = list(map(frozenset[str], kept["columns"]))
    surveyed, first = [], 0
    for file, (rows, number, size, changed, sha256) in zip(files, kept["surveyed"], strict=True):
        stamp = FileStamp(size, changed if isinstance(changed, str) else tuple(changed))
        surveyed.append(SurveyedFile(file, first, rows, columns[number], stamp, is_settled=True, sha256=sha256))
        first += rows
    return surveyed


def _restored(
    kept: Mapping[str, Any], named: str, found: SourceFiles, surveyed: Sequence[SurveyedFile], firsts: bytes
) -> tuple[InputTable, InputSummary]:
    names = ColumnNames(**kept["names"])
    table: InputTable
    table = files = InputFiles(found.files, named, surveyed, kept["source"])
    if kept["turns"]:
        table = MessageRows(files, **kept["turns"], names=names, firsts=array("Q", firsts))
    return table, InputSummary(
        rows=kept["rows"],
        sha256=kept["sha256"],
        names=names,
        columns=pa.ipc.read_schema(pa.py_buffer(b64decode(kept["others"]))),
        files=len(surveyed),
        source=kept["source"],
        passed_over=found.passed_over,
    )
