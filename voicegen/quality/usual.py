"""What is usual of a voice, which its takes are held against: the medians over its first rows in a run.

Of these rows alone, so that no verdict hangs on the order in which takes are made, nor on where a run was interrupted.
A median is moved by half of them at the least.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Final

from voicegen.records import Scores

FIRST: Final = 16
"""Rows of a voice from which it is known."""

_ENOUGH: Final = 8  # of them that could be measured: from here on a median is known within some percent

Usual = Mapping[str | None, Mapping[str, float]]
"""By voice, and by the measurement's name."""


def usual_of(rows: Iterable[Scores], names: Iterable[str]) -> dict[str, float]:
    """The medians of what was measured of the first rows of a voice; nothing of what was measured of too few."""
    rows = list(rows)
    found = {name: [value for row in rows if isinstance(value := row.get(name), int | float)] for name in names}
    return {name: median(values) for name, values in found.items() if len(values) >= _ENOUGH}


def over(usual: float | None, own: float | str | None) -> float | None:
    """What is usual over a take's own; None where one of them is not known."""
    return round(usual / own, 3) if usual is not None and isinstance(own, int | float) and own else None
