"""Where a run's files lie, and the only way to them: put durably, list, read, hold, move aside.

Names are relative to the store, with forward slashes. A file is put whole or not at all; what grows is a `Journal`. So
nothing above knows of renames or of adding to a file, and a store of objects could stand here, which would put each
piece of a journal as an object of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from voicegen.errors import OutputError
from voicegen.files import (
    TEMPORARY_SUFFIX,
    inside,
    make_folder,
    move_aside,
    remove_temporaries,
    replacing,
    sync_folder,
    telling,
    telling_of_reading,
    unused,
    write_all,
    write_group_atomic,
)

_LOCK = ".lock"

Place = tuple[str, int]
"""Where a piece of a journal lies: the name to read it by, and the byte there at which it starts."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as listed: its size in bytes, and when it was changed, in ns since the epoch."""

    name: str
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Store:
    """A folder on this machine. It is plain data, which another process can be handed.

    Every method raises an `OutputError` that says what to do, where the folder cannot be written or read, and an
    `InputError` for a name that leads out of it.
    """

    root: Path

    def __str__(self) -> str:
        return str(self.root)

    def _at(self, name: str) -> Path:
        return inside(self.root, name)

    def put(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Puts files, by name, in the place of what had their names; after a return they survive a loss of power.

        After an error some of them may be there, each of them whole.
        """
        write_group_atomic([(self._at(name), data) for name, data in files])

    def share(self, name: str, other: Store, other_name: str) -> None:
        """Puts a file of another store under a name here: the same file where the disk has one (a link), else a copy.

        No writer changes a file in its place, so neither store changes the other's. Not durable by itself.

        Raises:
            OutputError: the file cannot be read or written.
        """
        source, path = other._at(other_name), self._at(name)
        with telling(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.hardlink_to(source)
            except OSError:  # another disk, one without links, or too many of them
                with telling_of_reading(source), source.open("rb") as file, path.open("wb") as copy:
                    shutil.copyfileobj(file, copy, 2**20)

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; one that is not there is no error."""
        for name in names:
            with telling(self._at(name)):
                self._at(name).unlink(missing_ok=True)

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """A path to write a large file to, which is put under `name` after the block unless it raises."""
        with replacing(self._at(name)) as path:
            yield path

    def journal(self, name: str) -> Journal:
        """A new journal, durable piece by piece; nothing is there before its first piece."""
        return Journal(self, name, os.O_EXCL, durable=True)

    def log(self, name: str) -> Journal:
        """A journal that earlier processes may have begun, and whose last pieces a loss of power may take."""
        return Journal(self, name, 0, durable=False)

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in a folder, in order; nothing where there is no such folder."""
        with telling_of_reading(self.root / folder), suppress(FileNotFoundError, NotADirectoryError):
            return sorted(path.name for path in (self.root / folder).iterdir() if _is_content(path.name))
        return []

    def files(self, folder: str) -> Iterator[StoredFile]:
        """All files in a folder and below it, in no order."""
        with telling_of_reading(self.root / folder):
            for path, _, names in os.walk(self.root / folder):
                inside = Path(path).relative_to(self.root).as_posix()
                for name in filter(_is_content, names):
                    status = Path(path, name).stat()
                    yield StoredFile(f"{inside}/{name}", status.st_size, status.st_mtime_ns)

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError):
            return self._at(name).read_bytes()
        return None

    def changed(self, name: str) -> int:
        """When a file was last changed, in ns since the epoch; 0 if there is none."""
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError):
            return self._at(name).stat().st_mtime_ns
        return 0

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None where there is none."""
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError, NotADirectoryError):
            return self._at(name).stat().st_size
        return None

    @contextmanager
    def reading(self, name: str) -> Iterator[BufferedReader]:
        """A file to read from."""
        with telling_of_reading(self._at(name)), self._at(name).open("rb") as file:
            yield file

    def remove_torn(self) -> None:
        """Removes what killed writers left half done; no other may be writing."""
        with telling(self.root):
            remove_temporaries(self.root)

    def hold(self) -> Hold:
        """Takes the store for this process alone, making it where it is not there; ends with the process at the latest.

        Raises:
            OutputError: another process has it.
        """
        return Hold(self)

    @contextmanager
    def kept_still(self) -> Iterator[None]:
        """Keeps other processes from taking the store while the block reads, and leaves it as it is.

        Where this process may not write, it cannot keep them out, and reads all the same.

        Raises:
            OutputError: another process has it.
        """
        path = self.root / _LOCK
        new = not path.exists()
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(f"{self.root} is in use by another voicegen process: wait for it, or stop it") from None
        except (OSError, NotImplementedError):
            new = False
        try:
            yield
        finally:
            if new:
                with suppress(OSError):
                    path.unlink()
            lock.release()


class Aside:
    """Where files of a store are put that are in its way, in a folder of it, made for the first of them.

    Attributes:
        folder: its name in the store; None before that.
    """

    def __init__(self, store: Store) -> None:
        self._root = store.root
        self.folder: str | None = None

    def put(self, name: str) -> None:
        """Moves a file there, under the name that it had, durably; one that is not there is no error.

        Raises:
            OutputError: it cannot be moved.
        """
        source = inside(self._root, name)
        with telling(source), suppress(FileNotFoundError):
            source.lstat()
            folder = unused(self._root / "aside") if self.folder is None else self._root / self.folder
            self.folder = folder.name
            target = folder / name
            make_folder(target.parent)
            source.rename(target)
            for changed in (target.parent, source.parent):
                sync_folder(changed)


class Journal:
    """What one process adds, piece by piece; each is whole, or torn at its end by a kill."""

    def __init__(self, store: Store, name: str, flags: int, *, durable: bool) -> None:
        self._name = name
        self._path = store.root / name
        self._flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags
        self._durable = durable
        self._descriptor: int | None = None
        self._end = 0

    def add(self, piece: bytes) -> Place:
        """Adds a piece and says where it lies.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        with telling(self._path):
            if self._descriptor is None:
                self._descriptor = self._start()
            write_all(self._descriptor, piece)
            if self._durable:
                os.fsync(self._descriptor)
        place = self._name, self._end
        self._end += len(piece)
        return place

    def close(self) -> None:
        """Ends the journal."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _start(self) -> int:
        make_folder(self._path.parent)
        descriptor = os.open(self._path, self._flags, 0o644)
        self._end = os.fstat(descriptor).st_size
        if self._durable:
            sync_folder(self._path.parent)
        return descriptor


class Hold:
    """A store that this process alone works in, as a context manager; what killed writers left there is removed."""

    def __init__(self, store: Store) -> None:
        self._root = store.root
        with telling(self._root):
            make_folder(self._root)
            self._new = not (self._root / _LOCK).exists()
            self._lock = self._locked()
            remove_temporaries(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def give_back(self) -> None:
        """Lets go of a store that turned out to be no place for us, and leaves no trace in it."""
        if self._new:
            with suppress(OSError):
                (self._root / _LOCK).unlink()  # before it is released, or it could be another process's by then
        self._lock.release()

    def move_aside(self) -> Store:
        """Moves all that is there to a store of its own, and goes on with an empty one."""
        aside = Store(move_aside(self._root))
        with telling(self._root):
            self._lock.release()
            self._root.mkdir(parents=True)
            self._new = True
            self._lock = self._locked()
        return aside

    def _locked(self) -> FileLock:
        lock = FileLock(self._root / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"{self._root} is in use by another voicegen process: wait for it, or give this run another name=..."
            ) from None
        return lock


def _is_content(name: str) -> bool:
    return name != _LOCK and not name.endswith(TEMPORARY_SUFFIX)
