"""Writes small question files for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError
from voicegen.records import Failure, Question


def text_file(path: Path, text: str | bytes) -> Path:
    """A file of exactly these bytes, or this text as UTF-8."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def jsonl_file(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """One JSON object a line."""
    return text_file(path, "".join(json.dumps(row) + "\n" for row in rows))


def parquet_file(path: Path, columns: Mapping[str, Any] | pa.Table, **options: Any) -> Path:
    """A Parquet file of these columns."""
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    pq.write_table(table, path, **options)
    return path


def read(path: Path, **settings: Any) -> list[Question | Failure]:
    """All records of the file."""
    return list(QuestionFile(path, **settings).questions())


def texts(path: Path, **settings: Any) -> list[str]:
    """All texts of a file without failing rows."""
    return [record.text for record in read(path, **settings) if isinstance(record, Question)]


def refusal(path: Path, **settings: Any) -> str:
    """The message with which the file is refused."""
    try:
        QuestionFile(path, **settings).inspect()
    except InputError as error:
        message = str(error)
        assert "\n" not in message, "an error is one line"
        return message
    raise AssertionError(f"{path} was not refused")


def extras(path: Path, **settings: Any) -> pa.Table:
    """The other columns of the file as the manifest gets them, under their own names."""
    return other_columns(QuestionFile(path, **settings))


def other_columns(file: QuestionFile) -> pa.Table:
    """The columns of a file that have no meaning for us, under their own names."""
    table = pa.Table.from_batches(list(file.batches()))
    names = file.inspect().columns.names
    ours = table.num_columns - len(names)
    return table.select(list(range(ours, table.num_columns))).rename_columns(names)
