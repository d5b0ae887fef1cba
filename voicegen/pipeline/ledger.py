"""The record of finished rows: what resume reads, and what the manifest is made from.

A folder of JSON-lines files, one line a finished row. In each session of a run every process that finishes rows adds to
a file of its own, `SESSION-WRITER.jsonl`, so that several may work at one run; a later session's line for a row
replaces an earlier one.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import OutputError
from voicegen.quality.checks.duplicates import hash_in
from voicegen.records import STATUSES, Clip, ManifestRow, PassageRecord, Side, SpokenQuestion, Status, TakeRecord
from voicegen.store import Place, Store

LEDGER = "ledger"
"""The ledger's folder in a run's store."""

ABSENT = 255
"""In the place of how a row ended, where it is not finished."""

_OFFSET_BITS = 40  # of a place, the file's number being above
_ROW_FIELDS = tuple(field.name for field in dataclass_fields(ManifestRow))
_CLIP_FIELDS = tuple(field.name for field in dataclass_fields(Clip))
_TAKE_FIELDS = tuple(field.name for field in dataclass_fields(TakeRecord))
_PASSAGE_FIELDS = tuple(field.name for field in dataclass_fields(PassageRecord))
_ASKED_FIELDS = tuple(field.name for field in dataclass_fields(SpokenQuestion))


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


class _Clips:
    """What is kept in memory of one of the clips that rows have."""

    def __init__(self) -> None:
        self.bytes = array("I")  # of its file; 0 where that is not known
        self.attempts = array("H")  # the last attempt at it; 0 where the row has no such clip
        self.began = array("H")  # the first attempt of the session that finished it
        self.hash = array("Q")  # of its take's samples; 0 where that is not known

    def extend(self, rows: int) -> None:
        """Takes more rows in, that have none."""
        for numbers in (self.bytes, self.attempts, self.began, self.hash):
            numbers.extend([0] * rows)

    def note(self, index: int, kept: Mapping[str, Any] | None) -> float:
        """Takes down what a row's line has of the clip; returns its seconds."""
        attempts = kept.get("attempts", 1) if kept else 0
        clip = kept.get("clip") if kept else None
        self.attempts[index] = attempts
        self.began[index] = kept.get("began", attempts) if kept else 0
        self.hash[index] = hash_in(kept.get("scores", {})) if kept else 0
        self.bytes[index] = clip.get("num_bytes", 0) if clip else 0
        return clip["num_samples"] / clip["sampling_rate"] if clip else 0.0


class Ledger:
    """Which rows are finished, how they ended and where their lines lie, in a few bytes a row.

    It reads what is there, but for what a crash has torn, and is told of what is added later. It is plain data: another
    process can be handed it. One thread may read it while another adds.

    Attributes:
        session: the number of the session that begins now, from 0.

    Raises:
        OutputError: a file cannot be read, or a line before the last is not the ledger's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, int] = {}  # their numbers, by name
        self._status = bytearray()  # by row: an index into STATUSES, or ABSENT
        self._place = array("Q")  # by row: the number of a file, and where in it the line starts
        self._seconds = array("f")  # by row: of audio
        self._clips = _Clips(), _Clips()  # by row: its own, and of its question beside it
        names = sorted((self._session(name), name) for name in store.names(LEDGER) if name.endswith(".jsonl"))
        self.session = names[-1][0] + 1 if names else 0
        for _, name in names:
            self._read(f"{LEDGER}/{name}")

    def __len__(self) -> int:
        """Rows that are finished, however they ended."""
        return len(self._status) - self._status.count(ABSENT)

    def count(self, status: Status, rows: range | None = None) -> int:
        """Rows that ended so, among `rows`."""
        return self._status.count(STATUSES.index(status), *_slice(rows))

    def unfinished(self, rows: range) -> int:
        """Rows among `rows` that are not finished."""
        return len(rows) - sum(self.count(status, rows) for status in STATUSES)

    def first_unfinished(self, start: int = 0) -> int:
        """The first row from `start` on that is not finished."""
        place = self._status.find(ABSENT, start)
        return place if place >= 0 else max(self.end, start)

    @property
    def codes(self) -> bytes:
        """How each row ended: a place in `STATUSES`, or `ABSENT`."""
        return bytes(self._status)

    def finished(self) -> Iterator[int]:
        """The rows that are finished, in order."""
        return (index for index, code in enumerate(self._status) if code != ABSENT)

    def audio_seconds(self, rows: range | None = None) -> float:
        """Seconds of audio in the clips of `rows`."""
        ok, within = STATUSES.index("ok"), slice(*_slice(rows))
        pairs = zip(self._seconds[within], self._status[within], strict=True)
        return sum(seconds for seconds, status in pairs if status == ok)

    def hashes(self) -> NDArray[np.uint64]:
        """Of the samples of each row's take, and of its question's beside it (rows, 2); 0: not ok, or not known."""
        ok = np.frombuffer(bytes(self._status), np.uint8) == STATUSES.index("ok")
        taken = np.stack([np.array(clips.hash, np.uint64) for clips in self._clips], axis=1)
        return np.where(ok[:, None], taken, np.uint64(0))

    def drawn_again(self, rows: range) -> list[int]:
        """Those of `rows` of which more takes than one were made."""
        known = rows[: max(self.end - rows.start, 0)]
        return [index for index in known if any(clips.attempts[index] > 1 for clips in self._clips)]

    def changed(self) -> int:
        """When a row was last added, in ns since the epoch; 0 if there is none."""
        return max((file.changed for file in self._store.files(LEDGER)), default=0)

    @property
    def end(self) -> int:
        """One past the last finished row."""
        return len(self._status)

    def status(self, index: int) -> Status | None:
        """How the row ended; None if it is not finished."""
        code = self._status[index] if index < len(self._status) else ABSENT
        return None if code == ABSENT else STATUSES[code]

    def audio_bytes(self, index: int, beside: Side = "answer") -> int:
        """Size of a finished row's audio file, or of its question's beside it; 0: there is none, or it is unknown."""
        return self._clips[beside == "question"].bytes[index]

    def attempt(self, index: int, side: Side = "answer") -> int:
        """Which attempt at a text of a row that is not finished is to be made next, from 1."""
        if index >= len(self._status):
            return 1
        own, asked = (clips.attempts[index] for clips in self._clips)
        return max((asked or own) if side == "question" else own, 1)

    def forget(self, index: int, *, redraw: bool = False) -> None:
        """Lets the row be done again in this session; its old line stays until a new one replaces it.

        With `redraw` by other attempts, but for one of its two texts that has a good take; without, by the same ones as
        then.
        """
        self._status[index] = ABSENT
        good = self._has_good_take(index) if redraw else (True, True)
        for clips, stays in zip(self._clips, good, strict=True):
            clips.attempts[index] = clips.began[index] if stays else clips.attempts[index] + 1

    def earlier_takes(self, index: int, side: Side = "answer") -> list[TakeRecord]:
        """Takes that are on record of a text of a row that is done again, but for those that are made again."""
        if self.attempt(index, side) == 1:
            return []
        row = self._at([self._place[index]])[index]
        kept = row.of_question if side == "question" else row
        return [take for take in (kept.takes if kept else ()) if take.attempt < self.attempt(index, side)]

    def _has_good_take(self, index: int) -> tuple[bool, bool]:
        """Of a row that was rejected, whether its own take is good all the same, and whether its question's is."""
        if not self._clips[1].attempts[index]:
            return False, True
        row = self._at([self._place[index]])[index]
        own, asked = (
            bool(takes) and takes[-1].status == "ok" for takes in (row.takes, row.asked.takes if row.asked else ())
        )
        return own, asked

    def add(self, entries: Iterable[Entry]) -> None:
        """Takes down what a `LedgerWriter` has added."""
        for entry in entries:
            self._note(_to_fields(entry.row), entry.place)

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
                place, offset = (name, offset), offset + len(line)
                if b"\0" in line:
                    continue  # of a piece that a loss of power cut short: a disk that has not written a page has zeros
                try:
                    self._note(json.loads(line), place)
                except (ValueError, KeyError, TypeError):
                    raise OutputError(
                        f"{self._store}/{name}, line {number}: not a ledger line, so the run cannot go on from it; "
                        f"remove that line, and its row is made again, or {_REMEDY}"
                    ) from None

    def _note(self, row: Mapping[str, Any], place: Place) -> None:
        """Takes down a row, as its line has it."""
        index, status, (name, offset) = row["index"], STATUSES.index(row["status"]), place
        number = self._files.setdefault(name, len(self._files))
        missing = index + 1 - len(self._status)
        if missing > 0:
            self._place.extend([0] * missing)
            self._seconds.extend([0.0] * missing)
            for clips in self._clips:
                clips.extend(missing)
            self._status.extend(bytes([ABSENT]) * missing)
        self._place[index] = number << _OFFSET_BITS | offset
        own, asked = self._clips
        self._seconds[index] = own.note(index, row) + asked.note(index, row.get("asked"))
        self._status[index] = status  # last: who reads meanwhile finds the rest


_REMEDY = "restore the file, or start anew with overwrite=true"


def _slice(rows: range | None) -> tuple[int, int | None]:
    return (0, None) if rows is None else (rows.start, rows.stop)


def _to_line(row: ManifestRow) -> bytes:
    return (
        json.dumps(_to_fields(row), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"
    )


def _to_fields(row: ManifestRow) -> dict[str, Any]:
    """A row as its line has it: what is not there is left out."""
    fields = {name: value for name in _ROW_FIELDS if (value := getattr(row, name)) not in (None, {}, ())}
    fields |= _nested(row)
    if row.passages:
        fields["passages"] = [{name: getattr(one, name) for name in _PASSAGE_FIELDS} for one in row.passages]
    if row.asked is not None:
        asked = {name: value for name in _ASKED_FIELDS if (value := getattr(row.asked, name)) not in (None, {}, ())}
        fields["asked"] = asked | _nested(row.asked)
    return fields


def _nested(kept: ManifestRow | SpokenQuestion) -> dict[str, Any]:
    """The records in a record, as JSON has them."""
    nested: dict[str, Any] = {}
    if kept.clip is not None:
        nested["clip"] = {name: getattr(kept.clip, name) for name in _CLIP_FIELDS}
    if kept.takes:
        nested["takes"] = [{name: getattr(take, name) for name in _TAKE_FIELDS} for take in kept.takes]
    return nested


def _from_line(line: bytes) -> ManifestRow:
    fields = _from_nested(json.loads(line.decode("utf-8", "surrogatepass")))
    if asked := fields.get("asked"):
        fields["asked"] = SpokenQuestion(**_from_nested(asked))
    if passages := fields.get("passages"):
        fields["passages"] = tuple(PassageRecord(**one) for one in passages)
    return ManifestRow(**fields)


def _from_nested(fields: dict[str, Any]) -> dict[str, Any]:
    if clip := fields.get("clip"):
        fields["clip"] = Clip(**clip)
    if takes := fields.get("takes"):
        fields["takes"] = tuple(TakeRecord(**take) for take in takes)
    return fields
