"""Tables and values in Markdown, without what would be markup and without what is about this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, and an empty one."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in row)} |" for row in rows)
    yield ""


def bare(value: object) -> str:
    """A value as text, without what would be markup and without the folders of a path, which are about the machine."""
    text = "" if value is None else str(value)
    return (PurePath(text).name if PurePath(text).is_absolute() else text).replace("<", "&lt;")


def some(values: Sequence[str], most: int = 20) -> str:
    """Values with commas between them; of more than `most` those, and how many more."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return f"{', '.join(values[:most])}{more}"


def without_folders(value: Any) -> Any:
    """A setting without the folders of the paths in it."""
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() and "\n" not in value else value
    if isinstance(value, Mapping):
        return {key: without_folders(inner) for key, inner in value.items()}
    return [without_folders(inner) for inner in value] if isinstance(value, list) else value
