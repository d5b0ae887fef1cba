"""One look at a whole question file before anything runs: all that can be refused is refused here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voicegen.dataset.cells import CellError, id_cell, shown, turn_cell, type_name
from voicegen.dataset.columns import ColumnNames
from voicegen.dataset.keys import KeyHashes, first_descent, first_gap, first_repeats, places, repeated
from voicegen.dataset.readers import Reader
from voicegen.dataset.readers.block import Block
from voicegen.errors import InputError

REPEATS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file's size in bytes and time of change in ns, to notice an edit during a run."""

    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """The stamp of the file at `path`.

        Raises:
            InputError: There is no such file, it is a folder, it is empty, or it may not be read.
        """
        try:
            status = path.stat()
            if path.is_dir():
                raise InputError(f"{path}: this is a folder: give one file of questions.")
            with path.open("rb"):
                pass
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file (looked in {path.absolute().parent}).") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be opened: {error.strerror}.") from error
        if not status.st_size:
            raise InputError(f"{path}: the file is empty: it needs at least one question.")
        return cls(status.st_size, status.st_mtime_ns)


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_text_types(path: Path, schema: pa.Schema, names: ColumnNames) -> None:
    """Refuses a typed column of questions or answers whose type is not text.

    Raises:
        InputError: Names the column, its type and the remedy.
    """
    for name in (names.text, names.answer):
        if name is None:
            continue
        found = schema.field(name).type
        kind = found.value_type if pa.types.is_dictionary(found) else found
        text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
        if not any(is_text(kind) for is_text in text):
            raise InputError(
                f"{path}: column {name!r} holds {found}, not text: write it as strings, or choose another."
            )


def check_some_text(path: Path, reader: Reader, names: ColumnNames) -> None:
    """Refuses an untyped column of questions or answers where no cell holds text and some hold something else.

    Raises:
        InputError: Names the column, what it holds and the remedy.
    """
    for name in (names.text, names.answer):
        if name is None:
            continue
        other: Any = None
        cells = (value for block in reader.blocks([name]) for value in block.cells(name) if value is not None)
        for other in cells:
            if isinstance(other, str):
                break
        else:
            if other is not None:
                raise InputError(
                    f"{path}: column {name!r} holds {type_name(other)} ({shown(other)}) and in no row text: "
                    "write it as strings, or choose another."
                )


def check_rows(path: Path, reader: Reader, names: ColumnNames) -> NDArray[np.int32] | None:
    """Checks ids and turns over all rows, with some 40 bytes of memory a row.

    Returns:
        Each row's turn from 1 by order in the file, where there are conversations but no turn column; else `None`.

    Raises:
        InputError: An id is given twice, or a turn is no number or out of order.
    """
    columns = [name for name in (names.id, names.conversation, names.turn) if name is not None]
    if not columns:
        return None
    ids, conversations, turns, alone = KeyHashes(), KeyHashes(), [np.empty(0, np.int32)], [np.empty(0, np.bool_)]
    for block in reader.blocks(columns):
        if names.id is not None:
            ids.add(block_ids(block, names.id))
        if names.conversation is not None:
            keys = block_conversations(block, names.conversation)
            conversations.add([key or f"\0{index}" for index, key in enumerate(keys, block.start)])
            alone.append(np.array([key is None for key in keys]))
            if names.turn is not None:
                turns.append(np.array([turn or 0 for turn in _block_turns(path, block, keys, names.turn)], np.int32))
    if names.id is not None:
        _refuse_repeats(path, reader, names.id, ids)
    if names.conversation is None:
        return None
    _refuse_gap(path, names.conversation, conversations.array(), np.flatnonzero(~np.concatenate(alone)))
    if names.turn is None:
        return places(conversations.array())
    _refuse_descent(path, names.turn, conversations.array(), np.concatenate(turns))
    return None


def block_ids(block: Block, column: str | None) -> list[str]:
    """The id of each row: as given, else the row's number from 0."""
    numbers = range(block.start, block.start + len(block))
    if column is None:
        return [str(number) for number in numbers]
    return [id_cell(value) or str(number) for value, number in zip(block.cells(column), numbers, strict=True)]


def block_conversations(block: Block, column: str) -> list[str | None]:
    """The conversation of each row; `None` for a row that stands alone."""
    return [id_cell(value) for value in block.cells(column)]


def _block_turns(path: Path, block: Block, conversations: Sequence[str | None], column: str) -> Iterator[int | None]:
    rows = zip(block.cells(column), conversations, strict=True)
    for row, (value, conversation) in enumerate(rows, block.start + 1):
        try:
            yield None if conversation is None else turn_cell(value)
        except CellError as error:
            raise InputError(f"{path}: row {row}: the turn in column {column!r} {error}: number the turns.") from error


def _refuse_repeats(path: Path, reader: Reader, column: str, ids: KeyHashes) -> None:
    among = repeated(ids.array())
    if not among:
        return
    keys: Iterator[Any] = (key for block in reader.blocks([column]) for key in block_ids(block, column))
    found = first_repeats(keys, among, REPEATS_SHOWN)
    if found:
        listed = ", ".join(f"{key!r} in rows {first} and {again}" for key, first, again in found)
        raise InputError(
            f"{path}: ids in column {column!r} occur twice: {listed}: make them unique, or set questions.id_column "
            "to another column or to '' for row numbers."
        )


def _refuse_gap(path: Path, column: str, conversations: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    found = first_gap(conversations, rows)
    if found is not None:
        before, after = found
        raise InputError(
            f"{path}: rows {before + 1} and {after + 1} are of one conversation with another's rows between them: "
            f"sort the rows by column {column!r}, so that each conversation's follow one another."
        )


def _refuse_descent(path: Path, column: str, conversations: NDArray[np.int64], turns: NDArray[np.int32]) -> None:
    found = first_descent(conversations, turns)
    if found is not None:
        before, after = found
        raise InputError(
            f"{path}: rows {before + 1} and {after + 1} are of one conversation, and turn {turns[after]} in column "
            f"{column!r} comes after turn {turns[before]}: number the turns upwards and sort the rows by them."
        )
