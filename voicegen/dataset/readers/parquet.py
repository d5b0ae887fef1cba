"""Reads Apache Parquet in batches; types, nested ones too, are kept as they are, but that no view is left a view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from voicegen.dataset.readers.block import BLOCK_ROWS, ArrowBlock, Table, refuse_too_many
from voicegen.errors import InputError
from voicegen.remote import AnyPath, RemotePath

BUFFER = 1 << 20  # bytes: a column chunk is streamed through this much, never read whole


@dataclass(frozen=True, slots=True)
class ParquetReader:
    """One Parquet file. Errors count rows from 1."""

    path: AnyPath

    def survey(self) -> Table:
        """Decodes every page once (with its checksum, where one was written), as a bad page shows only then."""
        with self._open() as file:
            schema = _without_views(file.schema_arrow)
            refuse_too_many(self.path, file.metadata.num_rows)
        twice = [name for name, count in Counter(schema.names).items() if count > 1]
        if twice:
            raise InputError(f"{self.path}: two columns are called {twice[0]!r}: rename one of them.")
        for field in schema:
            if _has_list_views(field.type):  # pyarrow 26 makes no sound lists of them
                raise InputError(f"{self.path}: the column {field.name!r} holds list views: write it as lists.")
        rows = sum(len(block) for block in self.blocks(None))
        return Table(rows, pa.schema([field.remove_metadata() for field in schema]))

    def blocks(self, columns: Sequence[str] | None, start: int = 0) -> Iterator[ArrowBlock]:
        """Yields the rows from `start` on, skipping whole row groups before `start`."""
        row = start
        with self._open() as file:
            groups, first = row_groups_from(file.metadata, start)
            skip = start - first
            batches = file.iter_batches(BLOCK_ROWS, groups, None if columns is None else list(columns))
            while True:
                with self._refusing(f"cannot be read from row {row + 1} on: the file is damaged; write it again"):
                    batch = next(batches, None)
                if batch is None:
                    return
                passed = min(skip, batch.num_rows)
                skip -= passed
                batch = batch.slice(passed)
                if batch.num_rows:
                    plain = _without_views(batch.schema)  # a cast of no columns would lose the number of rows
                    yield ArrowBlock(row, batch if plain == batch.schema else batch.cast(plain))
                    row += batch.num_rows

    def _open(self) -> pq.ParquetFile:
        with self._refusing("is not a whole Parquet file: it is cut short or of another format (questions.format)"):
            source = self.path.open() if isinstance(self.path, RemotePath) else self.path
            return pq.ParquetFile(source, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=True)

    @contextmanager
    def _refusing(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.path}: {what} ({reason}).") from error


def _without_views(schema: pa.Schema) -> pa.Schema:
    """A schema in which what Arrow has as views is plain: it cannot take rows of views."""
    return pa.schema([_plain_field(field) for field in schema], schema.metadata)


def _has_list_views(type: pa.DataType) -> bool:
    if pa.types.is_list_view(type) or pa.types.is_large_list_view(type):
        return True
    return any(_has_list_views(type.field(place).type) for place in range(type.num_fields))


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain(field.type))


def _plain(type: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_string_view(type):
        return pa.large_string()
    if types.is_binary_view(type):
        return pa.large_binary()
    if types.is_struct(type):
        return pa.struct([_plain_field(field) for field in type])
    if types.is_map(type):
        return pa.map_(_plain_field(type.key_field), _plain_field(type.item_field), type.keys_sorted)
    if types.is_fixed_size_list(type):
        return pa.list_(_plain_field(type.value_field), type.list_size)
    if types.is_large_list(type):
        return pa.large_list(_plain_field(type.value_field))
    if types.is_list(type):
        return pa.list_(_plain_field(type.value_field))
    return type


def row_groups_from(metadata: pq.FileMetaData, start: int) -> tuple[list[int], int]:
    """The row groups that hold row `start` and those after it, and the index of the first one's first row."""
    first = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if first + rows > start:
            return list(range(group, metadata.num_row_groups)), first
        first += rows
    return [], start
