"""A check is one row: its `SPEC` says what it measures of a take, what it is told, and what makes it.

Each check's module exports its `SPEC`, which loads none of the packages that the check runs on;
`voicegen.quality.checks` lists them. The settings, the manifest's columns and the verdict on a take follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from voicegen.records import Scores, Speech
from voicegen.settings import Settings

C = TypeVar("C", bound="CheckSettings")

Check = Callable[[Sequence[Speech]], Sequence[Scores]]
"""Measures takes, each of which holds finite samples and by itself; returns what it found of each, in their order."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One thing that is found out of a take: a column of the manifest.

    Attributes:
        name: the column's.
        meaning: a sentence, with the unit, for those who read the manifest.
        fault: what is said of a take whose value is out of bounds, as `the take is clipped`.
        type: float; for what no rule can bound, str, or list for words with their seconds (as JSON: word, start, end).
        usual_over: the name of another one of the check, that it makes this one of: what that is usually in the first
            rows of the voice, over what it is in the take. The check itself says nothing of it.
    """

    name: str
    meaning: str
    fault: str = ""
    type: type[float] | type[str] | type[list[object]] = float
    usual_over: str | None = None


class Bounds(Settings):
    """What a measurement may be, `min` and `max` included; null is no bound.

    `then` is what becomes of a take that is out of bounds: another attempt, or none.
    """

    min: float | None = None
    max: float | None = None
    then: Literal["retry", "reject"] = "retry"

    def excess(self, value: float) -> float:
        """How far a value is out of bounds, as a share of the bound (of 1, where that is 0); 0 where it is not."""
        if self.min is not None and value < self.min:
            return (self.min - value) / (abs(self.min) or 1.0)
        if self.max is not None and value > self.max:
            return (value - self.max) / (abs(self.max) or 1.0)
        return 0.0


class CheckSettings(Settings):
    """What every check is told: by measurement, the bounds of a good take."""

    rules: Mapping[str, Bounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec(Generic[C]):
    """What is known of a check before any of its packages is imported.

    Attributes:
        name: what the settings call it.
        settings: their type.
        measurements: all that it finds out.
        make: makes it; called in the process where it is to run.
        look: refuses what can be seen to fail before anything is loaded.
        apart: whether it runs in worker processes of its own, since it needs much computing.
        of_takes: whether it says nothing of a run's files alone: trimming, fades or a gain change what it measures, or
            it needs what a run does not keep.
    """

    name: str
    settings: type[C]
    measurements: tuple[Measurement, ...]
    make: Callable[[C], Check]
    look: Callable[[C], object] = lambda _settings: None
    apart: bool = False
    of_takes: bool = False
