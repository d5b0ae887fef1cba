"""Converted models, kept in the user's cache folder under the hash of the file that they were made from.

A folder appears there whole or not at all, and is checked each time it is used: a torn or damaged one is made anew.
Knows nothing of models.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from voicegen.errors import OutputError
from voicegen.files import write_atomic

CONTENTS = "contents.json"
Build = Callable[[Path], None]


@contextmanager
def converted(source: Path, version: str, build: Build, root: Path | None = None) -> Iterator[Path]:
    """Yields the folder that `build` fills from `source`, from the cache where it is there already.

    Where the cache cannot be written the folder is a temporary one, removed afterwards: read it inside the block.

    Args:
        source: The file that is converted; its hash names the folder.
        version: Names the conversion; another version is another folder.
        build: Fills an empty folder.
        root: The cache; by default `models` in the user's cache folder.
    """
    root = root or user_cache_path("voicegen") / "models"
    folder = root / f"{source.stem}-{version}-{file_hash(source)[:16]}"
    if is_whole(folder) or _make(folder, build):
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="voicegen-") as temporary:
            build(Path(temporary))
            yield Path(temporary)


def is_whole(folder: Path) -> bool:
    """Whether every file of a cached folder is there with the content that was written."""
    try:
        expected = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        return bool(expected) and all(file_hash(folder / name) == digest for name, digest in expected.items())
    except (OSError, ValueError, AttributeError):
        return False


def file_hash(path: Path) -> str:
    """BLAKE2 of a file, in hexadecimal: twice as fast as SHA-256, which a start would notice."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _make(folder: Path, build: Build) -> bool:
    """Builds `folder` under another name and renames it; False where the cache cannot be written."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not is_whole(folder):
                _build_and_rename(folder, build)
    except (OSError, OutputError):
        return False
    return True


def _build_and_rename(folder: Path, build: Build) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(temporary)
        contents = {file.name: file_hash(file) for file in sorted(temporary.iterdir())}
        write_atomic(temporary / CONTENTS, json.dumps(contents, indent=2).encode())
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
