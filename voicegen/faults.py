"""What may be wrong with the files of a run, as `voicegen verify` finds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """A kind of fault, by what is wrong."""

    RECORD = "run.json that is not as it was written"
    MANIFEST = "manifests that cannot be used"
    ROW = "manifest rows that are not the ledger's"
    NAME = "rows whose audio is not named by their number"
    MISSING = "rows whose audio is missing"
    CHANGED = "audio files that are not as they were written"
    FORMAT = "audio files that are not what their row says"
    STRAY = "audio files without a row"
    TAKE = "audio files that fall short of the checks"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: `path` in the run's store, the row's `index` where it is of one, and `what`."""

    kind: FaultKind
    path: str
    what: str
    index: int | None = None

    def __str__(self) -> str:
        row = "" if self.index is None else f"row {self.index}: "
        return f"{self.path} ({row}{self.what})"
