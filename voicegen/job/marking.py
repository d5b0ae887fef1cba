"""Applies what a listener said of the rows of a run: the CSV that its report gives.

`accept` is written down, and changes nothing else. A row that is rejected is then like one that the checks rejected:
its audio lies in `rejected/`, it is in no dataset, and `retry_failed=true` draws it anew, by another seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_args

import pandas as pd

from voicegen.dataset.manifest_edit import put_outcomes
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.errors import InputError, OutputError
from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.plan import AUDIO, REJECTED
from voicegen.pipeline.rejecting import put_rows, rejected
from voicegen.pipeline.run_folder import RUN_JSON, read_record, why_it_stays
from voicegen.records import ManifestRow, Mark
from voicegen.store import Store

BY_EAR: Final = "a listener rejected it"
"""Why such a row is rejected."""

_COLUMNS: Final = ("index", "audio_sha256", "mark")


@dataclass(frozen=True, slots=True)
class MarksReport:
    """What became of marks.

    Attributes:
        accepted: rows that are marked so now.
        rejected: likewise.
        outdated: indexes of rows left as they are, since their audio is not the one that was heard.
        can_be_made_again: whether a command can make rows of the run again.
    """

    accepted: int
    rejected: int
    outdated: tuple[int, ...]
    can_be_made_again: bool = True

    def lines(self) -> Iterator[str]:
        """The page that says so."""
        yield f"{_rows(self.accepted)} accepted, {_rows(self.rejected)} rejected"
        if self.rejected and self.can_be_made_again:
            yield "retry_failed=true with the run's settings makes what is rejected again, by another seed"
        if self.outdated:
            few = ", ".join(map(str, self.outdated[:3])) + (", ..." if len(self.outdated) > 3 else "")
            yield f"left as they are: {_rows(len(self.outdated))} made again since they were heard ({few})"


def apply_marks(root: Path, marks: Path) -> MarksReport:
    """Writes marks into a run: its ledger, its manifest and where its audio lies.

    Args:
        root: the run's folder.
        marks: a CSV with the columns `index`, `audio_sha256` and `mark` (accept or reject), as the report gives it.

    Raises:
        InputError: there is no run, or the file holds something else; names the line.
        OutputError: the run is in use, cannot be read or cannot be written.
    """
    store = Store(root)
    if not root.is_dir() or store.read(RUN_JSON) is None or not store.changed(MANIFEST):
        raise InputError(f"{root}: there is no run with a manifest: give the folder of one, such as outputs/NAME")
    with store.hold():
        record = read_record(store) or {}
        if record.get("identity", {}).get("job") == "chat":
            raise OutputError(f"{store} is a recorded chat, and nothing can say its turns again: it takes no marks")
        ledger = Ledger(store)
        given = _read(marks, ledger.end)
        rows = ledger.get(given)
        outdated = tuple(index for index, mark in given.items() if not mark.is_of(rows.get(index)))
        marked = {
            index: _marked(rows[index], mark.mark) for index, mark in given.items() if mark.is_of(rows.get(index))
        }
        _put(store, ledger, rows, marked)
    counts = Counter(row.mark for row in marked.values())
    return MarksReport(counts["accept"], counts["reject"], outdated, why_it_stays(record) is None)


@dataclass(frozen=True, slots=True)
class _Given:
    """A mark, and the SHA-256 of the audio that was heard; "" where a row had none."""

    mark: Mark
    sha256: str

    def is_of(self, row: ManifestRow | None) -> bool:
        """Whether the row's audio is what was heard."""
        return row is not None and self.sha256 == ("" if row.clip is None else row.clip.sha256)


def _read(path: Path, rows: int) -> dict[int, _Given]:
    """Marks by the index of their row, which is below `rows`; the last one of a row counts."""
    try:
        given = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as a CSV of marks: {reason}") from None
    for name in _COLUMNS:
        if name not in given:
            raise InputError(f"{path}: there is no column {name!r}: give the file that the report's page downloads")
    marks = {}
    for line, (index, sha256, mark) in enumerate(zip(*(given[name] for name in _COLUMNS), strict=True), 2):
        if mark not in get_args(Mark):
            raise InputError(f"{path}, line {line}: the mark is {mark!r}: write accept or reject")
        if not index.isdecimal() or int(index) >= rows:
            raise InputError(f"{path}, line {line}: the run has no row {index!r}: are the marks of another run?")
        marks[int(index)] = _Given(mark, sha256)
    return marks


def _marked(row: ManifestRow, mark: Mark) -> ManifestRow:
    if mark == "accept" or row.status != "ok" or row.clip is None:
        return replace(row, mark=mark)
    return rejected(replace(row, mark=mark), BY_EAR, BY_EAR)


def _put(store: Store, ledger: Ledger, before: Mapping[int, ManifestRow], after: Mapping[int, ManifestRow]) -> None:
    """Puts rows in the ledger, then in the manifest: also those that the ledger had, if one was killed between."""
    changed = [row for index, row in after.items() if row != before[index]]
    put_rows(store, LedgerWriter(store, ledger.session, "marks"), before, changed)
    if after:
        put_outcomes(store, after)
    store.remove(_left_behind(store, after))


def _left_behind(store: Store, rows: Mapping[int, ManifestRow]) -> Iterator[str]:
    """What lies twice, where it was good and where it was moved to, since somebody was killed in between."""
    for clip in (clip for row in rows.values() for clip in row.clips if clip.offset is None):
        old = clip.path.replace(f"{REJECTED}/", f"{AUDIO}/", 1)
        if old != clip.path and (data := store.read(old)) is not None and data == store.read(clip.path):
            yield old


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
