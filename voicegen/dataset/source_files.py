"""Which files an input is made of: those that are named, those that a pattern finds, and those below a folder.

What is found is sorted by its name, numbers in names by their value, so that part-2 comes before part-10. As Spark's
readers do, it leaves out what is hidden (`.NAME`, `_NAME`: `_SUCCESS`), checksums (`.crc`) and empty files, and takes
folders called `KEY=VALUE` below the given one for columns.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote

from voicegen.dataset.readers import InputFormat, input_format, may_be_read
from voicegen.errors import InputError
from voicegen.remote import AnyPath, RemotePath

GivenPaths: TypeAlias = AnyPath | Sequence[AnyPath]
"""A file, a folder or a pattern, or several of them in the order that they are to be read in."""

_SHOWN: Final = 3
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of an input, and what the folders called KEY=VALUE that it lies in say of its rows."""

    path: AnyPath
    format: InputFormat
    folders: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files of an input in the order that they are read in, and those that were found and are none of questions."""

    files: Sequence[SourceFile]
    passed_over: Sequence[AnyPath] = ()


def named(given: GivenPaths) -> str:
    """What was given, for messages."""
    paths = [given] if isinstance(given, AnyPath) else list(given)
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(str, paths[:_SHOWN])) + more


def source_files(given: GivenPaths, format: str | None = None) -> SourceFiles:
    """Finds the files; opens none.

    Args:
        given: what they are called.
        format: of all of them; by each one's extension when None.

    Raises:
        InputError: No file is found, one is given twice, or the format of one is not known.
    """
    files: list[SourceFile] = []
    passed_over: list[AnyPath] = []
    paths = [given] if isinstance(given, AnyPath) else given
    if not paths:
        raise InputError("questions.path=[] names no file: give a file, a folder, a pattern or a list of them.")
    for path in paths:
        if not (_is_folder(path) or _is_pattern(path)):
            files.append(SourceFile(path, input_format(path, format)))
            continue
        found = sorted(_found(path), key=_by_name)
        ours = [file for file in found if format is not None or may_be_read(file)]
        if not ours:
            raise _refuse_nothing(path, found)
        below = _fixed_part(path)
        files += [SourceFile(file, input_format(file, format), _folders(file, below)) for file in ours]
        passed_over += [file for file in found if format is None and not may_be_read(file)]
    _refuse_twice([file.path for file in files])
    return SourceFiles(tuple(files), tuple(passed_over))


def _is_folder(path: AnyPath) -> bool:
    if isinstance(path, RemotePath):
        return path.is_dir()
    return os.path.isdir(path)  # noqa: PTH112 - says no of a path that cannot be, where `Path` raises


def _is_pattern(path: AnyPath) -> bool:
    """Whether it is no file's own name, which may hold such signs, and a pattern."""
    if isinstance(path, RemotePath):
        return glob.has_magic(path.url) and not path.exists()
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def _found(path: AnyPath) -> set[AnyPath]:
    """The files in a folder and below it, or those that a pattern fits and those below folders that it fits."""
    if isinstance(path, RemotePath):
        found = path.below() if _is_folder(path) else path.fitting()
        return {file for file in found if not any(map(_is_hidden, _parts_below(file, path.fixed)))}
    if _is_folder(path):
        return set(_below(path))
    fixed = _fixed_part(path)
    fitting = [Path(name) for name in glob.iglob(str(path), recursive=True)]  # noqa: PTH207 - which knows no `a**`
    shown = [one for one in fitting if not any(map(_is_hidden, _parts_below(one, fixed)))]
    folders = [one for one in shown if one.is_dir()]
    return {*filter(_holds_something, shown), *(file for folder in folders for file in _below(folder))}


def _below(folder: Path) -> Iterator[Path]:
    """The files in a folder and in those below it, what is hidden left out."""
    seen = set()
    for name, folders, files in os.walk(folder, onerror=_refuse_unreadable, followlinks=True):
        place = os.path.realpath(name)
        folders[:] = [] if place in seen else [inner for inner in folders if not _is_hidden(inner)]
        if place not in seen:
            yield from filter(_holds_something, (Path(name, file) for file in files if not _is_hidden(file)))
        seen.add(place)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith((".crc", "._COPYING_"))


def _holds_something(path: Path) -> bool:
    """Whether it is a file and not empty, as those are of Spark's parts that have no rows."""
    return path.is_file() and path.stat().st_size > 0


def _fixed_part(path: AnyPath) -> AnyPath:
    """The folder below which files are looked for."""
    if isinstance(path, RemotePath):
        return path.fixed
    if _is_folder(path):
        return path
    plain = next(place for place, part in enumerate(path.parts) if glob.has_magic(part))
    return Path(*path.parts[:plain])


def _parts_below(file: AnyPath, folder: AnyPath) -> tuple[str, ...]:
    return file.parts[len(folder.parts) :]


def _folders(file: AnyPath, below: AnyPath) -> dict[str, str | None]:
    pairs = [part.split("=", 1) for part in _parts_below(file, below)[:-1] if "=" in part.strip("=")]
    return {unquote(key): None if value == _NO_VALUE else unquote(value) for key, value in pairs}


def _by_name(path: AnyPath) -> list[tuple[list[str | int], str]]:
    """Sorts by the names of folders and files, numbers in them by value."""
    return [(_numbers_read(part), part) for part in path.parts]


def _numbers_read(name: str) -> list[str | int]:
    """Texts and numbers in turn; a text comes first, and may be empty."""
    return [int(bit) if place % 2 else bit for place, bit in enumerate(re.split("([0-9]+)", name))]


def _refuse_nothing(path: AnyPath, found: Sequence[AnyPath]) -> InputError:
    where = f"in the folder {path}" if _is_folder(path) else f"that fits {path}"
    there = f" ({', '.join(str(file) for file in found[:_SHOWN])} cannot be read as one)" if found else ""
    return InputError(f"there is no file of questions {where}{there}: give another path, or set questions.format.")


def _refuse_twice(paths: Sequence[AnyPath]) -> None:
    seen: dict[tuple[int, int] | str, AnyPath] = {}
    for path in paths:
        try:
            file = _file_itself(path)
        except OSError:
            continue  # told when it is opened
        first = seen.setdefault(file, path)
        if first is not path:
            also = f", also as {first}" if first != path else ""
            raise InputError(f"{path}: this file is given twice{also}: name it once in questions.path.")


def _file_itself(path: AnyPath) -> tuple[int, int] | str:
    """What is the same for all names of a file."""
    if isinstance(path, RemotePath):
        return path.url
    status = path.stat()
    return status.st_dev, status.st_ino


def _refuse_unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: this folder cannot be read: {error.strerror}.") from error
