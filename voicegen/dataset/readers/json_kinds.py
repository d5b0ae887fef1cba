"""The kinds of JSON values, and the Arrow field that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType

import pyarrow as pa

from voicegen.dataset.readers.block import JSON_ENCODED

EXACT_FLOAT = 2**53  # integers up to here are exact in float64
INT64 = 2**63


def value_kinds(values: Sequence[object]) -> set[str]:
    """The kinds of JSON values that occur in `values`."""
    types = set(map(type, values))
    if types <= {str, NoneType}:
        return {"text" if kind is str else "null" for kind in types}
    return set(map(value_kind, values))


def value_kind(value: object) -> str:
    """The kind of a JSON value, in the words of an error message."""
    if isinstance(value, str):
        return "text"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        if -EXACT_FLOAT <= value <= EXACT_FLOAT:
            return "an integer"
        return "a large integer" if -INT64 <= value < INT64 else "an integer of over 64 bits"
    if isinstance(value, float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"


def column_field(name: str, kinds: set[str]) -> pa.Field:
    """The Arrow field that holds values of all these kinds without loss."""
    kinds = kinds - {"null"}
    if kinds <= {"text"}:
        return pa.field(name, pa.string())
    if kinds == {"a boolean"}:
        return pa.field(name, pa.bool_())
    if kinds <= {"an integer", "a large integer"}:
        return pa.field(name, pa.int64())
    if kinds <= {"an integer", "a number"}:
        return pa.field(name, pa.float64())
    return pa.field(name, pa.string(), metadata=JSON_ENCODED)
