"""The columns of several tables that are read one after the other as one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from voicegen.dataset.readers.block import Table
from voicegen.dataset.readers.json_kinds import column_field

_MIXED: Final = frozenset({"text", "an object"})  # whose type is JSON text


@dataclass(frozen=True, slots=True)
class _Column:
    """A column so far: its type, and the kinds of values that it was inferred from, where it was."""

    field: pa.Field
    kinds: Collection[str] | None

    def with_more(self, other: _Column) -> _Column:
        """The column with the values of another table."""
        if self.kinds is not None and other.kinds is not None:
            kinds = {*self.kinds, *other.kinds}
            return _Column(column_field(self.field.name, kinds), kinds)
        if other._is_empty or self.field.equals(other.field, check_metadata=True):
            return self
        if self._is_empty:
            return other
        common = _common_type(self.field.type, other.field.type)
        if common is None or self.field.metadata or other.field.metadata:
            return _Column(column_field(self.field.name, set(_MIXED)), _MIXED)
        return _Column(pa.field(self.field.name, common), None)

    @property
    def _is_empty(self) -> bool:
        return pa.types.is_null(self.field.type) or (self.kinds is not None and set(self.kinds) <= {"null"})


class MergedColumns:
    """Takes one table after the other; a column's type holds the values of all that have it.

    What no type holds becomes JSON text, as in one JSON file whose values are of several kinds.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}

    def add(self, table: Table) -> None:
        """The next table."""
        for field in table.schema:
            column = _Column(field, None if table.kinds is None else table.kinds[field.name])
            known = self._columns.get(field.name)
            self._columns[field.name] = column if known is None else known.with_more(column)

    @property
    def schema(self) -> pa.Schema:
        """The columns in the order in which they came first."""
        return pa.schema([column.field for column in self._columns.values()])


def _common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both exactly; None where there is none."""
    types = [type.value_type if pa.types.is_dictionary(type) else type for type in (one, other)]
    if any(pa.types.is_nested(type) for type in types):
        return None
    try:
        schemas = [pa.schema([pa.field("", type)]) for type in types]
        common = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    return common if all(type == common or _fits(type, common) for type in types) else None


def _fits(type: pa.DataType, wider: pa.DataType) -> bool:
    """Whether each value of one type is one of the other: not where 64 bits and a sign become 64, or a fraction."""
    if pa.types.is_floating(wider):
        return bool(pa.types.is_floating(type) or (pa.types.is_integer(type) and type.bit_width <= 32))
    return bool(type != pa.uint64())
