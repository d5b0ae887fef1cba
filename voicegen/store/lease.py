"""Who may write below a prefix in a store of objects: one process, told by objects that are numbered.

Who takes a prefix makes `.lock/NUMBER`, one more than the highest, by a put that succeeds only where no object has
that name (`If-None-Match: *` of S3, `ifGenerationMatch=0` of Google's): of two at once exactly one has it. It writes
that object anew every 10 seconds. One that has not changed for a minute, by the clock of who looks, is a dead
process's; a process of the same machine is dead when there is none of its number. Who finds a higher number than its
own has lost the prefix: a `Journal` looks before it adds, where it has not for 10 seconds.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil

from voicegen.errors import OutputError
from voicegen.remote import RemotePath, storing

LOCK: Final = ".lock"
BEAT: Final = 10.0  # seconds
DEAD_AFTER: Final = 60.0  # seconds without a beat
_LOOK_EVERY: Final = 2.0  # seconds

_log = logging.getLogger(__name__)


def clock() -> float:
    """Seconds that go on while a machine sleeps, and never back."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Term:
    """During which nobody takes the prefix over: from when it was begun to when somebody did."""

    def __init__(self, root: RemotePath) -> None:
        self._root = root
        self._number = max(_numbers(root), default=0)
        self._looked = clock()

    def check(self) -> None:
        """Looks whether it still lasts, if nobody has for a while.

        Raises:
            OutputError: it does not.
        """
        if clock() - self._looked < BEAT:
            return
        if max(_numbers(self._root), default=0) > self._number:
            raise OutputError(_taken(self._root))
        self._looked = clock()


class Lease:
    """A prefix that is this process's, until it is released or lost.

    Raises:
        OutputError: another process has it.
    """

    def __init__(self, root: RemotePath) -> None:
        self._root = root
        refuse_if_held(root)
        before = _numbers(root)
        self.is_first = not before
        self._number = max(before, default=0) + 1
        self._beats = 0
        self._taker = uuid4().hex
        try:
            self._write(mode="create")
        except FileExistsError:
            number, record = _latest(root)
            if (number, record.get("taker")) != (self._number, self._taker):  # else the answer to our own put was lost
                raise OutputError(f"{root} was taken by another voicegen process just now: wait for it") from None
        self._remove(before)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="voicegen-lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Lets others take it at once."""
        self._end()
        with suppress(OutputError):  # then they wait a minute
            if self._is_ours():
                self._write(released=True)

    def erase(self) -> None:
        """Lets go of it without a trace."""
        self._end()
        self._remove([self._number])

    def _is_ours(self) -> bool:
        return max(_numbers(self._root), default=0) == self._number

    def _end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            try:
                if not self._is_ours():
                    _log.error("%s", _taken(self._root))
                    return
                self._beats += 1
                self._write()
            except OutputError as error:
                _log.warning("%s", error)  # the next beat may go through

    def _write(self, *, mode: str = "overwrite", released: bool = False) -> None:
        record = {**_process(), "taker": self._taker, "beat": self._beats, "released": released}
        with storing(self._root):
            filesystem, folder = _locks(self._root)
            filesystem.pipe_file(f"{folder}/{self._number:09d}", json.dumps(record).encode(), mode=mode)

    def _remove(self, numbers: Iterable[int]) -> None:
        with storing(self._root):
            filesystem, folder = _locks(self._root)
            for number in numbers:
                filesystem.rm_file(f"{folder}/{number:09d}")


def refuse_if_held(root: RemotePath) -> None:
    """Refuses a prefix that another process has; takes a minute where that can only be waited for.

    Raises:
        OutputError: another process has it.
    """
    number, record = _latest(root)
    if not record or record["released"] or _is_dead_here(record):
        return
    if not _is_here(record):
        _log.warning("%s was not let go of: waiting up to a minute to see whether its process is alive", root)
        began = clock()
        while clock() - began < DEAD_AFTER:
            time.sleep(_LOOK_EVERY)
            if _latest(root) != (number, record):
                break
        else:
            return
    raise OutputError(f"{root} is in use by another voicegen process: wait for it, or give this run another name=...")


def _taken(root: RemotePath) -> str:
    return f"{root} was taken over by another voicegen process, as this one was silent for a minute: let that one end"


def _locks(root: RemotePath) -> tuple[Any, str]:
    filesystem, path = root.filesystem()
    return filesystem, f"{path}/{LOCK}"


def _numbers(root: RemotePath) -> list[int]:
    """All that there are below a prefix, in order."""
    with storing(root, "read"):
        filesystem, folder = _locks(root)
        try:
            names = filesystem.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        return sorted(int(number) for name in names if (number := name.rpartition("/")[2]).isdecimal())


def _latest(root: RemotePath) -> tuple[int, dict[str, Any]]:
    """The highest number below a prefix, and what its object says; 0 and nothing where nobody ever took it."""
    while numbers := _numbers(root):
        with storing(root, "read"), suppress(FileNotFoundError):  # whoever came after removed it: look again
            return numbers[-1], json.loads((root / f"{LOCK}/{numbers[-1]:09d}").read_bytes())
    return 0, {}


def _process() -> dict[str, Any]:
    """What tells this process from others, on this machine and elsewhere."""
    return {"machine": _machine(), "process": os.getpid(), "started": psutil.Process().create_time()}


def _machine() -> str:
    """This machine since it was started, and where it has several worlds of processes, as containers are, which one."""
    told = [platform.node()]
    with suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(told)


def _is_here(record: Mapping[str, Any]) -> bool:
    return bool(record["machine"] == _machine())


def _is_dead_here(record: Mapping[str, Any]) -> bool:
    """Whether the process was one of this machine, and is gone."""
    if not _is_here(record):
        return False
    try:
        return bool(abs(psutil.Process(record["process"]).create_time() - record["started"]) > 1)
    except psutil.NoSuchProcess:
        return True
