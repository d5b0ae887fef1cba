"""The record of finished rows: what resume reads, and what the manifest is made from.

A folder of JSON-lines files, one line a finished row. In each session of a run every process that finishes rows adds to
a file of its own, `SESSION-WRITER.jsonl`, so that several may work at one run; a later session's line for a row
replaces an earlier one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import OutputError
from voicegen.pipeline.ledger_lines import from_line, to_fields, to_line
from voicegen.pipeline.row_columns import Column, load, save
from voicegen.quality.checks.duplicates import hash_in
from voicegen.records import STATUSES, ManifestRow, Side, Status, TakeRecord
from voicegen.store import Place, Store

LEDGER = "ledger"
"""The ledger's folder in a run's store."""

ABSENT = 255
"""In the place of how a row ended, where it is not finished."""

INDEX = "ledger.index"
"""The index of the ledger in a run's store."""

INDEX_AFTER: Final = 200_000
"""Lines, which take some seconds to read, after which the index is written anew."""

_INDEX_SHARE: Final = 128
"""Of a very large run the index is written when it lacks one row in so many, as it takes seconds to write."""

_FORGOTTEN: Final = ("status", "attempts", "question_attempts")
"""The columns in which a row is another that is to be done again."""

_OFFSET_BITS = 40  # of a place, the file's number being above
_log = logging.getLogger(__name__)


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
        self._journal = store.journal(_name(session, writer))

    def append(self, rows: Sequence[ManifestRow]) -> list[Entry]:
        """Adds rows durably: after a return they survive a loss of power.

        Raises:
            OutputError: the disk is full or the file cannot be written; then none of the rows counts.
        """
        lines = [to_line(row) for row in rows]
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
        self.bytes = Column("I")  # of its file; 0 where that is not known
        self.attempts = Column("H")  # the last attempt at it; 0 where the row has no such clip
        self.began = Column("H")  # the first attempt of the session that finished it
        self.hash = Column("Q")  # of its take's samples; 0 where that is not known
        self.shard = Column("I")  # the number of the shard that it lies in, from 1; 0: it is a file by itself

    def note(self, index: int, kept: Mapping[str, Any] | None, shards: _Shards) -> float:
        """Takes down what a row's line has of the clip; returns its seconds."""
        attempts = kept.get("attempts", 1) if kept else 0
        clip = kept.get("clip") if kept else None
        self.attempts[index] = attempts
        self.began[index] = kept.get("began", attempts) if kept else 0
        self.hash[index] = hash_in(kept.get("scores", {})) if kept else 0
        self.bytes[index] = clip.get("num_bytes", 0) if clip else 0
        self.shard[index] = shards.note(clip) if clip else 0
        return clip["num_samples"] / clip["sampling_rate"] if clip else 0.0


class _Shards:
    """The files that clips are packed in, by their numbers, from 1, and how long each must at least be."""

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        self.names: list[str] = []
        self.ends: list[int] = []
        self._numbers: dict[str, int] = {}
        for name, end in known:
            self._add(name, end)

    def note(self, clip: Mapping[str, Any]) -> int:
        """Takes down where a clip lies, as its line has it; returns its shard's number, 0 where it is in none."""
        if (offset := clip.get("offset")) is None:
            return 0
        name, end = clip["path"].rpartition("/")[0], offset + clip["num_bytes"]
        number = self._numbers.get(name) or self._add(name, end)
        self.ends[number - 1] = max(self.ends[number - 1], end)
        return number

    def _add(self, name: str, end: int) -> int:
        self.names.append(name)
        self.ends.append(end)
        self._numbers[name] = len(self.names)
        return len(self.names)


class Ledger:
    """Which rows are finished, how they ended and where their lines lie, in a few bytes a row.

    It reads what is there, but for what a crash has torn, and is told of what is added later. It is plain data: another
    process can be handed it. One thread may read it while another adds. What it knows can be kept in an index, a file
    from which the next session begins, and that is no record: without it, or where it is of other files, all is read.

    Attributes:
        session: the number of the session that begins now, from 0.

    Raises:
        OutputError: a file cannot be read, or a line before the last is not the ledger's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._files: dict[str, int] = {}  # their numbers, by name
        self._status = Column("B", ABSENT)  # by row: an index into STATUSES, or ABSENT
        self._place = Column("Q")  # by row: the number of a file, and where in it the line starts
        self._seconds = Column("f")  # by row: of audio
        self._clips = _Clips(), _Clips()  # by row: its own, and of its question beside it
        self._shards = _Shards()
        self._latest: dict[str, tuple[int, int]] = {}  # by file: where the last line lies that was noted, and its row
        self._on_record: dict[int, dict[str, int]] = {}  # of rows that are to be done again: what their lines say
        self._unindexed = 0  # lines that are not in the index
        self._former: dict[int, int] = {}  # of rows that were done again: how they had ended before, as in `_status`
        names = sorted((self._session(name), name) for name in store.names(LEDGER) if name.endswith(".jsonl"))
        self.session = names[-1][0] + 1 if names else 0
        self._begin()
        for _, name in names:
            self._read(f"{LEDGER}/{name}")

    def __len__(self) -> int:
        """Rows that are finished, however they ended."""
        return sum(int(np.count_nonzero(codes != ABSENT)) for _, codes in self._status.blocks())

    def count(self, status: Status, rows: range | None = None) -> int:
        """Rows that ended so, among `rows`."""
        code, blocks = STATUSES.index(status), self._status.blocks(*_slice(rows))
        return sum(int(np.count_nonzero(codes == code)) for _, codes in blocks)

    def unfinished(self, rows: range) -> int:
        """Rows among `rows` that are not finished."""
        return len(rows) - sum(self.count(status, rows) for status in STATUSES)

    def first_unfinished(self, start: int = 0) -> int:
        """The first row from `start` on that is not finished."""
        for first, codes in self._status.blocks(start):
            if len(absent := np.flatnonzero(codes == ABSENT)):
                return first + int(absent[0])
        return max(self.end, start)

    @property
    def codes(self) -> bytes:
        """How each row ended: a place in `STATUSES`, or `ABSENT`."""
        return self._status.part(0, self.end).tobytes()

    def finished(self) -> Iterator[int]:
        """The rows that are finished, in order."""
        for first, codes in self._status.blocks():
            yield from (first + np.flatnonzero(codes != ABSENT)).tolist()

    def audio_seconds(self, rows: range | None = None) -> float:
        """Seconds of audio in the clips of `rows`."""
        ok, blocks = STATUSES.index("ok"), self._status.blocks(*_slice(rows))
        parts = ((codes == ok, self._seconds.part(first, first + len(codes))) for first, codes in blocks)
        return sum(float(seconds[of].sum(dtype=np.float64)) for of, seconds in parts)

    def hashes(self) -> Iterator[tuple[int, NDArray[np.uint64]]]:
        """Of the samples of each row's take, and of its question's beside it (rows, 2); 0: not ok, or not known.

        A block of rows at a time, with its first.
        """
        for first, codes in self._status.blocks():
            taken = [clips.hash.part(first, first + len(codes)) for clips in self._clips]
            yield first, np.where((codes == STATUSES.index("ok"))[:, None], np.stack(taken, axis=1), np.uint64(0))

    def drawn_again(self, rows: range) -> Iterator[int]:
        """Those of `rows` of which more takes than one were made, in order."""
        for first, own in self._clips[0].attempts.blocks(*_slice(rows)):
            asked = self._clips[1].attempts.part(first, first + len(own))
            yield from (first + np.flatnonzero((own > 1) | (asked > 1))).tolist()

    def bad(self, rows: range) -> Iterator[int]:
        """Those of `rows` that failed or were rejected, in order."""
        for first, codes in self._status.blocks(*_slice(rows)):
            yield from (first + np.flatnonzero((codes != ABSENT) & (codes != STATUSES.index("ok")))).tolist()

    def changed(self) -> int:
        """When a row was last added, in ns since the epoch; 0 if there is none."""
        return max((file.changed for file in self._store.files(LEDGER)), default=0)

    @property
    def end(self) -> int:
        """One past the last finished row."""
        return len(self._status)

    def status(self, index: int) -> Status | None:
        """How the row ended; None if it is not finished."""
        code = self._status[index]
        return None if code == ABSENT else STATUSES[code]

    def codes_of(self, rows: range) -> NDArray[np.uint8]:
        """How each of `rows` ended, as in `codes`."""
        return self._status.part(rows.start, rows.stop)

    def sizes_of(self, rows: range, beside: Side = "answer") -> NDArray[np.uint32]:
        """Size of the audio file of each of `rows`, or of its question's beside it; 0: there is none, or not known."""
        return self._clips[beside == "question"].bytes.part(rows.start, rows.stop)

    def packed_of(self, rows: range, beside: Side = "answer") -> NDArray[np.bool_]:
        """Of each of `rows`, whether its audio, or its question's beside it, lies in a shard by the record."""
        return self._clips[beside == "question"].shard.part(rows.start, rows.stop) > 0

    def shards(self) -> dict[str, int]:
        """The shards that clips on record lie in, and how many bytes each has at least."""
        used = {number for clips in self._clips for _, block in clips.shard.blocks() for number in np.unique(block)}
        return {self._shards.names[number - 1]: self._shards.ends[number - 1] for number in sorted(used) if number}

    def packed_in(self, shards: Collection[str]) -> list[int]:
        """The rows with a clip that lies in one of these, by the record, in order."""
        numbers = [number for number, name in enumerate(self._shards.names, 1) if name in shards]
        found = [
            first + np.flatnonzero(np.isin(block, numbers))
            for clips in self._clips
            for first, block in clips.shard.blocks()
        ]
        return sorted(set(np.concatenate(found).tolist())) if found and numbers else []

    def attempt(self, index: int, side: Side = "answer") -> int:
        """Which attempt at a text of a row that is not finished is to be made next, from 1."""
        if index >= len(self._status):
            return 1
        own, asked = (int(clips.attempts[index]) for clips in self._clips)
        return max((asked or own) if side == "question" else own, 1)

    def forget(self, index: int, *, redraw: bool = False) -> None:
        """Lets the row be done again in this session; its old line stays until a new one replaces it.

        With `redraw` by other attempts, but for one of its two texts that has a good take; without, by the same ones as
        then.
        """
        self._on_record.setdefault(index, {name: self._columns[name][index] for name in _FORGOTTEN})
        self._former[index] = self._status[index]
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

    def ended_otherwise(self) -> Iterator[tuple[int, Status]]:
        """The rows that ended otherwise once than they do now, and how."""
        for index, former in self._former.items():
            if ABSENT != self._status[index] != former:
                yield index, STATUSES[former]

    def add(self, entries: Iterable[Entry]) -> None:
        """Takes down what a `LedgerWriter` has added."""
        for entry in entries:
            self._note(to_fields(entry.row), entry.place)

    def left_by(self, writer: str) -> Iterator[Entry]:
        """What a writer of this session, which is no more, has added and was not taken down here.

        Raises:
            OutputError: its file cannot be read.
        """
        name = _name(self.session, writer)
        if name.rpartition("/")[2] not in self._store.names(LEDGER):
            return
        offset, known = self._latest.get(name, (0, None))
        with self._store.reading(name) as file:
            file.seek(offset)
            for line in file:
                if line.endswith(b"\n"):  # else it is torn: nobody was to believe in it
                    row = from_line(line)
                    if row.index != known:
                        yield Entry(row, (name, offset))
                    offset += len(line)

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
                        row = from_line(file.readline())
                    except (ValueError, TypeError):
                        raise OutputError(
                            f"{self._store}/{names[number]}, at byte {offset}: not a ledger line; {self._remedy}"
                        ) from None
                    found[row.index] = row
        return found

    def keep_index(self, after: int | None = None) -> bool:
        """Keeps in the store what is known of the rows, where that takes so many more lines than the index there has.

        From then on most of it is in a file that the system maps, so memory hardly grows with the rows.

        Args:
            after: so many lines; as many as take some seconds to read by default.

        Returns:
            Whether it did.
        """
        if self._unindexed < (max(INDEX_AFTER, self.end // _INDEX_SHARE) if after is None else after):
            return False
        self._unindexed = 0
        head = {
            "files": [[name, *self._latest[name]] for name in self._files],
            "former": list(self._former.items()),
            "shards": list(zip(self._shards.names, self._shards.ends, strict=True)),
        }
        columns, on_record = self._columns, dict(self._on_record)
        try:
            with self._store.making(INDEX) as path:
                save(path, head, columns, on_record)
            with self._store.reading(INDEX) as file:
                _, bases = load(file)
        except OutputError as error:
            _log.warning("no index of the ledger, which is read whole when the run goes on: %s", error)
            return False
        for name, column in columns.items():
            for index in on_record:
                if index < len(bases[name]):
                    bases[name][index] = column[index]
            column.rebase(bases[name])
        return True

    @property
    def _columns(self) -> dict[str, Column]:
        """All of them, by the names that they have in the index."""
        columns = {"status": self._status, "place": self._place, "seconds": self._seconds}
        for side, clips in zip(("", "question_"), self._clips, strict=True):
            columns |= {f"{side}{name}": column for name, column in vars(clips).items()}
        return columns

    def _begin(self) -> None:
        """Takes what the index has, where the last line that it knows of each file lies where it did."""
        try:
            with self._store.reading(INDEX) as file:
                head, bases = load(file)
            latest = {name: (place, row) for name, place, row in head["files"]}
            former = {index: code for index, code in head["former"] if STATUSES[code]}
            shards = _Shards(head["shards"])
            if bases.keys() != self._columns.keys() or not all(self._lies(name, *latest[name]) for name in latest):
                return
            if not (
                _all_below(bases["status"], len(STATUSES), ABSENT)
                and _all_below(bases["place"], len(latest) << _OFFSET_BITS)
                and all(_all_below(bases[f"{side}shard"], len(shards.names) + 1) for side in ("", "question_"))
            ):
                return
        except (OutputError, ValueError, LookupError, TypeError, AttributeError):
            return
        self._files = {name: number for number, name in enumerate(latest)}
        self._latest = latest
        self._former = former
        self._shards = shards
        for name, column in self._columns.items():
            column.rebase(bases[name])

    def _lies(self, name: str, place: int, row: int) -> bool:
        """Whether the line of a row begins at a place in a file."""
        with self._store.reading(name) as file:
            file.seek(max(place - 1, 0))
            return (not place or file.read(1) == b"\n") and json.loads(file.readline())["index"] == row

    @property
    def _remedy(self) -> str:
        return f"restore the file, or {self._store.anew}"

    def _session(self, name: str) -> int:
        number = name.removesuffix(".jsonl").split("-")[0]  # a run of version 0.1.0 has no writers' names
        if not number.isdecimal():
            raise OutputError(f"{self._store}/{LEDGER}/{name}: not a ledger file; {self._remedy}")
        return int(number)

    def _read(self, name: str) -> None:
        offset, _ = self._latest.get(name, (0, 0))
        with self._store.reading(name) as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn by a kill: the row is done again
                place, offset = (name, offset), offset + len(line)
                if b"\0" in line:
                    continue  # of a piece that a loss of power cut short: a disk that has not written a page has zeros
                try:
                    self._note(json.loads(line), place)
                except (ValueError, KeyError, TypeError):
                    file.seek(0)
                    number = file.read(place[1]).count(b"\n") + 1
                    raise OutputError(
                        f"{self._store}/{name}, line {number}: not a ledger line, so the run cannot go on from it; "
                        f"remove that line, and its row is made again, or {self._remedy}"
                    ) from None

    def _note(self, row: Mapping[str, Any], place: Place) -> None:
        """Takes down a row, as its line has it."""
        index, status, (name, offset) = row["index"], STATUSES.index(row["status"]), place
        number = self._files.setdefault(name, len(self._files))
        self._on_record.pop(index, None)
        if self._status[index] not in (ABSENT, status):
            self._former[index] = self._status[index]
        self._place[index] = number << _OFFSET_BITS | offset
        own, asked = self._clips
        self._seconds[index] = own.note(index, row, self._shards) + asked.note(index, row.get("asked"), self._shards)
        self._status[index] = status  # last: who reads meanwhile finds the rest
        self._latest[name] = offset, index
        self._unindexed += 1


def _name(session: int, writer: str) -> str:
    """Of a writer's file in the store."""
    return f"{LEDGER}/{session:05d}-{writer}.jsonl"


def _slice(rows: range | None) -> tuple[int, int | None]:
    return (0, None) if rows is None else (rows.start, rows.stop)


def _all_below(numbers: NDArray[Any], bound: int, but: int | None = None) -> bool:
    """Whether all are, but those that are `but`; in little memory."""
    blocks = (block for _, block in Column(numbers.dtype.char, base=numbers).blocks())
    return not any(np.any((block >= bound) & (block != but)) for block in blocks)
