"""The input: one or several files of questions, checked once as a whole and then streamed in order.

CSV, TSV, JSON Lines and JSON arrays (text also as `.gz`, `.bz2` or `.zst`), and Parquet. Messages count a file's rows
from 1: row 1 is the first question, the header is not counted. `Question.index` and the id of a row without one count
from 0 through all files, as the numbers of the WAVs do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import pyarrow as pa

from voicegen.dataset import inspection
from voicegen.dataset.cells import CellError, answer_cell, readable_cell, text_cell, turn_cell
from voicegen.dataset.columns import ColumnNames, find_column, has_column
from voicegen.dataset.input_files import InputFiles, InputTable
from voicegen.dataset.input_index import InputIndex, InputSummary
from voicegen.dataset.inspection import block_conversations, block_ids
from voicegen.dataset.manifest_schema import input_names
from voicegen.dataset.message_rows import MESSAGES, MessageRows
from voicegen.dataset.readers.block import Block, Table
from voicegen.dataset.source_files import GivenPaths, SourceFiles, named, source_files
from voicegen.errors import InputError
from voicegen.records import Failure, Message, Question

INPUT_FIELDS = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("conversation_id", pa.string()),
    pa.field("turn", pa.int32()),
    pa.field("question", pa.string()),
    pa.field("answer", pa.string()),
)


@dataclass(frozen=True)
class QuestionFile:
    """A file of questions, or several, and which of their columns is what; names are found in any case.

    Attributes:
        path: a file, a folder, a pattern, or several of them (`source_files`).
        format: csv, tsv, parquet, jsonl or json; by the extension when `None`.
        text_column: the questions.
        text_key: the setting that gives `text_column`, for messages.
        id_column: unique ids; `None`: the column `id` if there is one, else the row's number; "": the row's number.
        answer_column: ready answers.
        conversation_column: rows with the same value, one after another, are turns of one conversation; a row with
            none stands alone.
        turn_column: the turn's number, ascending within a conversation; `None`: the order in the file, from 1.
        messages_column: conversations, a list of messages a cell, whose turns become rows; the assistant's messages are
            the ready answers if it is the `answer_column` too. `None`: `messages` or `conversations`, where there is
            no `text_column`; "": none.
        given_history: whether the turns of such a conversation are asked after what it has of the assistant.
        index: what was found when the input was looked through before.
    """

    path: GivenPaths
    format: str | None = None
    text_column: str = "question"
    id_column: str | None = None
    answer_column: str | None = None
    conversation_column: str | None = None
    turn_column: str | None = None
    messages_column: str | None = None
    given_history: bool = False
    text_key: str = "questions.text_column"
    index: InputIndex | None = None

    @property
    def named(self) -> str:
        """What the input is called, for messages."""
        return named(self.path)

    @property
    def told(self) -> str:
        """What the input is called, of how many files it is, and what was passed over."""
        summary = self.inspect()
        more = [f"{summary.files} files"] if summary.files > 1 else []
        more += [f"passed over: {named(summary.passed_over)}"] if summary.passed_over else []
        return f"{self.named} ({'; '.join(more)})" if more else self.named

    def inspect(self) -> InputSummary:
        """Reads the whole input, refuses what cannot be used and tells what is there. Later calls cost nothing.

        Of an input that has not changed since, the `index` says what was found.

        Raises:
            InputError: A file, a column, an id or a turn is wrong; says in which row and what to do.
        """
        return self._looked_through[1]

    def keep_index(self) -> None:
        """Keeps what was found in the `index`, where there is one."""
        if self.index is not None:
            self.index.keep(self._settings, *self._looked_through)

    def place(self, row: int) -> str:
        """File and row, as an error names it; `row` from 1 in the whole input."""
        return self._looked_through[0].place(row)

    def places(self, *rows: int) -> str:
        """Rows, from 1, as a sentence names them, with their files where there are several."""
        return self._looked_through[0].places(*rows)

    def questions(self, start: int = 0) -> Iterator[Question | Failure]:
        """Yields one record a row from index `start` on, in order; a row without usable text is a `Failure`.

        Raises:
            InputError: The input cannot be used, or has changed since it was inspected.
        """
        files, summary = self._looked_through
        names = summary.names
        turns = TurnCounter()
        counted = names.conversation is not None and names.turn is None
        for block in files.blocks(names.used, 0 if counted else start):
            for record in InputRows.of(block, names, turns).records():
                if record.index >= start:
                    yield record

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields all rows in order: `id`, `conversation_id`, `turn`, `question`, `answer`, then the input's others.

        The others are unchanged, typed as `inspect().columns` says and named as `input_names` says. A question or an
        answer that is not text appears as JSON; `answer` is null without an answer column.

        Raises:
            InputError: The input cannot be used, or has changed since it was inspected.
        """
        files, summary = self._looked_through
        columns = list(dict.fromkeys([*summary.names.used, *summary.columns.names]))
        renamed = [
            field.with_name(name)
            for field, name in zip(summary.columns, input_names(summary.columns.names), strict=True)
        ]
        schema = pa.schema([*INPUT_FIELDS, *renamed])
        turns = TurnCounter()
        for block in files.blocks(columns):
            ours = InputRows.of(block, summary.names, turns).arrow()
            others = [block.arrow(field) for field in summary.columns]
            yield pa.RecordBatch.from_arrays([*ours, *others], schema=schema)

    @cached_property
    def _looked_through(self) -> tuple[InputTable, InputSummary]:
        found = source_files(self.path, self.format)
        known = self.index and self.index.known(self._settings, self.named, found)
        return known or self._look(found)

    @property
    def _settings(self) -> Mapping[str, Any]:
        """All that decides what is found, but for the files."""
        return {name: value for name, value in vars(self).items() if name in _SETTINGS}

    def _look(self, found: SourceFiles) -> tuple[InputTable, InputSummary]:
        files = InputFiles(found.files, self.named)
        table = files.survey()
        if not table.rows:
            raise InputError(f"{self.named}: there are no questions in it: add at least one row.")
        rows: InputTable = files
        if (column := self._messages(table.schema.names)) is not None:
            rows = turns = self._turns(files, column, table.schema.names)
            table, names = turns.survey(table), turns.names
        else:
            names = self._names(table.schema.names)
            self._check_texts(files, names, table, {file.format for file in found.files})
        inspection.check_rows(rows, names)
        return rows, InputSummary(
            rows=table.rows,
            sha256=files.sha256,
            names=names,
            columns=pa.schema(
                [field for field in table.schema if field.name not in names.used or field.name == names.system]
            ),
            files=len(found.files),
            source=files.source,
            passed_over=found.passed_over,
        )

    def _check_texts(self, files: InputFiles, names: ColumnNames, table: Table, formats: Collection[str]) -> None:
        if self.given_history:
            raise InputError("questions.history=given is for conversations in a column of messages: there is none.")
        if set(formats) == {"parquet"}:
            inspection.check_text_types(files, table.schema, names)
        elif not set(formats) <= {"csv", "tsv"}:
            inspection.check_some_text(files, names)

    def _messages(self, columns: Sequence[str]) -> str | None:
        """The column of conversations; None where questions stand for themselves."""
        if self.messages_column:
            return find_column(self.named, columns, self.messages_column, "questions.messages_column")
        if self.messages_column == "" or has_column(columns, self.text_column):
            return None
        return next(
            (find_column(self.named, columns, name, "") for name in MESSAGES if has_column(columns, name)), None
        )

    def _turns(self, files: InputFiles, column: str, columns: Sequence[str]) -> MessageRows:
        for key in ("conversation_column", "turn_column"):
            if getattr(self, key) is not None:
                raise InputError(
                    f"questions.{key} is for conversations of a turn a row, and column {column!r} of {self.named} has "
                    "whole ones: leave it out, or set questions.text_column to a column of questions."
                )
        answers = self.answer_column
        if answers is not None and find_column(self.named, columns, answers, "questions.answer_column") != column:
            raise InputError(
                f"questions.answer_column={answers}: the answers of conversations are in their own messages: set it to "
                f"{column!r} to have those spoken, or leave it out to have a model answer."
            )
        return MessageRows(
            *(files, column, self._id_name(columns)), ready=answers is not None, given_history=self.given_history
        )

    def _id_name(self, columns: Sequence[str]) -> str | None:
        wanted = self.id_column
        if wanted is None and has_column(columns, "id"):
            wanted = "id"
        return find_column(self.named, columns, wanted, "questions.id_column") if wanted else None

    def _names(self, columns: Sequence[str]) -> ColumnNames:
        if self.turn_column is not None and self.conversation_column is None:
            raise InputError("questions.turn_column needs questions.conversation_column: set both or neither.")
        optional = (
            (self.answer_column, "questions.answer_column"),
            (self.conversation_column, "questions.conversation_column"),
            (self.turn_column, "questions.turn_column"),
        )
        return ColumnNames(
            find_column(self.named, columns, self.text_column, self.text_key),
            self._id_name(columns),
            *(None if name is None else find_column(self.named, columns, name, key) for name, key in optional),
        )


_SETTINGS = frozenset(each.name for each in fields(QuestionFile)) - {"path", "index"}


class TurnCounter:
    """Numbers the turns of conversations, from 1, by their order in the file, in which each stands together."""

    def __init__(self) -> None:
        self._latest: str | None = None
        self._turn = 0

    def number(self, conversation: str | None) -> int | None:
        """The turn of the next row; `None` for one that stands alone."""
        if conversation is None:
            return None
        self._turn = self._turn + 1 if conversation == self._latest else 1
        self._latest = conversation
        return self._turn


@dataclass(frozen=True, slots=True)
class InputRows:
    """A block's rows with their meaning: lists of one entry a row."""

    start: int
    names: ColumnNames
    ids: Sequence[str]
    texts: Sequence[Any]
    answers: Sequence[Any]
    conversations: Sequence[str | None]
    turns: Sequence[int | None]
    systems: Sequence[str | None]
    histories: Sequence[tuple[Message, ...]]

    @classmethod
    def of(cls, block: Block, names: ColumnNames, turns: TurnCounter) -> InputRows:
        """The rows of `block`; `turns` has counted those before, and counts where no column gives them."""
        nothing: list[None] = [None] * len(block)
        conversations = nothing if names.conversation is None else block_conversations(block, names.conversation)
        numbers: Sequence[Any] = (
            [turns.number(conversation) for conversation in conversations]
            if names.turn is None
            else block.cells(names.turn)
        )
        return cls(
            start=block.start,
            names=names,
            ids=block_ids(block, names.id),
            texts=block.cells(names.text),
            answers=nothing if names.answer is None else block.cells(names.answer),
            conversations=conversations,
            turns=[
                None if conversation is None else turn_cell(number)
                for conversation, number in zip(conversations, numbers, strict=True)
            ],
            systems=nothing if names.system is None else block.cells(names.system),
            histories=[()] * len(block) if names.history is None else block.cells(names.history),
        )

    def records(self) -> Iterator[Question | Failure]:
        """One record a row."""
        column = self.names.text
        rows = zip(
            *(self.ids, self.texts, self.answers, self.conversations, self.turns, self.systems, self.histories),
            strict=True,
        )
        for index, (id, text, answer, conversation, turn, system, history) in enumerate(rows, self.start):
            try:
                column = self.names.text
                text = text_cell(text)
                if self.names.answer is not None:
                    column = self.names.answer
                    answer = answer_cell(answer)
            except CellError as error:
                yield Failure(index, "input", conversation_id=conversation, error=f"column {column!r} {error}")
                continue
            yield Question(
                *(index, id, text),
                answer=answer,
                conversation_id=conversation,
                turn=turn,
                history=history,
                system_prompt=system,
            )

    def arrow(self) -> list[pa.Array]:
        """One array for each of `INPUT_FIELDS`."""
        texts = [readable_cell(text) for text in self.texts]
        answers = [readable_cell(answer) for answer in self.answers]
        columns: tuple[Sequence[Any], ...] = (self.ids, self.conversations, self.turns, texts, answers)
        return [pa.array(values, field.type) for values, field in zip(columns, INPUT_FIELDS, strict=True)]
