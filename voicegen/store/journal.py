"""A `Journal` in a store of objects, which has no adding to what is there: each piece is an object of its own.

Together the objects below the journal's name are its bytes, each called after the first of those and the one after
the last: `ledger/00000-local.jsonl/START-END`. So a byte keeps its place whatever object it is in, and the writer
joins objects as it goes: 32 small ones to one, 32 of those again, until they are 16 MiB or more. So each byte is
written three or four times however long the journal grows, and few objects are smaller. A joined object is there
before those that it was made of are removed; where both are, the longest that starts at a byte is read.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from voicegen.errors import OutputError
from voicegen.remote import RemotePath, storing
from voicegen.store import Place
from voicegen.store.lease import Term, clock

JOINED: Final = 32
"""Objects that are joined to one."""

ENOUGH: Final = 32 * 2**20
"""Bytes for which fewer are joined; an object of half of that is joined no further."""

_BUFFER: Final = 2**20  # bytes read at once
_HELD_BACK: Final = 30.0  # seconds that what is not to be durable waits for more
_HELD_BYTES: Final = 2**18


@dataclass(frozen=True, slots=True)
class Part:
    """An object with the bytes of a journal from `start` to `end`; `rank`: how often what is in it was joined."""

    start: int
    end: int
    rank: int = 0

    @property
    def name(self) -> str:
        """Its own, below the journal's."""
        return f"{self.start:015d}-{self.end:015d}"


class ObjectJournal:
    """Pieces of the ledger: each is there, and durable, when `add` returns."""

    def __init__(self, root: RemotePath, name: str) -> None:
        self._root = root
        self._name = name
        self._path = root / name
        self._parts: list[Part] = []
        self._broken = False
        self._term: Term | None = None

    def add(self, piece: bytes) -> Place:
        """Adds a piece and says where it lies.

        Raises:
            OutputError: it cannot be written, or the store is another process's by now.
        """
        if self._term is None:
            self._term = Term(self._root)
            if parts_of(self._path):
                raise OutputError(f"cannot write {self._path}: another process began it; run the same command again")
        self._broken = True  # unless all goes well
        self._term.check()
        start = self._parts[-1].end if self._parts else 0
        part = Part(start, start + len(piece))
        self._put(part, piece)
        self._parts.append(part)
        self._broken = False
        while self._is_to_be_joined(alike := self._last_small(part.rank)):
            part = self._join(alike)
        return self._name, start

    def close(self) -> None:
        """Ends the journal, in as few objects as may be; a store that has just failed is not waited for once more."""
        if not self._broken and len(small := self._last_small()) > 1:
            self._join(small)

    def _last_small(self, rank: int | None = None) -> list[Part]:
        """The last objects, as long as they are small and of a rank."""
        small = takewhile(
            lambda part: part.end - part.start < ENOUGH // 2 and rank in (None, part.rank), reversed(self._parts)
        )
        return list(small)[::-1]

    def _is_to_be_joined(self, alike: Sequence[Part]) -> bool:
        return len(alike) >= JOINED or (len(alike) > 1 and alike[-1].end - alike[0].start >= ENOUGH)

    def _join(self, last: Sequence[Part]) -> Part:
        joined = Part(last[0].start, last[-1].end, max(part.rank for part in last) + 1)
        with storing(self._path):
            filesystem, path = self._path.filesystem()
            names = [f"{path}/{part.name}" for part in last]
            found = filesystem.cat(names)
            self._put(joined, b"".join(found[name] for name in names))
            self._parts[-len(last) :] = [joined]
            filesystem.rm(names)
        return joined

    def _put(self, part: Part, data: bytes) -> None:
        with storing(self._path):
            filesystem, path = self._path.filesystem()
            filesystem.pipe_file(f"{path}/{part.name}", data)


class ObjectLog:
    """Pieces of a log, which wait for one another for half a minute."""

    def __init__(self, root: RemotePath, name: str) -> None:
        self._name = name
        self._path = root / name
        self._end: int | None = None
        self._waiting = bytearray()
        self._put = clock()

    def add(self, piece: bytes) -> Place:
        """Adds a piece and says where it will lie.

        Raises:
            OutputError: it cannot be written.
        """
        if self._end is None:
            self._end = max((part.end for part in parts_of(self._path)), default=0)
        place = self._name, self._end + len(self._waiting)
        self._waiting += piece
        if len(self._waiting) >= _HELD_BYTES or clock() - self._put >= _HELD_BACK:
            self._flush()
        return place

    def close(self) -> None:
        """Puts what is left."""
        if self._waiting:
            self._flush()

    def _flush(self) -> None:
        assert self._end is not None
        self._put = clock()  # where it fails, the next try is half a minute later too
        part = Part(self._end, self._end + len(self._waiting))
        with storing(self._path):
            filesystem, path = self._path.filesystem()
            filesystem.pipe_file(f"{path}/{part.name}", bytes(self._waiting))
        self._end = part.end
        self._waiting.clear()


def parts_of(journal: RemotePath) -> list[Part]:
    """The objects that together are a journal, from its first byte on, each the longest at its place."""
    with storing(journal, "read"):
        filesystem, path = journal.filesystem()
        try:
            names = filesystem.ls(path, detail=False)
        except FileNotFoundError:
            return []
    longest: dict[int, int] = {}
    for name in names:
        start, _, end = name.rpartition("/")[2].partition("-")
        longest[int(start)] = max(longest.get(int(start), 0), int(end))
    parts: list[Part] = []
    while (start := parts[-1].end if parts else 0) in longest:
        parts.append(Part(start, longest[start]))
    return parts


class _JournalReader(io.RawIOBase):
    """The bytes of a journal as one file."""

    def __init__(self, journal: RemotePath) -> None:
        super().__init__()
        self._journal = journal
        self._parts = parts_of(journal)
        self._at = 0
        self._part: Part | None = None
        self._file: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        end = self._parts[-1].end if self._parts else 0
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        with storing(self._journal, "read"):
            try:
                data = self._read(len(buffer))
            except FileNotFoundError:  # joined with others meanwhile
                self._parts, self._part = parts_of(self._journal), None
                data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        if self._part is None or not self._part.start <= self._at < self._part.end:
            self._part = next((part for part in self._parts if part.start <= self._at < part.end), None)
            if self._part is None:
                return b""
            filesystem, path = self._journal.filesystem()
            self._file = filesystem.open(f"{path}/{self._part.name}", "rb", block_size=_BUFFER)
        self._file.seek(self._at - self._part.start)
        return bytes(self._file.read(min(size, self._part.end - self._at)))


def reading_journal(journal: RemotePath) -> io.BufferedReader:
    """A journal to read from."""
    return io.BufferedReader(_JournalReader(journal), 2**16)
