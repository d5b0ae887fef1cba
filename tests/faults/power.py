"""What a disk keeps when the power goes, by what POSIX promises and nothing more.

Of a file's bytes those are kept that were there when it was last synced; of the others any may be lost, page by page.
The names that were made, replaced or removed in a folder since it was last synced are lost from some moment on.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from threading import RLock
from typing import Any

_PAGE = 4096
_STATE = "state.json"


class Unsynced:
    """Follows the calls of a process to the disk, one at a time, and knows what of them is not synced.

    Args:
        kept: an empty folder on the same disk, for what has been replaced and may come back.
    """

    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._synced: dict[int, int] = {}  # bytes, by inode
        self._changed: list[dict[str, Any]] = []  # names whose folder is not synced yet, and what had them before
        self._links = 0
        self.calling = RLock()

    def call(self, name: str, call: Callable[..., Any], *of_call: Any, **more: Any) -> Any:
        """Makes a call by its name in `os`, and takes down what it changed."""
        if name in ("replace", "unlink", "mkdir") or (name == "open" and of_call[1] & os.O_CREAT):
            target = of_call[1] if name == "replace" else of_call[0]
            if name == "replace" or os.path.lexists(target) == (name == "unlink"):  # else nothing is changed
                self._before_change(Path(target).absolute())
        done = call(*of_call, **more)
        if name == "fsync":
            self._sync(of_call[0])
        return done

    def write_down(self, recorded: Iterable[int]) -> None:
        """Leaves for `lose_power` what is not synced, and which rows the run holds to be on record."""
        state = {"synced": self._synced, "changed": self._changed, "recorded": sorted(recorded)}
        (self._kept / _STATE).write_text(json.dumps(state), "utf-8")

    def _before_change(self, path: Path) -> None:
        before = None
        if path.is_file():
            before = f"{self._links}"
            self._links += 1
            (self._kept / before).hardlink_to(path)
        self._changed.append({"folder": str(path.parent), "name": path.name, "before": before})

    def _sync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            folder = str(Path(f"/proc/self/fd/{descriptor}").readlink())
            self._changed = [change for change in self._changed if change["folder"] != folder]
        else:
            self._synced[status.st_ino] = status.st_size


def lose_power(run: Path, kept: Path, draw: Random) -> list[int]:
    """Does to a run what the loss of power does whose moment an `Unsynced` has written down.

    Returns:
        The rows that the run held to be on record, and that must be so.
    """
    state = json.loads((kept / _STATE).read_text("utf-8"))
    in_folder = Counter(change["folder"] for change in state["changed"])
    stay = {folder: draw.randint(0, count) for folder, count in in_folder.items()}
    for change in reversed(state["changed"]):
        in_folder[change["folder"]] -= 1  # its place among those of its folder
        if in_folder[change["folder"]] >= stay[change["folder"]]:
            _undo(Path(change["folder"], change["name"]), change["before"] and kept / change["before"])
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        status = path.stat()
        durable = state["synced"].get(str(status.st_ino), 0)
        if status.st_size > durable:
            path.write_bytes(_tail_lost(path.read_bytes(), durable, draw))
    return list(state["recorded"])


def _undo(path: Path, before: Path | None) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.parent.is_dir():
        path.unlink(missing_ok=True)
        if before is not None:
            path.hardlink_to(before)


def _tail_lost(data: bytes, durable: int, draw: Random) -> bytes:
    """Cut at some byte that was not synced, or whole; pages of zeros where one was not written."""
    end = draw.choice((durable, draw.randint(durable, len(data)), len(data)))
    kept = bytearray(data[:end])
    for start in range(durable - durable % _PAGE, end, _PAGE):
        if draw.random() < 0.5:
            lost = slice(max(start, durable), min(start + _PAGE, end))
            kept[lost] = bytes(lost.stop - lost.start)
    return bytes(kept)
