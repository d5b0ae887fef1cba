"""Readers of the input formats, and the choice of one by the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from voicegen.dataset.readers.block import Reader
from voicegen.errors import InputError

__all__ = ["InputFormat", "Reader", "format_by_name", "input_format", "open_reader"]

InputFormat = Literal["csv", "tsv", "parquet", "jsonl"]

EXTENSIONS: dict[str, InputFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def format_by_name(path: Path) -> InputFormat | None:
    """The format that the file's extension means (`.gz` after it is allowed for text), if any."""
    return EXTENSIONS.get(_extension(path).lower())


def input_format(path: Path, given: str | None = None) -> InputFormat:
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
    if found is None:
        raise InputError(
            f"{path}: the extension {_extension(path)!r} is not known: set questions.format to one of {names}."
        )
    return found


def open_reader(path: Path, format: InputFormat) -> Reader:
    """The reader of `format` for the file at `path`; nothing is read yet."""
    if format == "parquet":
        from voicegen.dataset.readers.parquet import ParquetReader

        return ParquetReader(path)
    if format == "jsonl":
        from voicegen.dataset.readers.jsonl import JsonLinesReader

        return JsonLinesReader(path)
    from voicegen.dataset.readers.delimited import DelimitedReader

    return DelimitedReader(path, "\t" if format == "tsv" else ",")


def _extension(path: Path) -> str:
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix
