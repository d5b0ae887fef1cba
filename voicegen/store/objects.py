"""A run's files below a prefix in a store of objects, through fsspec.

An object is put whole or not at all, a large one by its parts and a commit. Nothing is renamed and nothing is added to;
what lists, lists the ledger and never the audio (`Store.lists_audio`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final, NoReturn, Self, cast

from voicegen.errors import InputError, OutputError
from voicegen.remote import BUFFER, AnyPath, RemotePath, storing
from voicegen.store import Store, StoredFile
from voicegen.store.journal import ObjectJournal, ObjectLog, reading_journal
from voicegen.store.lease import LOCK, Lease, refuse_if_held

PROTOCOLS: Final = ("s3", "s3a", "gs", "gcs", "memory")
"""Of the stores that put an object whole, and can put one only where there is none."""

_SECOND: Final = 10**9  # ns
_CHANGED: Final = ("LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True, slots=True)
class ObjectStore(Store):
    """A `Store` below a URL."""

    root: RemotePath
    lists_audio: ClassVar[bool] = False
    anew: ClassVar[str] = "start anew with another name=... or output_dir=..."

    @property
    def folder(self) -> Path:
        raise OutputError(f"{self} is a URL, and this needs a folder of this machine: copy the run here first")

    @property
    def name(self) -> str:
        return self.root.name

    def put(self, files: Sequence[tuple[str, bytes]]) -> None:
        with storing(self.root):
            filesystem, root = self.root.filesystem()
            filesystem.pipe({f"{root}/{_inside(self, name)}": data for name, data in files})

    def remove(self, names: Iterable[str]) -> None:
        with storing(self.root):
            filesystem, root = self.root.filesystem()
            for name in names:
                with suppress(FileNotFoundError):
                    filesystem.rm_file(f"{root}/{_inside(self, name)}")

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="voicegen-") as folder:
            path = Path(folder, PurePosixPath(name).name)
            yield path
            with storing(self.root / name):
                filesystem, target = (self.root / _inside(self, name)).filesystem()
                filesystem.put_file(str(path), target)

    def journal(self, name: str) -> ObjectJournal:
        return ObjectJournal(self.root, name)

    def log(self, name: str) -> ObjectLog:
        return ObjectLog(self.root, name)

    def names(self, folder: str = "") -> list[str]:
        place = self.root / folder if folder else self.root
        with storing(place, "read"):
            filesystem, path = place.filesystem()
            try:
                found = filesystem.ls(path, detail=False)
            except FileNotFoundError:
                return []
        names = {name.rstrip("/").rpartition("/")[2] for name in found if name.rstrip("/") != path.rstrip("/")}
        return sorted(names - {LOCK, ""})

    def files(self, folder: str) -> Iterator[StoredFile]:
        place = self.root / folder
        with storing(place, "read"):
            filesystem, path = place.filesystem()
            found = filesystem.find(path, detail=True)
        for name, info in found.items():
            below = name.removeprefix(path).lstrip("/")
            changed = _changed(info)
            late = 0 if changed % _SECOND else _SECOND - 1  # S3 tells seconds: it may be as late as their end
            yield StoredFile(f"{folder}/{below}", int(info["size"]), changed + late)

    def read(self, name: str) -> bytes | None:
        place = self.root / _inside(self, name)
        with storing(place, "read"):
            try:
                return place.read_bytes()
            except FileNotFoundError:
                pass
        if self._info(name).get("type") == "directory":
            with reading_journal(place) as file:
                return file.read()
        return None

    def read_part(self, name: str, offset: int, size: int) -> bytes | None:
        place = self.root / _inside(self, name)
        with storing(place, "read"):
            filesystem, path = place.filesystem()
            try:
                return bytes(filesystem.cat_file(path, start=offset, end=offset + size))
            except FileNotFoundError:
                return None

    def changed(self, name: str) -> int:
        return _changed(self._info(name))

    def size(self, name: str) -> int | None:
        info = self._info(name)
        return int(info["size"]) if info.get("type") == "file" else None

    @contextmanager
    def reading(self, name: str) -> Iterator[BufferedReader]:
        place = self.root / _inside(self, name)
        info = self._info(name)
        if info.get("type") == "directory":
            file = reading_journal(place)
        elif 0 < info.get("size", 0) <= BUFFER:
            with storing(place, "read"):
                file = BufferedReader(cast(RawIOBase, BytesIO(place.read_bytes())))
        else:
            file = place.open("rb", OutputError)
        with file:
            yield file

    def hold(self) -> ObjectHold:
        return ObjectHold(self)

    def look_aside(self) -> NoReturn:
        raise OutputError(
            f"{self} holds a run already, and a store of objects renames nothing, so that overwrite=true cannot move "
            "it aside: choose another name=... or output_dir=..., or remove the run by the store's own means"
        )

    @contextmanager
    def kept_still(self) -> Iterator[None]:
        refuse_if_held(self.root)
        yield

    def _info(self, name: str) -> Mapping[str, Any]:
        place = self.root / _inside(self, name)
        with storing(place, "read"):
            filesystem, path = place.filesystem()
            try:
                info: Mapping[str, Any] = filesystem.info(path)
            except FileNotFoundError:
                return {}
            return info


class ObjectHold:
    """A `Hold` by a lease."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lease = Lease(store.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lease.release()

    def give_back(self) -> None:
        """Lets go of a store that turned out to be no place for us, and leaves no trace in it."""
        if self._lease.is_first:
            self._lease.erase()
        else:
            self._lease.release()

    def move_aside(self) -> NoReturn:
        """Refuses to."""
        self._store.look_aside()


def run_place(place: AnyPath) -> AnyPath:
    """A place that a run can be written to.

    Raises:
        ValueError: it is none.
    """
    if isinstance(place, RemotePath) and place.protocol not in PROTOCOLS:
        instead = "; a run in a folder is put there by voicegen push" if place.protocol == "hf" else ""
        raise ValueError(f"no run is written to {place.protocol}://: give a folder, s3:// or gs://{instead}")
    return place


def _inside(store: Store, name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"{store}: one of its rows names a file outside of it, {name!r}: it is not used")
    return name


def _changed(info: Mapping[str, Any]) -> int:
    """When an object was changed, in ns since the epoch; 0 where that is not said."""
    found = next((info[key] for key in _CHANGED if info.get(key)), None)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    if isinstance(found, datetime):
        found = found.timestamp()
    return 0 if found is None else int(float(found) * 1e9)
