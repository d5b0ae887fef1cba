"""The append-only record of finished rows: what resume reads, and what the manifest is made from.

A folder of JSON-lines files, one writer a file, one line a finished row. Each session of a run starts a file of its
own; a later line for a row replaces an earlier one. In memory are only a few bytes a row: where its line starts, and
how it ended.
"""

from __future__ import annotations

import json
import os
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, get_args

from voicegen.errors import OutputError
from voicegen.files import output_error, sync_folder
from voicegen.records import Clip, ManifestRow, Status

_STATUSES: tuple[Status, ...] = get_args(Status)
_ABSENT = 255
_ROW_FIELDS = tuple(field.name for field in dataclass_fields(ManifestRow))
_CLIP_FIELDS = tuple(field.name for field in dataclass_fields(Clip))


class Ledger:
    """Reads what is there, drops a torn last line, and appends to a new file of its own.

    Safe to read from one thread while another appends.

    Raises:
        OutputError: a file cannot be read or written, or a line before the last is not the ledger's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: list[Path] = []
        self._status = bytearray()  # by row: an index into _STATUSES, or _ABSENT
        self._file = array("H")  # by row: an index into _files
        self._offset = array("Q")  # by row: where its line starts
        self._seconds = array("f")  # by row: of audio
        self._bytes = array("Q")  # by row: of its WAV; 0 where that is not known
        self._attempts = array("H")  # by row: takes made of it
        self._writer: int | None = None
        self._end = 0
        try:
            for path in sorted(folder.glob("*.jsonl")):
                self._read(path)
        except OSError as error:
            raise output_error(folder, error) from error

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

    def changed(self) -> int:
        """When a row was last added, in ns since the epoch; 0 if there is none."""
        return max((path.stat().st_mtime_ns for path in self._files), default=0)

    @property
    def end(self) -> int:
        """One past the last finished row."""
        return len(self._status)

    def status(self, index: int) -> Status | None:
        """How the row ended; None if it is not finished."""
        code = self._status[index] if index < len(self._status) else _ABSENT
        return None if code == _ABSENT else _STATUSES[code]

    def wav_bytes(self, index: int) -> int:
        """Size of a finished row's WAV; 0 where there is none or it is not known."""
        return self._bytes[index]

    def attempt(self, index: int) -> int:
        """Which attempt at the row the one is that is on record or, if it was forgotten, to be made; from 1."""
        return max(self._attempts[index], 1) if index < len(self._attempts) else 1

    def forget(self, index: int, *, redraw: bool = False) -> None:
        """Lets the row be done again in this session; its old line stays until a new one replaces it.

        With `redraw` that is another attempt; without, the same one.
        """
        self._status[index] = _ABSENT
        if redraw:
            self._attempts[index] = self.attempt(index) + 1

    def append(self, rows: Sequence[ManifestRow]) -> None:
        """Adds rows durably: after a return they survive a loss of power.

        Raises:
            OutputError: the disk is full or the file cannot be written; then none of the rows counts.
        """
        lines = [_to_line(row) for row in rows]
        try:
            if self._writer is None:
                self._writer = self._start_file()
            data = b"".join(lines)
            # One write and one sync: a torn end is dropped on reopening.
            written = os.write(self._writer, data)
            while written < len(data):
                written += os.write(self._writer, data[written:])
            os.fsync(self._writer)
        except OSError as error:
            raise output_error(self._folder, error) from error
        with self._lock:
            file = len(self._files) - 1
            for row, line in zip(rows, lines, strict=True):
                seconds, size = (row.clip.duration, row.clip.num_bytes) if row.clip else (0.0, 0)
                self._index(row.index, row.status, file, self._end, seconds, size, row.attempts)
                self._end += len(line)

    def get(self, indexes: Iterable[int]) -> dict[int, ManifestRow]:
        """The finished rows among `indexes`."""
        with self._lock:
            places = [
                (self._file[index], self._offset[index], index) for index in indexes if self.status(index) is not None
            ]
        return {row.index: row for row in self._lines(sorted(places))}

    def close(self) -> None:
        """Closes the file that this session appended to."""
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None

    def _lines(self, places: Sequence[tuple[int, int, int]]) -> Iterator[ManifestRow]:
        current, stream = -1, None
        try:
            for file, offset, _ in places:
                if file != current:
                    if stream is not None:
                        stream.close()
                    current, stream = file, self._files[file].open("rb")
                assert stream is not None
                if stream.tell() != offset:
                    stream.seek(offset)
                yield _from_line(stream.readline())
        finally:
            if stream is not None:
                stream.close()

    def _start_file(self) -> int:
        number = int(self._files[-1].stem) + 1 if self._files else 0
        path = self._folder / f"{number:05d}.jsonl"
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        sync_folder(self._folder)
        self._files.append(path)
        self._end = 0
        return descriptor

    def _read(self, path: Path) -> None:
        file = len(self._files)
        self._files.append(path)
        offset = 0
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break  # torn by a kill: the row is done again
                try:
                    row = json.loads(line)
                    clip = row.get("clip")
                    seconds = clip["num_samples"] / clip["sampling_rate"] if clip else 0.0
                    size = clip.get("num_bytes", 0) if clip else 0
                    self._index(row["index"], row["status"], file, offset, seconds, size, row.get("attempts", 1))
                except (ValueError, KeyError, TypeError):
                    raise OutputError(
                        f"{path}, line {number}: not a ledger line, so the run cannot go on from it; "
                        "restore the file, or start anew with overwrite=true"
                    ) from None
                offset += len(line)

    def _index(
        self, index: int, status: Status, file: int, offset: int, seconds: float, size: int, attempts: int
    ) -> None:
        missing = index + 1 - len(self._status)
        if missing > 0:
            self._status.extend(bytes([_ABSENT]) * missing)
            self._file.extend([0] * missing)
            self._offset.extend([0] * missing)
            self._seconds.extend([0.0] * missing)
            self._bytes.extend([0] * missing)
            self._attempts.extend([0] * missing)
        self._status[index] = _STATUSES.index(status)
        self._file[index] = file
        self._offset[index] = offset
        self._seconds[index] = seconds
        self._bytes[index] = size
        self._attempts[index] = attempts


def _to_line(row: ManifestRow) -> bytes:
    fields = {name: value for name in _ROW_FIELDS if (value := getattr(row, name)) is not None and value != {}}
    if row.clip is not None:
        fields["clip"] = {name: getattr(row.clip, name) for name in _CLIP_FIELDS}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def _from_line(line: bytes) -> ManifestRow:
    fields: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
    if clip := fields.get("clip"):
        fields["clip"] = Clip(**clip)
    return ManifestRow(**fields)
