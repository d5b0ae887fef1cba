"""Which column of the input is what, found by name in any case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import chain, count

from voicegen.dataset.readers.delimited import other_delimiter
from voicegen.errors import InputError


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The columns in use, as the input spells them; `None` where there is none."""

    text: str
    id: str | None = None
    answer: str | None = None
    conversation: str | None = None
    turn: str | None = None
    system: str | None = None
    history: str | None = None

    @property
    def used(self) -> list[str]:
        """Each column in use once, in the order of the fields."""
        names = (getattr(self, field.name) for field in fields(self))
        return list(dict.fromkeys(name for name in names if name is not None))


def find_column(input: str, columns: Sequence[str], wanted: str, key: str) -> str:
    """The column called `wanted`: as it is spelt, else the only one that differs in case or outer blanks.

    Raises:
        InputError: There is none in `input`, or several differ only in case; `key` is the setting that names it.
    """
    if wanted in columns:
        return wanted
    same = [name for name in columns if folded(name) == folded(wanted)]
    if len(same) == 1:
        return same[0]
    if same:
        raise InputError(f"{input}: {key}={wanted} could be any of {listed(same)}: spell it as one of them.")
    raise InputError(f"{input}: there is no column {wanted!r}: {_remedy(columns, wanted, key)}")


def has_column(columns: Sequence[str], wanted: str) -> bool:
    """Whether a column is called `wanted` in any case."""
    return any(folded(name) == folded(wanted) for name in columns)


def free_name(names: Sequence[str], taken: Sequence[str]) -> str:
    """The first of `names` that none of `taken` is in any case; else the last one with a number."""
    known = set(map(folded, taken))
    numbered = (f"{names[-1]}{number}" for number in count(2))
    return next(name for name in chain(names, numbered) if name not in known)


def folded(name: str) -> str:
    """A column's name without case and outer blanks."""
    return name.strip().casefold()


def listed(names: Sequence[str]) -> str:
    """Names for an error message."""
    return ", ".join(repr(name) for name in names)


def _remedy(columns: Sequence[str], wanted: str, key: str) -> str:
    if len(columns) == 1 and (other := other_delimiter(columns[0], cells=1)) is not None:
        return other
    by_folded = {folded(name): name for name in columns}
    near = [by_folded[name] for name in get_close_matches(folded(wanted), by_folded, n=1, cutoff=0.6)]
    remedy = f"set {key} to one of them"
    if near:
        seen = f"set {key}='{near[0]}' if that is the one"
        remedy = seen if near[0].isprintable() else f"rename {near[0]!r}, which holds an invisible character"
    return f"the columns are {listed(columns)}: {remedy}." if columns else "no row has any column."
