"""Readers of the input formats, and the choice of one by the file's name."""

from __future__ import annotations

from typing import Literal, get_args

from voicegen.dataset.readers.block import Reader
from voicegen.dataset.readers.text import uncompressed
from voicegen.errors import InputError
from voicegen.remote import AnyPath

__all__ = ["InputFormat", "Reader", "format_by_name", "input_format", "may_be_read", "open_reader"]

InputFormat = Literal["csv", "tsv", "parquet", "jsonl", "json"]

EXTENSIONS: dict[str, InputFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")


def format_by_name(path: AnyPath) -> InputFormat | None:
    """The format that the file's extension means (after it, what text is compressed with), if any."""
    return EXTENSIONS.get(_extension(path).lower())


def may_be_read(path: AnyPath) -> bool:
    """Whether the file's extension is that of a table: of one that is read, or of a workbook, which is refused."""
    return format_by_name(path) is not None or _extension(path).lower() in WORKBOOKS


def input_format(path: AnyPath, given: str | None = None) -> InputFormat:
    """The format `given`, or the one that the file's extension means.

    Raises:
        InputError: The format is none of ours.
    """
    formats: tuple[InputFormat, ...] = get_args(InputFormat)
    names = ", ".join(formats)
    if given is not None:
        for known in formats:
            if given.lower() == known:
                return known
        raise InputError(f"questions.format={given} is not known: use one of {names}.")
    found = format_by_name(path)
    if found is None and _extension(path).lower() in WORKBOOKS:
        raise InputError(
            f"{path}: a workbook is not read: save its sheet as CSV UTF-8 and give that, or let pandas do it: "
            f"pandas.read_excel({path.name!r}).to_csv({path.with_suffix('.csv').name!r}, index=False)."
        )
    if found is None and not path.exists():
        raise InputError(f"{path}: there is no such file or folder (looked in {path.absolute().parent}).")
    if found is None:
        raise InputError(
            f"{path}: the extension {_extension(path)!r} is not known: set questions.format to one of {names}."
        )
    return found


def open_reader(path: AnyPath, format: InputFormat) -> Reader:
    """The reader of `format` for the file at `path`; nothing is read yet."""
    if format == "parquet":
        from voicegen.dataset.readers.parquet import ParquetReader

        return ParquetReader(path)
    if format in ("jsonl", "json"):
        from voicegen.dataset.readers.json_table import JsonReader

        return JsonReader(path)
    from voicegen.dataset.readers.delimited import DelimitedReader

    return DelimitedReader(path, "\t" if format == "tsv" else None)


def _extension(path: AnyPath) -> str:
    return uncompressed(path).suffix
