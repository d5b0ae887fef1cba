"""Which rows of a run are exported: chosen in one way through its manifest, in flat memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicegen.dataset.splits import SPLITS
from voicegen.errors import ConfigError
from voicegen.export.where import Where
from voicegen.records import STATUSES

_ROWS: Final = 1024  # of the manifest that are in memory at a time, where a condition sees all of their columns


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a run: those of a split (None: of all), that ended so, and of which a SQL condition holds."""

    split: str | None = None
    statuses: Sequence[str] = ("ok",)
    where: str | None = None

    def why_none(self, rows: int) -> str:
        """Why none of that many rows is chosen, for an error message."""
        if not rows:
            return "the run has none yet"
        asked = [f"--status {','.join(self.statuses)}"]
        asked += [f"--split {self.split}"] if self.split else []
        asked += [f"--where {self.where!r}"] if self.where else []
        return f"of its {rows} rows none passes {' '.join(asked)}"


def statuses(text: str) -> tuple[str, ...]:
    """What `--status` says: statuses with commas between them, or `all`.

    Raises:
        ConfigError: there is no such status.
    """
    found = STATUSES if text == "all" else tuple(part.strip() for part in text.split(","))
    for status in found:
        if status not in STATUSES:
            raise ConfigError(f"--status {text}: give some of {', '.join(STATUSES)} with commas between them, or all")
    return found


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was chosen of how many rows; `hours` of audio."""

    rows: int
    by_split: Mapping[str, int]
    by_status: Mapping[str, int]
    hours: float

    @property
    def chosen(self) -> int:
        """Rows of the export."""
        return sum(self.by_split.values())


@dataclass(slots=True)
class Choice:
    """What is found on the way through a manifest.

    Attributes:
        pieces: of each row its split, null where it is not chosen.
        statuses: how many of those chosen ended how.
        seconds: of their audio.
        last: the greatest index.
        broken_off: rows that are left out since a turn before them is.
    """

    pieces: list[pa.Array] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    last: int = 0
    broken_off: int = 0

    @property
    def splits(self) -> pa.ChunkedArray:
        """Of each row of the manifest."""
        return pa.chunked_array(self.pieces, pa.dictionary(pa.int32(), pa.string())).unify_dictionaries()

    @property
    def counts(self) -> Counts:
        """How much is chosen."""
        found = {item["values"]: item["counts"] for item in self.splits.value_counts().to_pylist()}
        ordered = [*SPLITS, *(name for name in found if name not in SPLITS and name is not None)]
        return Counts(
            rows=len(self.splits),
            by_split={name: found[name] for name in ordered if name in found},
            by_status={status: self.statuses[status] for status in STATUSES if status in self.statuses},
            hours=self.seconds / 3600,
        )


def choose(manifest: pq.ParquetFile, selection: Selection, *, unbroken: bool = False) -> Choice:
    """Chooses rows of a manifest.

    Args:
        manifest: of a run.
        selection: which rows.
        unbroken: whether a conversation ends before its first turn that is not chosen, since what follows refers to it.

    Raises:
        ConfigError: the condition cannot be used.
    """
    where = None if selection.where is None else Where(selection.where)
    columns = None if where else ["split", "status", "index", "duration", "conversation_id"]
    choice, passes = Choice(), _Unbroken() if unbroken else None
    for batch in manifest.iter_batches(_ROWS if where else 65_536, columns=columns):
        keep = pc.and_(pc.is_in(batch["status"], pa.array(selection.statuses)), pc.is_valid(batch["split"]))
        if selection.split is not None:
            keep = pc.and_(keep, pc.equal(batch["split"], selection.split))
        if where is not None:
            keep = pc.and_(keep, where(batch))
        if passes is not None:
            passing = pa.array(
                passes(batch["conversation_id"].to_pylist(), keep.fill_null(False).to_pylist()), pa.bool_()
            )
            choice.broken_off += pc.sum(pc.and_not(keep, passing)).as_py() or 0
            keep = pc.and_(keep, passing)
        choice.pieces.append(pc.if_else(keep, batch["split"], pa.scalar(None, pa.string())).dictionary_encode())
        choice.statuses.update(batch["status"].filter(keep).to_pylist())
        choice.seconds += pc.sum(batch["duration"].filter(keep)).as_py() or 0.0
        choice.last = max(choice.last, pc.max(batch["index"]).as_py() or 0)
    return choice


class _Unbroken:
    """Goes through a manifest and lets no turn pass that comes after one of its conversation that is not chosen."""

    def __init__(self) -> None:
        self._broken: str | None = None

    def __call__(self, conversations: Iterable[str | None], keep: Iterable[bool]) -> list[bool]:
        """Which of these rows, the manifest's next, pass."""
        return [self._passes(*each) for each in zip(conversations, keep, strict=True)]

    def _passes(self, conversation: str | None, chosen: bool) -> bool:
        if not chosen:
            self._broken = conversation
        return chosen and (conversation is None or conversation != self._broken)
