"""The manifest of a merged run: its parts' rows, numbered through, and what they say of one another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voicegen.dataset.likeness import text_key
from voicegen.dataset.manifest import writing_manifest
from voicegen.dataset.manifest_join import of_rows
from voicegen.dataset.manifest_schema import MANIFEST_SCHEMA, MANIFEST_VERSION
from voicegen.dataset.readers.block import arrow_array
from voicegen.dataset.relations import AnswerRelations, QuestionRelations, RowRelations
from voicegen.dataset.splits import Shares
from voicegen.merging.numbering import Numbering, Part
from voicegen.pipeline.ledger import Ledger
from voicegen.store import Store

BLOCK: Final = 1000
"""Rows that are worked on together."""

_TOLD_APART: Final = ("id", "conversation_id")


@dataclass(frozen=True, slots=True)
class Splitting:
    """What the runs are split by: the same for all.

    Attributes:
        shares: of the splits.
        near: whether near duplicates stay together.
        test_voices: voices that speak test alone.
    """

    shares: Shares
    near: bool = True
    test_voices: Sequence[str] = ()


class MergedManifest:
    """Writes the manifest of a merged run.

    Args:
        numbering: of its rows.
        splitting: of its parts.
    """

    def __init__(self, numbering: Numbering, splitting: Splitting) -> None:
        self._numbering = numbering
        self._splitting = splitting
        self._schema = _schema([source.manifest().schema_arrow for part in numbering.parts for source in part.sources])
        self.prefixes = {name: _told_apart(numbering.parts, name) for name in _TOLD_APART}

    def write(self, store: Store, ledger: Ledger) -> None:
        """Writes the manifest of the rows that are in the merged run's ledger.

        Raises:
            OutputError: it cannot be written.
        """
        columns = self._relations(ledger)
        with writing_manifest(store, self._schema) as add:
            for place, part, rows in self._blocks(self._schema.names):
                add(self._block(place, part, rows, ledger, columns))

    def _block(self, place: int, part: Part, rows: pa.Table, ledger: Ledger, relations: _Relations) -> pa.RecordBatch:
        """Rows of a part as they are in the merged run: with what its ledger says of them."""
        then = rows["index"].to_numpy()
        numbers = part.numbers[then]
        records = ledger.get(numbers.tolist())
        ours = {
            **of_rows([records[number] for number in numbers.tolist()]),
            **self._renamed(place, rows),
            **relations.of(numbers, rows),
            **({} if self._numbering.is_one_run else _origin(part, then, rows)),
        }
        arrays = [
            _as(ours.get(field.name, rows[field.name] if field.name in rows.column_names else None), field, len(rows))
            for field in self._schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _blocks(self, columns: Sequence[str]) -> Iterator[tuple[int, Part, pa.Table]]:
        """The rows of the parts in order, with their columns as they are there, and the part's place."""
        for place, part in enumerate(self._numbering.parts):
            files = [_InOrder(source.manifest(), columns) for source in part.sources]
            for start in range(0, part.end, BLOCK):
                within = range(start, min(start + BLOCK, part.end))
                tables = [file.below(within.stop) for file in files]
                chosen = [
                    table.filter(pa.array(part.chosen[table["index"].to_numpy()] == number))
                    for number, table in enumerate(tables)
                ]
                rows = pa.concat_tables(chosen, promote_options="permissive").sort_by("index")
                if rows.num_rows:
                    yield place, part, rows

    def _renamed(self, place: int, rows: pa.Table) -> dict[str, Any]:
        """The ids, each told from those of other parts."""
        return {
            name: pc.binary_join_element_wise(self.prefixes[name][place], rows[name], "")
            for name in _TOLD_APART
            if self.prefixes[name][place] and name in rows.column_names
        }

    def _relations(self, ledger: Ledger) -> _Relations:
        if self._numbering.is_one_run:  # what questions say of one another is of the whole input, and known
            answers = AnswerRelations()
            answers.read(ledger)
            return _Relations(answers)
        splitting = self._splitting
        questions = QuestionRelations(_Questions(self), splitting.shares, splitting.near)
        relations = RowRelations(questions, asked=self._numbering.asked())
        relations.read(ledger)
        return _Relations(relations, frozenset(splitting.test_voices))

    def questions(self) -> Iterator[pa.RecordBatch]:
        """The columns `question` and `conversation_id` of all rows; the former null in a row that answers it again."""
        asked = self._numbering.asked()
        for place, part, rows in self._blocks(["index", "question", "conversation_id"]):
            numbers = part.numbers[rows["index"].to_numpy()]
            first = pa.array(asked[numbers] == numbers)
            questions = pc.if_else(first, rows["question"], pa.scalar(None, pa.string()))
            talks = self._renamed(place, rows).get("conversation_id", rows["conversation_id"])
            table = pa.table({"question": questions, "conversation_id": talks})
            yield from table.combine_chunks().to_batches()


@dataclass(frozen=True, slots=True)
class _Questions:
    manifest: MergedManifest

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self.manifest.questions()


@dataclass(frozen=True, slots=True)
class _Relations:
    """What rows say of one another; a voice of test alone that speaks another row by now has it in no split."""

    found: AnswerRelations | RowRelations
    test_voices: frozenset[str] = frozenset()

    def of(self, numbers: NDArray[np.int64], rows: pa.Table) -> dict[str, Any]:
        columns = self.found.columns(numbers.tolist())
        if self.test_voices:
            voices = rows["voice"].to_pylist()
            columns["split"] = [
                split if (voice in self.test_voices) == (split == "test") else None
                for split, voice in zip(columns["split"], voices, strict=True)
            ]
        return columns


class _InOrder:
    """A manifest's rows, taken up to a bound again and again."""

    def __init__(self, manifest: pq.ParquetFile, columns: Sequence[str]) -> None:
        schema = manifest.schema_arrow  # made at each call
        known = [name for name in columns if name in schema.names]
        self._batches = manifest.iter_batches(BLOCK, columns=known)
        self._waiting = schema.empty_table().select(known)

    def below(self, end: int) -> pa.Table:
        """Those not taken yet whose index is below `end`."""
        taken = []
        while True:
            before = int(np.searchsorted(self._waiting["index"].to_numpy(), end))
            taken.append(self._waiting.slice(0, before))
            self._waiting = self._waiting.slice(before)
            if self._waiting.num_rows or (batch := next(self._batches, None)) is None:
                return pa.concat_tables(taken)
            self._waiting = pa.Table.from_batches([batch])


def _origin(part: Part, then: NDArray[np.int64], rows: pa.Table) -> dict[str, Any]:
    """Which run the rows came from and their index there; of a run that was merged itself, as that has it."""
    names = np.array([source.name for source in part.sources], object)[part.chosen[then]]
    run, index = pa.array(names, pa.string()), pa.array(then)
    if "source_run" in rows.column_names:
        earlier = pc.is_valid(rows["source_run"])
        run, index = pc.if_else(earlier, rows["source_run"], run), pc.if_else(earlier, rows["source_index"], index)
    return {"source_run": run, "source_index": index}


def _told_apart(parts: Sequence[Part], column: str) -> list[str]:
    """What the parts' values of a column begin with, so that no two parts have one in common; nothing where none does.

    Eight bytes a value are kept.
    """
    seen, prefixes = np.empty(0, np.uint64), []
    for part in parts:
        name, number, prefix = part.sources[0].name, 1, ""
        while len(parts) > 1 and np.isin(keys := _keys(part, column, prefix), seen).any():
            prefix = f"{name}/" if number == 1 else f"{name}-{number}/"
            number += 1
        if len(parts) > 1:
            seen = np.union1d(seen, keys)
        prefixes.append(prefix)
    return prefixes


def _keys(part: Part, column: str, prefix: str) -> NDArray[np.uint64]:
    found = [
        np.array([text_key(prefix + value) for value in batch.column(0).to_pylist() if value is not None], np.uint64)
        for source in part.sources
        for batch in source.manifest().iter_batches(columns=[column])
    ]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *found]))


def _schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Our columns, then the inputs' of all; one that has different types in them has one that holds both, or text."""
    others: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            if field.name in MANIFEST_SCHEMA.names:
                continue
            known = others.setdefault(field.name, field)
            if known.type != field.type:
                others[field.name] = known.with_type(_common_type(known.type, field.type))
    return pa.schema([*MANIFEST_SCHEMA, *others.values()], metadata={"voicegen.manifest": MANIFEST_VERSION})


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    try:
        both = [pa.schema([("", type)]) for type in (one, other)]
        return pa.unify_schemas(both, promote_options="permissive").types[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _as(values: Any, field: pa.Field, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        return arrow_array(values, field.type)
    if values.type == field.type:
        return values
    if pa.types.is_nested(values.type) and field.type == pa.string():
        return pa.array([None if value is None else json.dumps(value, default=str) for value in values.to_pylist()])
    return values.cast(field.type)
