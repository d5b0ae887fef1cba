"""A disk with little room, for one process alone: a tmpfs in a mount namespace of its own (Linux)."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000  # of unshare(2)
_PRIVATE, _ALL_BELOW = 1 << 18, 1 << 14  # of mount(2)


def may_mount() -> bool:
    """Whether a process may have such a disk here; tried in a fork."""
    child = os.fork()
    if child == 0:
        try:
            _enter_namespace()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """Has a new disk of so many KB stand in the place of a folder; what is on it in the end is put into the folder.

    Raises:
        OSError: this process may not mount.
    """
    folder.mkdir()
    below = os.open(folder, os.O_RDONLY)  # the way to what the disk will hide
    _enter_namespace()
    _mount(b"tmpfs", folder, b"tmpfs", 0, f"size={kilobytes}k".encode())
    try:
        yield
    finally:
        shutil.copytree(folder, f"/proc/self/fd/{below}", dirs_exist_ok=True)
        os.close(below)


def _enter_namespace() -> None:
    if _libc().unshare(_NEW_MOUNTS | _NEW_USERS):
        raise OSError(ctypes.get_errno(), "unshare")
    _mount(None, Path("/"), None, _PRIVATE | _ALL_BELOW, None)


def _mount(source: bytes | None, target: Path, kind: bytes | None, flags: int, data: bytes | None) -> None:
    if _libc().mount(source, os.fsencode(target), kind, flags, data):
        raise OSError(ctypes.get_errno(), "mount", str(target))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
