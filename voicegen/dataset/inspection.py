"""One look at a whole input before anything runs: all that can be refused is refused here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from voicegen.dataset.cells import CellError, excerpt, id_cell, is_number, turn_cell, type_name
from voicegen.dataset.columns import ColumnNames
from voicegen.dataset.input_files import InputTable
from voicegen.dataset.readers.block import Block
from voicegen.errors import InputError
from voicegen.scratch.same_keys import SameKeys

REPEATS_SHOWN = 3


def check_text_types(files: InputTable, schema: pa.Schema, names: ColumnNames) -> None:
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
                f"{files.named}: column {name!r} holds {found}, not text: write it as strings, or choose another."
            )


def check_some_text(files: InputTable, names: ColumnNames) -> None:
    """Refuses an untyped column of questions or answers where no cell holds text and some hold something else.

    Raises:
        InputError: Names the column, what it holds and the remedy.
    """
    for name in (names.text, names.answer):
        if name is None:
            continue
        other: Any = None
        cells = (value for block in files.blocks([name]) for value in block.cells(name) if value is not None)
        for other in cells:
            if isinstance(other, str) or (name == names.answer and is_number(other)):
                break
        else:
            if other is not None:
                raise InputError(
                    f"{files.named}: column {name!r} holds {type_name(other)} ({excerpt(other)}) and in no row text: "
                    "write it as strings, or choose another."
                )


def check_rows(files: InputTable, names: ColumnNames) -> None:
    """Checks ids and turns in one pass, in flat memory; a fault among them takes another to name.

    Raises:
        InputError: An id is given twice, a conversation's rows do not stand together, or a turn is no number or out of
            order.
    """
    columns = [name for name in (names.id, names.conversation, names.turn) if name is not None]
    ids, begun = _Keys(), _Keys()
    latest = _Turn()
    for block in files.blocks(columns) if columns else ():
        if names.id is not None:
            ids.add(block_ids(block, names.id))
        new: list[str] = []  # conversations that begin
        for turn in _turns(files, block, names):
            if turn.conversation != latest.conversation:
                new.append(turn.conversation)
            elif turn.number is not None and latest.number is not None and turn.number <= latest.number:
                raise InputError(
                    f"{files.named}: {files.places(latest.row, turn.row)} are of one conversation, and turn "
                    f"{turn.number} in column {names.turn!r} comes after turn {latest.number}: number the turns "
                    "upwards and sort the rows by them."
                )
            latest = turn
        begun.add(new)
    if suspects := ids.suspects():
        _refuse_repeats(files, str(names.id), suspects)
    if suspects := begun.suspects():
        _refuse_gap(files, names, suspects)


class _Keys:
    """Notes keys that may occur once."""

    def __init__(self) -> None:
        self._same = SameKeys()

    def add(self, keys: Sequence[str]) -> None:
        hashes = np.array(list(map(hash, keys)), np.int64)
        self._same.add(hashes.view(np.uint64), np.zeros(len(keys), np.int64))

    def suspects(self) -> set[int]:
        """The hashes that were noted more than once; different keys may share one."""
        return {hash for alike in self._same.alike() for hash in np.unique(alike.keys.view(np.int64)).tolist()}


@dataclass(frozen=True, slots=True)
class _Turn:
    """A row of a conversation; rows count from 1."""

    row: int = 0
    conversation: str = ""
    number: int | None = None


def _turns(files: InputTable, block: Block, names: ColumnNames) -> Iterator[_Turn]:
    if names.conversation is None:
        return
    numbers: Sequence[Any] = [None] * len(block) if names.turn is None else block.cells(names.turn)
    rows = zip(block_conversations(block, names.conversation), numbers, strict=True)
    for row, (conversation, number) in enumerate(rows, block.start + 1):
        if conversation is None:
            continue
        try:
            yield _Turn(row, conversation, None if names.turn is None else turn_cell(number))
        except CellError as error:
            raise InputError(
                f"{files.place(row)}: the turn in column {names.turn!r} {error}: number the turns."
            ) from error


def block_ids(block: Block, column: str | None) -> list[str]:
    """The id of each row: as given, else the row's number from 0."""
    numbers = range(block.start, block.start + len(block))
    if column is None:
        return [str(number) for number in numbers]
    return [id_cell(value) or str(number) for value, number in zip(block.cells(column), numbers, strict=True)]


def block_conversations(block: Block, column: str) -> list[str | None]:
    """The conversation of each row; `None` for a row that stands alone."""
    return [id_cell(value) for value in block.cells(column)]


def _refuse_repeats(files: InputTable, column: str, suspects: set[int]) -> None:
    first: dict[str, int] = {}
    found: list[str] = []
    ids = (id for block in files.blocks([column]) for id in block_ids(block, column))
    for row, id in enumerate(ids, 1):
        if hash(id) in suspects and first.setdefault(id, row) != row and len(found) < REPEATS_SHOWN:
            found.append(f"{id!r} in {files.places(first[id], row)}")
    if found:
        raise InputError(
            f"{files.named}: ids in column {column!r} occur twice: {', '.join(found)}: make them unique, or set "
            "questions.id_column to another column or to '' for row numbers."
        )


def _refuse_gap(files: InputTable, names: ColumnNames, suspects: set[int]) -> None:
    last: dict[str, int] = {}
    latest = ""
    for turn in (turn for block in files.blocks(names.used) for turn in _turns(files, block, names)):
        if hash(turn.conversation) in suspects:
            if turn.conversation in last and turn.conversation != latest:
                raise InputError(
                    f"{files.named}: {files.places(last[turn.conversation], turn.row)} are of one conversation with "
                    f"another's rows between them: sort the rows by column {names.conversation!r}, so that each "
                    "conversation's follow one another."
                )
            last[turn.conversation] = turn.row
        latest = turn.conversation
