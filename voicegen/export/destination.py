"""A folder made beside its place and renamed, so that it is there whole or not at all: that of an export, say."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from voicegen.errors import OutputError
from voicegen.files import TEMPORARY_SUFFIX, sync_folder, telling

MARK: Final = ".voicegen-export.json"
"""Says that a folder is an export, and how much was written; hidden, since loaders pass such files by."""

FILES_SYNCED: Final = 100
"""Files that are made durable one by one; with more, all that the system holds is, since each one costs some ms."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many files there are, and how many bytes in them."""

    files: int
    size: int


@contextmanager
def export_folder(place: Path, run: Path) -> Iterator[Path]:
    """Gives an empty folder to write an export of `run` to, which comes to `place` after the block unless it raises.

    An export that is there and has not been changed since is replaced.

    Raises:
        OutputError: something else is at `place`, another process exports to it, or it cannot be written.
    """
    place = place.resolve()
    if place == run.resolve() or run.resolve() in place.parents:
        raise OutputError(f"{place} is in the run itself: choose a folder outside of it")
    with whole_folder(place, replaceable) as folder:
        yield folder
        written = measure(folder)
        (folder / MARK).write_text(json.dumps({"files": written.files, "bytes": written.size}), "utf-8")


@contextmanager
def whole_folder(place: Path, check: Callable[[Path], object]) -> Iterator[Path]:
    """Gives an empty folder to write to, which comes to `place` after the block, durably, unless the block raises.

    Args:
        place: a whole path.
        check: refuses a place that holds what is not to be replaced; before the block and after it.

    Raises:
        OutputError: another process writes to the same place, or it cannot be written.
    """
    temporary = place.with_name(f".{place.name}{TEMPORARY_SUFFIX}")
    with telling(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place, temporary):
            _tidy(temporary, place)
            check(place)
            temporary.mkdir()
            try:
                yield temporary
                _make_durable(temporary)
                check(place)
                _exchange(temporary, place)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def place_of(folder: Path) -> Path:
    """Where what `export_folder` has given as `folder` comes to lie."""
    return folder.with_name(folder.name.removeprefix(".").removesuffix(TEMPORARY_SUFFIX))


def replaceable(place: Path) -> Written | None:
    """The export that is at `place`, as it was written, and that another one may replace; None: nothing is there.

    Raises:
        OutputError: there is something else; says what, and what to do.
    """
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return None
    remedy = "choose another folder, or move that one away"
    try:
        mark = json.loads((place / MARK).read_bytes())
        written = Written(mark["files"], mark["bytes"])
    except (OSError, ValueError, LookupError, TypeError):
        raise OutputError(f"{place} is there and is no export of voicegen: {remedy}") from None
    if measure(place) != written:
        raise OutputError(f"{place} is an export that was changed since it was made: {remedy}")
    return written


def measure(folder: Path) -> Written:
    """What is in an export, its mark left out."""
    sizes = [path.stat().st_size for path in _files(folder) if path.name != MARK]
    return Written(len(sizes), sum(sizes))


def _files(folder: Path) -> Iterator[Path]:
    return (Path(top, name) for top, _, names in os.walk(folder) for name in names)


def _make_durable(folder: Path) -> None:
    files = list(islice(_files(folder), FILES_SYNCED + 1))
    if len(files) > FILES_SYNCED:
        os.sync()
        return
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for top, _, _ in os.walk(folder):
        sync_folder(Path(top))


def _tidy(temporary: Path, place: Path) -> None:
    """Takes away what a killed process left; what it had just moved aside and not replaced is put back."""
    shutil.rmtree(temporary, ignore_errors=True)
    old = _aside(temporary)
    if old.exists() and not place.exists():
        old.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _aside(temporary: Path) -> Path:
    """Where what is replaced lies until it has been."""
    return temporary.with_name(f"{temporary.name}.old")


def _exchange(new: Path, place: Path) -> None:
    old = _aside(new)
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(place: Path, temporary: Path) -> Iterator[None]:
    path = temporary.with_name(f"{temporary.name}.lock")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"{place}: another voicegen process writes to it: wait for it, or stop it") from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        lock.release()
