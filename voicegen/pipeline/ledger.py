"""The record of finished rows: what resume reads, and what the manifest is made from.

A folder of JSON-lines files, one line a finished row. In each session of a run every process that finishes rows adds to
a file of its own, `SESSION-WRITER.jsonl`, so that several may work at one run; a later session's line for a row
replaces an earlier one.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from itertools import groupby
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import OutputError
from voicegen.quality.checks.duplicates import hash_in
from voicegen.records import Clip, ManifestRow, Scores, Status, TakeRecord
from voicegen.store import Place, Store

LEDGER = "ledger"
"""The ledger's folder in a run's store."""

_STATUSES: tuple[Status, ...] = get_args(Status)
_ABSENT = 255
_OFFSET_BITS = 40  # of a place, the file's number being above
_ROW_FIELDS = tuple(field.name for field in dataclass_fields(ManifestRow))
_CLIP_FIELDS = tuple(field.name for field in dataclass_fields(Clip))
_TAKE_FIELDS = tuple(field.name for field in dataclass_fields(TakeRecord))


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished row that is on record, and where its line lies."""

    row: ManifestRow
    place: Place


class LedgerWriter:
    """Adds a process's finished rows to a run, in one session.

    Args:
        store: the run's.
        session: the ledger's, as `Ledger.session` says.
        writer: the process's name among those that work at the run.
    """

    def __init__(self, store: Store, session: int, writer: str) -> None:
        self._journal = store.journal(f"{LEDGER}/{session:05d}-{writer}.jsonl")

    def append(self, rows: Sequence[ManifestRow]) -> list[Entry]:
        """Adds rows durably: after a return they survive a loss of power.

        Raises:
            OutputError: the disk is full or the file cannot be written; then none of the rows counts.
        """
        lines = [_to_line(row) for row in rows]
        name, offset = self._journal.add(b"".join(lines))
        entries = []
        for row, line in zip(rows, lines, strict=True):
            entries.append(Entry(row, (name, offset)))
            offset += len(line)
        return entries

    def close(self) -> None:
        """Ends the writer's file."""
        self._journal.close()


class Ledger:
    """Which rows are finished, how they ended and where their lines lie, in a few bytes a row.

    It reads what is there, but for torn last lines, and is told of what is added later. It is plain data: another
    process can be handed it. One thread may read it while another adds.

    Attributes:
        session: the number of the session that begins now, from 0.

    Raises:
        OutputError: a file cannot be read, or a line before the last is not the ledger's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, int] = {}  # their numbers, by name
        self._status = bytearray()  # by row: an index into _STATUSES, or _ABSENT
        self._place = array("Q")  # by row: the number of a file, and where in it the line starts
        self._seconds = array("f")  # by row: of audio
        self._bytes = array("Q")  # by row: of its audio file; 0 where that is not known
        self._attempts = array("H")  # by row: the last attempt at it
        self._began = array("H")  # by row: the first attempt of the session that finished it
        self._hash = array("Q")  # by row: of its take's samples; 0 where that is not known
        names = sorted((self._session(name), name) for name in store.names(LEDGER) if name.endswith(".jsonl"))
        self.session = names[-1][0] + 1 if names else 0
        for _, name in names:
            self._read(f"{LEDGER}/{name}")

    def __len__(self) -> int:
        """Rows that are finished, however they ended."""
        return len(self._status) - self._status.count(_ABSENT)

    def count(self, status: Status, rows: int | None = None) -> int:
        """Rows that ended so, among the first `rows`."""
        return self._status.count(_STATUSES.index(status), 0, rows)

    def unfinished(self, rows: int) -> int:
        """Rows among the first `rows` that are not finished."""
        return rows - sum(self.count(status, rows) for status in _STATUSES)

    def first_unfinished(self) -> int:
        """The first row that is not finished."""
        place = self._status.find(_ABSENT)
        return place if place >= 0 else self.end

    def audio_seconds(self, rows: int | None = None) -> float:
        """Seconds of audio in the clips of the first `rows`."""
        ok = _STATUSES.index("ok")
        pairs = zip(self._seconds[:rows], self._status[:rows], strict=True)
        return sum(seconds for seconds, status in pairs if status == ok)

    def hashes(self) -> NDArray[np.uint64]:
        """Of the samples of each row's take, where it is ok and its hash was taken; else 0."""
        ok = np.frombuffer(bytes(self._status), np.uint8) == _STATUSES.index("ok")
        return np.where(ok, np.array(self._hash, np.uint64), np.uint64(0))

    def drawn_again(self, rows: int | None = None) -> list[int]:
        """Those of the first `rows` of which more takes than one were made."""
        return [index for index, attempts in enumerate(self._attempts[:rows]) if attempts > 1]

    def changed(self) -> int:
        """When a row was last added, in ns since the epoch; 0 if there is none."""
        return max((file.changed for file in self._store.files(LEDGER)), default=0)

    @property
    def end(self) -> int:
        """One past the last finished row."""
        return len(self._status)

    def status(self, index: int) -> Status | None:
        """How the row ended; None if it is not finished."""
        code = self._status[index] if index < len(self._status) else _ABSENT
        return None if code == _ABSENT else _STATUSES[code]

    def audio_bytes(self, index: int) -> int:
        """Size of a finished row's audio file; 0 where there is none or it is not known."""
        return self._bytes[index]

    def attempt(self, index: int) -> int:
        """Which attempt at a row that is not finished is to be made next, from 1."""
        return max(self._attempts[index], 1) if index < len(self._attempts) else 1

    def forget(self, index: int, *, redraw: bool = False) -> None:
        """Lets the row be done again in this session; its old line stays until a new one replaces it.

        With `redraw` by other attempts; without, by the same ones as then.
        """
        self._status[index] = _ABSENT
        self._attempts[index] = self._attempts[index] + 1 if redraw else self._began[index]

    def earlier_takes(self, index: int) -> list[TakeRecord]:
        """Takes that are on record of a row that is done again, but for those that are made again."""
        if self.attempt(index) == 1:
            return []
        row = self._at([self._place[index]])[index]
        return [take for take in row.takes if take.attempt < self.attempt(index)]

    def add(self, entries: Iterable[Entry]) -> None:
        """Takes down what a `LedgerWriter` has added."""
        for entry in entries:
            row, clip = entry.row, entry.row.clip
            seconds, size = (clip.duration, clip.num_bytes) if clip else (0.0, 0)
            self._note(row.index, row.status, entry.place, seconds, size, row.attempts, row.began, row.scores)

    def get(self, indexes: Iterable[int]) -> dict[int, ManifestRow]:
        """The finished rows among `indexes`."""
        return self._at(self._place[index] for index in indexes if self.status(index) is not None)

    def _at(self, places: Iterable[int]) -> dict[int, ManifestRow]:
        names = list(self._files)
        found: dict[int, ManifestRow] = {}
        for number, group in groupby(sorted(places), lambda place: place >> _OFFSET_BITS):
            with self._store.reading(names[number]) as file:
                for place in group:
                    offset = place & ((1 << _OFFSET_BITS) - 1)
                    if file.tell() != offset:
                        file.seek(offset)
                    try:
                        row = _from_line(file.readline())
                    except (ValueError, TypeError):
                        raise OutputError(
                            f"{self._store}/{names[number]}, at byte {offset}: not a ledger line; {_REMEDY}"
                        ) from None
                    found[row.index] = row
        return found

    def _session(self, name: str) -> int:
        number = name.removesuffix(".jsonl").split("-")[0]  # a run of version 0.1.0 has no writers' names
        if not number.isdecimal():
            raise OutputError(f"{self._store}/{LEDGER}/{name}: not a ledger file; {_REMEDY}")
        return int(number)

    def _read(self, name: str) -> None:
        offset = 0
        with self._store.reading(name) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # torn by a kill: the row is done again
                try:
                    row = json.loads(line)
                    clip = row.get("clip")
                    seconds = clip["num_samples"] / clip["sampling_rate"] if clip else 0.0
                    size = clip.get("num_bytes", 0) if clip else 0
                    attempts, began = row.get("attempts", 1), row.get("began")
                    scores = row.get("scores", {})
                    self._note(row["index"], row["status"], (name, offset), seconds, size, attempts, began, scores)
                except (ValueError, KeyError, TypeError):
                    raise OutputError(
                        f"{self._store}/{name}, line {number}: not a ledger line, so the run cannot go on from it; "
                        f"{_REMEDY}"
                    ) from None
                offset += len(line)

    def _note(
        self,
        index: int,
        status: Status,
        place: Place,
        seconds: float,
        size: int,
        attempts: int,
        began: int | None,
        scores: Scores,
    ) -> None:
        code = _STATUSES.index(status)
        name, offset = place
        number = self._files.setdefault(name, len(self._files))
        missing = index + 1 - len(self._status)
        if missing > 0:
            self._place.extend([0] * missing)
            self._seconds.extend([0.0] * missing)
            self._bytes.extend([0] * missing)
            self._attempts.extend([0] * missing)
            self._began.extend([0] * missing)
            self._hash.extend([0] * missing)
            self._status.extend(bytes([_ABSENT]) * missing)
        self._place[index] = number << _OFFSET_BITS | offset
        self._seconds[index] = seconds
        self._bytes[index] = size
        self._attempts[index] = attempts
        self._began[index] = attempts if began is None else began
        self._hash[index] = hash_in(scores)
        self._status[index] = code  # last: who reads meanwhile finds the rest


_REMEDY = "restore the file, or start anew with overwrite=true"


def _to_line(row: ManifestRow) -> bytes:
    fields = {name: value for name in _ROW_FIELDS if (value := getattr(row, name)) not in (None, {}, ())}
    if row.clip is not None:
        fields["clip"] = {name: getattr(row.clip, name) for name in _CLIP_FIELDS}
    if row.takes:
        fields["takes"] = [{name: getattr(take, name) for name in _TAKE_FIELDS} for take in row.takes]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def _from_line(line: bytes) -> ManifestRow:
    fields: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
    if clip := fields.get("clip"):
        fields["clip"] = Clip(**clip)
    if takes := fields.get("takes"):
        fields["takes"] = tuple(TakeRecord(**take) for take in takes)
    return ManifestRow(**fields)
