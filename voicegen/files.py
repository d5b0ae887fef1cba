"""Files of this machine: what a path that a user gives means, and how one is written.

A reader, or a run that starts again, finds the whole of the new file or the old one.
"""

from __future__ import annotations

import errno
import os
import re
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import Final

from voicegen.errors import ConfigError, InputError, OutputError

TEMPORARY_SUFFIX = ".voicegen-tmp"

_SYNCED_TOGETHER: Final = 4  # files; a run of 20,000 rows took 21 s where one by one took 24
_MANY_FILES: Final = 10_240  # the most that macOS allows, where it says that there is no limit
_REMEDIES = {
    errno.ENOSPC: "free some space on that disk, then run the same command again",
    errno.EDQUOT: "your disk quota is used up; free some space, then run the same command again",
    errno.EROFS: "choose a folder on a disk that can be written",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOTDIR: "a part of that path is a file; choose another folder",
    errno.EEXIST: "a file has that name; choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "let the process have more of them (ulimit -n), or fewer requests under way (chat.concurrency)",
}


def allow_many_files() -> None:
    """Lets this process and those that it starts have as many files open as the system allows, 10,240 at the most.

    The usual limit, 256 on a Mac and 1024 on Linux, is less than a run's connections to its servers may need.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY_FILES if most == resource.RLIM_INFINITY else min(most, _MANY_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(OSError, ValueError):  # a system may allow fewer than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def from_home(written: str) -> str:
    """A path with `~` as the home folder: no shell expands it after `=` or inside quotes, and none does in Python."""
    return str(Path(written).expanduser()) if written == "~" or written.startswith("~/") else written


def local_path(value: str | os.PathLike[str]) -> Path:
    """A path of this machine, with `~` as the home folder.

    Raises:
        ValueError: it is a URL, empty, or nothing that a path can be.
    """
    if not isinstance(value, str | os.PathLike):
        raise ValueError(f"{value!r} is no path: give a file or folder, as a str or a Path")
    written = os.fspath(value)
    if not written.strip() or "\0" in written:
        raise ValueError(f"{written!r} is no path: give a file or folder")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", written):
        url = re.sub(":/(?!/)", "://", written, count=1)  # a `Path` made of it has lost one of the two slashes
        raise ValueError(f"{url} is a URL: give a file or folder of this machine")
    return Path(from_home(written))


def inside(folder: Path, name: str) -> Path:
    """The file of `folder` that a manifest or ledger names, which may be anybody's.

    Raises:
        InputError: the name leads out of the folder.
    """
    within = Path(name)
    if within.is_absolute() or ".." in within.parts:
        raise InputError(f"{folder}: one of its rows names a file outside of it, {name!r}: it is not used")
    return folder / within


def given_path(argument: str, value: str | os.PathLike[str]) -> Path:
    """`local_path` of what a function was given from Python.

    Raises:
        ConfigError: it can be no path; names the argument.
    """
    try:
        return local_path(value)
    except ValueError as error:
        raise ConfigError(f"{argument}: {error}") from None


def write_atomic(path: Path | str, data: bytes) -> None:
    """Writes `data` to `path` under a temporary name in the same folder, syncs it and renames it into place.

    Missing parent folders are made. After a return the bytes and the name survive a loss of power; after an error or a
    kill, `path` is what it was before.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    write_group_atomic([(Path(path), data)])


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable: a rename is safe only when its folder is synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes a folder where it is not there, and those above it; after a return they survive a loss of power."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def remove_temporaries(folder: Path) -> int:
    """Removes what killed writers left in `folder` and below; call it only while nobody writes there.

    Returns:
        The number of files removed.
    """
    left_over = list(folder.rglob(f".*{TEMPORARY_SUFFIX}"))
    for path in left_over:
        path.unlink(missing_ok=True)
    return len(left_over)


def output_error(path: Path | str, error: OSError) -> OutputError:
    """Turns what the system said about writing `path` into one line that says what to do."""
    reason = (os.strerror(error.errno) if error.errno else str(error)).lower()  # a library may word its own
    remedy = _REMEDIES.get(error.errno or 0, "check the disk and the folder, then run the same command again")
    return OutputError(f"cannot write {path}: {reason}; {remedy}")


def write_group_atomic(files: Sequence[tuple[Path, bytes]]) -> None:
    """Writes many files as `write_atomic` does each, for less.

    All are written before the first is synced, and some are synced at a time, so that the disk can take them together;
    a folder is synced once for all of its new names. After an error some files may be in place, each of them whole.

    Raises:
        OutputError: a folder cannot be written or the disk is full.
    """
    written: list[tuple[Path, Path, int]] = []  # temporary, final, descriptor
    in_place = 0
    folders = dict.fromkeys(path.parent for path, _ in files)
    path = Path()
    try:
        for path in folders:
            make_folder(path)
        for path, data in files:
            temporary = _temporary(path)
            written.append((temporary, path, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)))
            write_all(written[-1][2], data)
        _sync([each[1:] for each in written])
        for temporary, path, _ in written:
            os.replace(temporary, path)  # noqa: PTH105 - `Path.replace` makes a Path again, which costs as much as the call
            in_place += 1
        for path in folders:
            sync_folder(path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        for _, _, descriptor in written:
            os.close(descriptor)
        for temporary, _, _ in written[in_place:]:
            _drop(temporary)


def _sync(files: Sequence[tuple[Path, int]]) -> None:
    """Syncs files by their descriptors, several at a time, which a disk commits together."""

    def sync(file: tuple[Path, int]) -> None:
        with telling(file[0]):
            os.fsync(file[1])

    if len(files) == 1:  # as a process ends, too, when no thread can be started any more
        sync(files[0])
        return
    from concurrent.futures import ThreadPoolExecutor  # here, as --help would wait 11 ms for it

    with ThreadPoolExecutor(_SYNCED_TOGETHER) as pool:
        list(pool.map(sync, files))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name to write a file to, and puts it in the place of `path` as `write_atomic` does.

    If the block raises, `path` is what it was before.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    temporary = _temporary(path)
    with telling(path):
        make_folder(path.parent)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            _drop(temporary)
        sync_folder(path.parent)


def shipped(*parts: str) -> Path:
    """A file or folder that comes with voicegen: inside an installed wheel, else at the top of the checkout."""
    package = Path(__file__).resolve().parent
    installed = package.joinpath(*parts)
    return installed if installed.exists() else package.parent.joinpath(*parts)


def package_folder(package: str) -> Path | None:
    """The folder of an installed package; None where it is not. Imports nothing of it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def move_aside(folder: Path) -> Path:
    """Renames a folder to `NAME.old-TIME`, or to a name like it that is free, and returns where it is now.

    Raises:
        OutputError: it cannot be renamed.
    """
    target = unused(folder.with_name(f"{folder.name}.old"))
    with telling(folder):
        folder.rename(target)
    return target


def unused(path: Path) -> Path:
    """`NAME-TIME` for a path of that NAME, or what is like it and not there."""
    timed = f"{path.name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = chain([timed], (f"{timed}-{number}" for number in count(2)))
    return next(free for name in names if not (free := path.with_name(name)).exists())


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Makes the system's errors in the block that writes `path` ours, with what to do."""
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def telling_of_reading(path: Path) -> Iterator[None]:
    """Makes the system's errors in the block that reads `path` ours."""
    try:
        yield
    except OSError as error:
        reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
        raise OutputError(f"cannot read {path}: {reason}; mend that, then run the same command again") from error


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data`, which the system may take in pieces."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def _drop(temporary: Path) -> None:
    """Removes what was not put in place, where the disk lets it; the next to hold the folder removes it otherwise."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
