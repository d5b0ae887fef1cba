"""Where a run's files lie, and the only way to them: put durably, list, read, hold, move aside.

Names are relative to the store, with forward slashes. A file is put whole or not at all; what grows is a `Journal`.
So nothing above knows of renames or of adding to a file: a store is a folder of this machine (`folder`) or lies below
a URL in a store of objects (`objects`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from voicegen.remote import AnyPath, RemotePath

Place = tuple[str, int]
"""Where a piece of a journal lies: the name to read it by, and the byte there at which it starts."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as listed: its size in bytes, and when it was changed, in ns since the epoch."""

    name: str
    size: int
    changed: int


class Journal(Protocol):
    """What one process adds, piece by piece."""

    def add(self, piece: bytes) -> Place:
        """Adds a piece and says where it lies.

        Raises:
            OutputError: it cannot be written, or the store is another process's by now.
        """

    def close(self) -> None:
        """Ends the journal."""


class Hold(Protocol):
    """A store that this process alone works in, as a context manager."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(self, *error: Any) -> None:
        """Lets go of the store."""

    def give_back(self) -> None:
        """Lets go of a store that turned out to be no place for us, and leaves no trace in it."""

    def move_aside(self) -> Store:
        """Moves all that is there to a store of its own, and goes on with an empty one.

        Raises:
            OutputError: it cannot be moved.
        """


@dataclass(frozen=True, slots=True)
class Store:
    """A run's files, wherever they lie: `Store(root)` is what stands there. Plain data for other processes.

    Every method raises an `OutputError` that says what to do, where the store cannot be written or read, and an
    `InputError` for a name that leads out of it.

    Attributes:
        lists_audio: whether a run, as it starts, looks for what it has of audio: in a folder files are tidied away, and
            looking costs little. What is in a store of objects was put there, and `verify` alone looks.
        anew: how to begin without the run that is there, for error lines.
    """

    root: AnyPath
    lists_audio: ClassVar[bool] = True
    anew: ClassVar[str] = "start anew with another name=... or overwrite=true (which moves the old run aside)"

    def __new__(cls, root: AnyPath | None = None) -> Self:
        """The kind of store that a path is of, as `pathlib.Path` is of a system's kind."""
        if cls is not Store:
            return object.__new__(cls)
        from voicegen.store.folder import FolderStore
        from voicegen.store.objects import ObjectStore

        kind: Any = ObjectStore if isinstance(root, RemotePath) else FolderStore
        return object.__new__(kind)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return str(self.root)

    @property
    def folder(self) -> Path:
        """The folder, for what needs one.

        Raises:
            OutputError: there is none.
        """
        raise NotImplementedError

    @property
    def name(self) -> str:
        """What a run there is called."""
        raise NotImplementedError

    def put(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Puts files, by name, in the place of what had their names; after a return they survive a loss of power.

        After an error some of them may be there, each of them whole.
        """
        raise NotImplementedError

    def share(self, name: str, other: Store, other_name: str) -> None:
        """Puts a file of another store under a name here: the same file where the disk has one (a link), else a copy.

        No writer changes a file in its place, so neither store changes the other's. Not durable by itself.

        Raises:
            OutputError: the file cannot be read or written.
        """
        raise NotImplementedError

    def remove(self, names: Iterable[str]) -> None:
        """Removes files; one that is not there is no error."""
        raise NotImplementedError

    def making(self, name: str) -> AbstractContextManager[Path]:
        """A path to write a large file to, which is put under `name` after the block unless it raises."""
        raise NotImplementedError

    def journal(self, name: str) -> Journal:
        """A new journal, durable piece by piece; nothing is there before its first piece."""
        raise NotImplementedError

    def log(self, name: str) -> Journal:
        """A journal that earlier processes may have begun, and whose last pieces a loss of power may take."""
        raise NotImplementedError

    def names(self, folder: str = "") -> list[str]:
        """What lies directly in a folder, in order; nothing where there is no such folder."""
        raise NotImplementedError

    def files(self, folder: str) -> Iterator[StoredFile]:
        """All files in a folder and below it, in no order."""
        raise NotImplementedError

    def read(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        raise NotImplementedError

    def read_part(self, name: str, offset: int, size: int) -> bytes | None:
        """`size` bytes of a file from `offset` on, or fewer where it ends before; None where there is no such file."""
        raise NotImplementedError

    def changed(self, name: str) -> int:
        """When a file was last changed, in ns since the epoch; 0 if there is none."""
        raise NotImplementedError

    def size(self, name: str) -> int | None:
        """A file's size in bytes; None where there is none."""
        raise NotImplementedError

    def reading(self, name: str) -> AbstractContextManager[BufferedReader]:
        """A file to read from."""
        raise NotImplementedError

    def remove_torn(self) -> None:
        """Removes what killed writers left half done; no other may be writing."""

    def hold(self) -> Hold:
        """Takes the store for this process alone, making it where it is not there; ends with the process at the latest.

        Raises:
            OutputError: another process has it.
        """
        raise NotImplementedError

    def look_aside(self) -> None:
        """Looks whether what is there can be moved aside.

        Raises:
            OutputError: it cannot.
        """

    def kept_still(self) -> AbstractContextManager[None]:
        """Keeps other processes from taking the store while the block reads, and leaves it as it is.

        Where this process may not write, it cannot keep them out, and reads all the same.

        Raises:
            OutputError: another process has it.
        """
        raise NotImplementedError
