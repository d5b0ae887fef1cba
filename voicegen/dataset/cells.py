"""What a cell of the input means: a text, an id or a turn number. Says why where it is none."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from voicegen.text.longest import too_long
from voicegen.text.well_formed import well_formed


class CellError(ValueError):
    """The cell does not hold what its column is for; the message ends a sentence about the cell."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Stands for a cell that was looked into and is of no use: what it held, and why, as a `CellError` says it."""

    held: Any
    why: str


def text_cell(value: Any) -> str:
    """The text in `value`, unchanged.

    Raises:
        CellError: It is missing, blank, not text, text that cannot be written as UTF-8, or longer than a row may be.
    """
    if isinstance(value, str):
        if excess := too_long(value):
            raise CellError(f"holds {excess}")
        if value and value[0].isalnum() and "\0" not in value and (value.isascii() or well_formed(value) == value):
            return value
        return _checked(value)
    if value is None:
        raise CellError("is empty")
    if isinstance(value, Unusable):
        raise CellError(value.why)
    raise CellError(f"holds {type_name(value)} ({excerpt(value)}), not text")


def answer_cell(value: Any) -> str:
    """The text in `value`, as `text_cell` gives it; a number, which JSON tells from text, is one too.

    Raises:
        CellError: As `text_cell`.
    """
    return text_cell(json.dumps(value) if is_number(value) else value)


def is_number(value: Any) -> bool:
    """Whether it is a number that can be said."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _checked(text: str) -> str:
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise CellError("is empty" if not text else "is blank")
    if "\0" in text:
        raise CellError("holds a NUL character: it is not text")
    if well_formed(text) != text:
        raise CellError("holds half of a surrogate pair: it is not valid Unicode")
    return text


def readable_cell(value: Any) -> str | None:
    """What to show of a cell that may not be text: JSON for other values, `None` for a missing one."""
    if isinstance(value, Unusable):
        value = value.held
    if value is None:
        return None
    return well_formed(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def id_cell(value: Any) -> str | None:
    """An id as text (a whole float loses its `.0`), or `None` where there is none."""
    if isinstance(value, str):
        return well_formed(value) if value and not value.isspace() else None
    if isinstance(value, float):
        if value != value:  # NaN: how pandas writes a missing number
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    return readable_cell(value)


def turn_cell(value: Any) -> int:
    """A turn's number.

    Raises:
        CellError: It is no whole number of 0 or more.
    """
    number: Any = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = float(value) if value.strip().removesuffix(".0").isdecimal() else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**31:
        raise CellError(f"is {excerpt(value)}, not a whole number of 0 or more")
    return number


def type_name(value: Any) -> str:
    """The kind of a cell's value, for an error message."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    names: dict[type[Any], str] = {str: "text", list: "a list", dict: "an object", bytes: "bytes", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")


def excerpt(value: Any) -> str:
    """The start of a value, on one line."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
