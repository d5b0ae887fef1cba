"""Readers of the input formats, and the choice of one by the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from voicegen.dataset.readers.block import Reader
from voicegen.errors import InputError

__all__ = ["InputFormat", "Reader", "input_format", "open_reader"]

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


def input_format(path: Path, given: str | None = None) -> InputFormat:
    """The format `given`, or the one that the file's extension means (`.gz` after it is allowed for text).

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
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    found = EXTENSIONS.get(plain.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: the extension {plain.suffix!r} is not known: set questions.format to one of {names}."
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
