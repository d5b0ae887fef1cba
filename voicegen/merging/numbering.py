"""Which rows a merged run has, and their numbers.

Shards of one run keep theirs. Different runs are numbered through in the order given, without holes. A few bytes a row
are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import InputError
from voicegen.merging.sources import Source
from voicegen.pipeline.ledger import ABSENT

NONE = -1


@dataclass(frozen=True, slots=True)
class Part:
    """One run of those that are merged: it lies in one folder, or in several as shards.

    Attributes:
        chosen: by the row's index in the run, which of the sources its row is taken from; `NONE`: none has it. int16.
        numbers: by the row's index in the run, its index in the merged run, or `NONE`. int64.
    """

    sources: Sequence[Source]
    chosen: NDArray[np.int16]
    numbers: NDArray[np.int64]

    @property
    def end(self) -> int:
        """One past the last index of its rows."""
        return len(self.chosen)

    @property
    def present(self) -> NDArray[np.int64]:
        """The indexes of its rows."""
        return np.flatnonzero(self.chosen != NONE)

    @property
    def several(self) -> int:
        """Rows that more than one of its sources have."""
        return sum(len(source.ledger) for source in self.sources) - len(self.present)

    @property
    def rows(self) -> int:
        """Rows that its whole input comes to."""
        return max(source.rows for source in self.sources)

    @property
    def called(self) -> str:
        """Its folders, for messages."""
        return listed([str(source.store) for source in self.sources])

    def of(self, source: int, indexes: range) -> NDArray[np.int64]:
        """Those of `indexes` whose rows are taken from a source."""
        return np.flatnonzero(self.chosen[indexes.start : indexes.stop] == source) + indexes.start


@dataclass(frozen=True, slots=True)
class Numbering:
    """The rows of a merged run: those of its parts, one after another."""

    parts: Sequence[Part]

    @classmethod
    def of(cls, sources: Iterable[Source]) -> Numbering:
        """Finds what are shards of one run, and numbers all rows.

        A row that several shards have is taken from the one that has the best of it: ok before rejected before failed;
        of equals, from the one given first.

        Raises:
            InputError: shards of one run were made by different models.
        """
        runs: dict[str | int, list[Source]] = {}
        for place, source in enumerate(sources):
            runs.setdefault(source.run or place, []).append(source)
        parts, first = [], 0
        for shards in runs.values():
            _refuse_other_models(shards)
            chosen = _chosen(shards)
            there = chosen != NONE
            numbers = np.arange(len(chosen)) if len(runs) == 1 else first + np.cumsum(there) - 1
            parts.append(Part(shards, chosen, np.where(there, numbers, NONE)))
            first += int(there.sum())
        return cls(parts)

    @property
    def is_one_run(self) -> bool:
        """Whether all are shards of one run, which the merged one then is."""
        return len(self.parts) == 1

    @property
    def end(self) -> int:
        """One past the last index."""
        return max((int(part.numbers.max(initial=NONE)) for part in self.parts), default=NONE) + 1

    def asked(self) -> NDArray[np.int64]:
        """For each row the first row that is another answer to its question, or itself; for one that is not there 0."""
        asked = np.zeros(self.end, np.int64)
        for part in self.parts:
            questions = part.present // part.sources[0].answers_per_question
            _, first, which = np.unique(questions, return_index=True, return_inverse=True)
            numbers = part.numbers[part.present]
            asked[numbers] = numbers[first][which]
        return asked

    def blocks(self, rows: int) -> Iterator[tuple[Part, range]]:
        """All rows in order: a part, and so many indexes of it at the most."""
        for part in self.parts:
            for start in range(0, part.end, rows):
                yield part, range(start, min(start + rows, part.end))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _chosen(shards: Sequence[Source]) -> NDArray[np.int16]:
    best = np.full(max(shard.ledger.end for shard in shards), ABSENT, np.uint8)
    chosen = np.full(len(best), NONE, np.int16)
    for place, shard in enumerate(shards):
        codes = np.frombuffer(shard.ledger.codes, np.uint8)
        better = np.flatnonzero(codes < best[: len(codes)])
        best[better], chosen[better] = codes[better], place
    return chosen


def _refuse_other_models(shards: Sequence[Source]) -> None:
    first = shards[0].record.get("models", {})
    for shard in shards[1:]:
        for stage, model in shard.record.get("models", {}).items():
            known = first.get(stage, model)
            differing = [key for key in model if key in known and known[key] != model[key]]
            if differing:
                differs = ", ".join(f"{key}: {known[key]} and {model[key]}" for key in differing)
                raise InputError(
                    f"{shards[0].store} and {shard.store} are shards of one run, made by different {stage} models "
                    f"({differs}): make one of them anew with the other's"
                )
