"""An input whose rows are whole conversations, as a table with a row for each turn of the user."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pyarrow as pa

from voicegen.dataset.cells import CellError, Unusable, id_cell
from voicegen.dataset.columns import ColumnNames, free_name
from voicegen.dataset.conversation_cells import GivenConversation, conversation_cell
from voicegen.dataset.input_files import InputFiles
from voicegen.dataset.readers.block import Block, Table, arrow_array
from voicegen.errors import InputError

MESSAGES: Final = ("messages", "conversations")
"""What a column of conversations is called, where it is not said."""


class MessageRows:
    """An `InputTable` of the turns in a column of conversations; the other columns are the same in all turns of a row.

    A cell that is no conversation is one row, whose text says why.

    Args:
        files: the input.
        column: of the conversations.
        id_column: of their ids; by their rows' numbers where it is None.
        ready: whether the assistant's messages are the answers.
        given_history: whether a later turn is asked after the assistant's messages, and not after the model's answers.
        names: the columns that the turns have, and
        firsts: by conversation, its first row, where the input was surveyed before.
    """

    def __init__(
        self,
        files: InputFiles,
        column: str,
        id_column: str | None,
        *,
        ready: bool,
        given_history: bool,
        names: ColumnNames | None = None,
        firsts: array[int] | None = None,
    ) -> None:
        self.named = files.named
        self.files = files
        self._column = column
        self._id_column = id_column
        self._ready = ready
        self._given_history = given_history
        self._names = names
        self.firsts = array("Q") if firsts is None else firsts

    @property
    def settings(self) -> Mapping[str, Any]:
        """What it was made with, but for the files and what a survey finds."""
        return {
            "column": self._column,
            "id_column": self._id_column,
            "ready": self._ready,
            "given_history": self._given_history,
        }

    @property
    def names(self) -> ColumnNames:
        """The columns that the turns have; once surveyed."""
        assert self._names is not None
        return self._names

    def survey(self, table: Table) -> Table:
        """Reads every conversation once, of a table that was surveyed.

        Raises:
            InputError: No cell is a conversation.
        """
        rows, usable, has_system = 0, False, False
        problem: tuple[int, CellError] | None = None
        for block in self.files.blocks([self._column]):
            for number, cell in enumerate(block.cells(self._column), block.start + 1):
                found = _read(cell)
                self.firsts.append(rows)
                rows += 1 if isinstance(found, CellError) else len(found.turns)
                if isinstance(found, CellError):
                    problem = problem or (number, found)
                else:
                    usable = True
                    has_system = has_system or found.system is not None
        if problem is not None and not usable:
            raise InputError(
                f"{self.files.place(problem[0])}: column {self._column!r} {problem[1]}, and no row has one: choose "
                "another column by questions.messages_column, or questions.text_column for plain questions."
            )
        self._names = self._named(table.schema.names, has_system=has_system)
        others = [field for field in table.schema if field.name not in (self._column, self._id_column)]
        ours = [pa.field(self.names.system, pa.string())] if self.names.system else []
        return Table(rows, pa.schema([*others, *ours]))

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[Block]:
        """Yields the turns from `start` on."""
        ours = self.names.used
        theirs = [self._column, *([self._id_column] if self._id_column else [])]
        needed = None if columns is None else [*theirs, *(name for name in columns if name not in (*ours, *theirs))]
        for block in self.files.blocks(needed, self._conversation(start)):
            yield self._turns(block, start)

    def place(self, row: int) -> str:
        """File and row of the conversation that a turn is of; `row` from 1."""
        return self.files.place(self._conversation(row - 1) + 1)

    def places(self, *rows: int) -> str:
        """Conversations of turns, from 1, as a sentence names their rows."""
        return self.files.places(*(self._conversation(row - 1) + 1 for row in rows))

    def _conversation(self, row: int) -> int:
        """The conversation that a row is a turn of, both from 0; past the end for a row that is there."""
        return bisect_right(self.firsts, row) - 1

    def _named(self, taken: Sequence[str], *, has_system: bool) -> ColumnNames:
        column = self._column
        return ColumnNames(
            text=column,
            id=self._id_column or f"{column} (id)",
            answer=f"{column} (assistant)" if self._ready else None,
            conversation=f"{column} (conversation)",
            turn=f"{column} (turn)",
            system=free_name(("system_prompt", f"{column}_system_prompt"), taken) if has_system else None,
            history=f"{column} (history)" if self._given_history else None,
        )

    def _turns(self, block: Block, start: int) -> Block:
        ids: Sequence[Any] = [None] * len(block) if self._id_column is None else block.cells(self._id_column)
        rows = list(
            chain.from_iterable(
                _rows(place, id_cell(id) or str(block.start + place), cell)
                for place, (id, cell) in enumerate(zip(ids, block.cells(self._column), strict=True))
            )
        )
        first = self.firsts[block.start]
        rows = rows[max(start - first, 0) :]
        names = self.names
        columns: dict[str | None, list[Any]] = {
            names.text: [row.text for row in rows],
            names.id: [f"{row.conversation}-{row.number}" for row in rows],
            names.answer: [row.answer for row in rows],
            names.conversation: [row.conversation for row in rows],
            names.turn: [row.number for row in rows],
            names.system: [row.system for row in rows],
            names.history: [row.history for row in rows],
        }
        return _TurnBlock(block, max(start, first), [row.place for row in rows], columns)


@dataclass(frozen=True, slots=True)
class _Row:
    """A turn: of which row of a block, which conversation, its number from 1, and what is said."""

    place: int
    conversation: str
    number: int
    text: str | Unusable
    answer: str | None = None
    system: str | None = None
    history: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class _TurnBlock:
    """The turns of a block's conversations; `places` are the rows of the block that they are of."""

    block: Block
    start: int
    places: Sequence[int]
    columns: Mapping[str | None, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.places)

    def cells(self, column: str) -> Sequence[Any]:
        if column in self.columns:
            return self.columns[column]
        cells = self.block.cells(column)
        return [cells[place] for place in self.places]

    def arrow(self, field: pa.Field) -> pa.Array:
        if field.name in self.columns:
            return arrow_array(self.columns[field.name], field.type)
        return self.block.arrow(field).take(pa.array(self.places, pa.int64()))


def _read(cell: Any) -> GivenConversation | CellError:
    try:
        return conversation_cell(cell)
    except CellError as error:
        return error


def _rows(place: int, conversation: str, cell: Any) -> Iterator[_Row]:
    found = _read(cell)
    if isinstance(found, CellError):
        yield _Row(place, conversation, 1, Unusable(cell, str(found)))
        return
    for number, turn in enumerate(found.turns, 1):
        yield _Row(place, conversation, number, turn.question, turn.answer, found.system, turn.history)
