"""A run's files in a folder of this machine."""

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
from voicegen.store import Place, Store, StoredFile

_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class FolderStore(Store):
    """A `Store` in a folder. A file is written under a temporary name, synced, and renamed."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root

    @property
    def name(self) -> str:
        return self.root.resolve().name

    def _at(self, name: str) -> Path:
        return inside(self.root, name)

    def put(self, files: Sequence[tuple[str, bytes]]) -> None:
        write_group_atomic([(self._at(name), data) for name, data in files])

    def share(self, name: str, other: Store, other_name: str) -> None:
        source, path = inside(other.folder, other_name), self._at(name)
        with telling(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.hardlink_to(source)
            except OSError:  # another disk, one without links, or too many of them
                with telling_of_reading(source), source.open("rb") as file, path.open("wb") as copy:
                    shutil.copyfileobj(file, copy, 2**20)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with telling(self._at(name)):
                self._at(name).unlink(missing_ok=True)

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        with replacing(self._at(name)) as path:
            yield path

    def journal(self, name: str) -> FolderJournal:
        return FolderJournal(self, name, os.O_EXCL, durable=True)

    def log(self, name: str) -> FolderJournal:
        return FolderJournal(self, name, 0, durable=False)

    def names(self, folder: str = "") -> list[str]:
        with telling_of_reading(self.root / folder), suppress(FileNotFoundError, NotADirectoryError):
            return sorted(path.name for path in (self.root / folder).iterdir() if _is_content(path.name))
        return []

    def files(self, folder: str) -> Iterator[StoredFile]:
        with telling_of_reading(self.root / folder):
            for path, _, names in os.walk(self.root / folder):
                inside = Path(path).relative_to(self.root).as_posix()
                for name in filter(_is_content, names):
                    status = os.stat(f"{path}/{name}")  # noqa: PTH116 - a Path costs as much again as the call
                    yield StoredFile(f"{inside}/{name}", status.st_size, status.st_mtime_ns)

    def read(self, name: str) -> bytes | None:
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError):
            return self._at(name).read_bytes()
        return None

    def read_part(self, name: str, offset: int, size: int) -> bytes | None:
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError), self._at(name).open("rb") as file:
            file.seek(offset)
            return file.read(size)
        return None

    def changed(self, name: str) -> int:
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError):
            return self._at(name).stat().st_mtime_ns
        return 0

    def size(self, name: str) -> int | None:
        with telling_of_reading(self._at(name)), suppress(FileNotFoundError, NotADirectoryError):
            return self._at(name).stat().st_size
        return None

    @contextmanager
    def reading(self, name: str) -> Iterator[BufferedReader]:
        with telling_of_reading(self._at(name)), self._at(name).open("rb") as file:
            yield file

    def remove_torn(self) -> None:
        with telling(self.root):
            remove_temporaries(self.root)

    def hold(self) -> FolderHold:
        return FolderHold(self)

    @contextmanager
    def kept_still(self) -> Iterator[None]:
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
    """Where files of a store in a folder are put that are in its way, in a folder of it, made for the first of them.

    Attributes:
        folder: its name in the store; None before that.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.folder: str | None = None

    def put(self, name: str) -> None:
        """Moves a file there, under the name that it had, durably; one that is not there is no error.

        Raises:
            OutputError: it cannot be moved.
        """
        root = self._store.folder
        source = inside(root, name)
        with telling(source), suppress(FileNotFoundError):
            source.lstat()
            folder = unused(root / "aside") if self.folder is None else root / self.folder
            self.folder = folder.name
            target = folder / name
            make_folder(target.parent)
            source.rename(target)
            for changed in (target.parent, source.parent):
                sync_folder(changed)


class FolderJournal:
    """A `Journal` that is a file; a piece is whole, or torn at its end by a kill."""

    def __init__(self, store: FolderStore, name: str, flags: int, *, durable: bool) -> None:
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


class FolderHold:
    """A `Hold` by a lock that ends with its process; what killed writers left there is removed."""

    def __init__(self, store: FolderStore) -> None:
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

    def move_aside(self) -> FolderStore:
        """Moves all that is there to a store of its own, and goes on with an empty one."""
        aside = FolderStore(move_aside(self._root))
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
