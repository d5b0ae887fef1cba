"""Opens text files as UTF-8, compressed ones too, and explains a file that is not."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, BinaryIO, TextIO

import pyarrow as pa

from voicegen.errors import InputError
from voicegen.remote import AnyPath

PIECE = 1 << 20  # bytes

SIGNATURES = (
    (b"PAR1", "It is a Parquet file: set questions.format=parquet."),
    (b"PK\x03\x04", "It is a ZIP file or an Excel workbook: save the sheet as CSV UTF-8 and give that."),
    (b"\x1f\x8b", "It is compressed with gzip: give it a name that ends in .gz, or unpack it."),
    (b"\x28\xb5\x2f\xfd", "It is compressed with zstd: give it a name that ends in .zst, or unpack it."),
    (b"BZh", "It is compressed with bzip2: give it a name that ends in .bz2, or unpack it."),
    (codecs.BOM_UTF16_LE, "It is UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8 OLD > NEW`)."),
    (codecs.BOM_UTF16_BE, "It is UTF-16: save it as UTF-8 (`iconv -f UTF-16 -t UTF-8 OLD > NEW`)."),
)


COMPRESSIONS: Mapping[str, tuple[str, Callable[[BinaryIO], Any]]] = MappingProxyType(
    {
        ".gz": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
        ".bz2": ("bzip2", bz2.BZ2File),
        ".zst": ("zstd", lambda file: pa.input_stream(file, compression="zstd")),
    }
)
"""What a file is compressed with, by the end of its name, and what unpacks it."""


def uncompressed(path: AnyPath) -> AnyPath:
    """The path without the ending that says how it is compressed."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


@contextmanager
def open_binary(path: AnyPath) -> Iterator[BinaryIO]:
    """Opens `path` for reading, through what its name says that it is compressed with."""
    compression = COMPRESSIONS.get(path.suffix.lower())
    with path.open("rb") as file:
        if compression is None:
            yield file
        else:
            with compression[1](file) as unpacked:
                yield unpacked


@contextmanager
def open_text(path: AnyPath, errors: str = "strict") -> Iterator[TextIO]:
    """Opens UTF-8 text with or without a byte-order mark; line ends are left as they are.

    Raises:
        InputError: While reading, when a compressed file turns out to be cut short or damaged.
    """
    try:
        with (
            open_binary(path) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", errors=errors, newline="") as stream,
        ):
            yield stream
    except (EOFError, zlib.error, OSError) as error:
        if path.suffix.lower() not in COMPRESSIONS:
            raise
        kind, _ = COMPRESSIONS[path.suffix.lower()]
        raise InputError(f"{path}: the {kind} file is cut short or damaged ({error}): get the whole file.") from error


def first_sign(path: AnyPath) -> str:
    """The first character that is no white space; empty where there is none, or no UTF-8."""
    with open_text(path, errors="surrogateescape") as stream:
        while piece := stream.read(1024):
            if found := piece.lstrip("\ufeff \t\r\n"):
                return found[0]
    return ""


def refuse_encoding(path: AnyPath, row: int | None = None) -> InputError:
    """The error for a file that is not UTF-8, where `row` (from 1; 0 is the header) holds the first bad byte."""
    byte, line, value = first_bad_byte(path)
    where = f"line {line}, byte {byte}"
    if row is not None:
        where = f"row {row} ({where})" if row else f"the header ({where})"
    return InputError(f"{path}: {where}: {value} is not UTF-8. {advice(path)}")


def refuse_nul(path: AnyPath) -> InputError:
    """The error for a file whose first line holds NUL bytes, which no text file does."""
    return InputError(f"{path}: the first line holds NUL bytes, so this is not UTF-8 text. {advice(path)}")


def first_bad_byte(path: AnyPath) -> tuple[int, int, str]:
    """Offset from 0 and line from 1 of the first byte that is not UTF-8, and the byte as it is written."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, line = 0, 1
    with open_binary(path) as file:
        while True:
            piece = file.read(PIECE)
            pending = decoder.getstate()[0]
            try:
                line += decoder.decode(piece, final=not piece).count("\n")
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                at = offset - len(pending) + error.start
                return at, line + before.count(b"\n"), f"0x{error.object[error.start]:02X}"
            if not piece:
                raise ValueError(f"{path} is UTF-8")
            offset += len(piece)


def advice(path: AnyPath) -> str:
    """What the file looks like, and how to make UTF-8 of it."""
    with open_binary(path) as file:
        head = file.read(4096)
    for signature, remedy in SIGNATURES:
        if head.startswith(signature):
            return remedy
    if b"\0" in head:
        return "It looks like UTF-16 or a binary file: save it as UTF-8 text, or set questions.format to what it is."
    return (
        "It may be Windows-1252, as Excel writes: save it as CSV UTF-8, "
        "or run `iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW`; if it is cut short, get the whole file."
    )
