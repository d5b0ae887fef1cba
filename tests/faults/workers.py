"""A fault in a worker: in whichever process has the row that it is planted at. Processes find it in a file."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from tests.faults.plan import KINDS, Fault
from voicegen.chat.echo import EchoAnswerModel
from voicegen.pipeline.ledger import LedgerWriter
from voicegen.pipeline.writer import Writer
from voicegen.tts.tone import ToneSpeech

FOLDER: Final = "VOICEGEN_FAULTS"
"""The environment's name for the folder that the fault lies in."""

FAULT: Final = "fault.json"
"""What it is called there."""

_SITE: Final = Path(__file__).parent / "site"
_LITTLE: Final = 2**20  # bytes


def reach_workers(folder: Path) -> None:
    """Has what this process starts look for its fault in a folder."""
    os.environ[FOLDER] = str(folder)
    sys.path.insert(0, str(_SITE))  # which workers are given


def environment_of_workers(folder: Path) -> Mapping[str, str]:
    """The same for processes that another one starts."""
    path = os.pathsep.join([str(_SITE), str(_SITE.parents[2]), os.environ.get("PYTHONPATH", "")])
    return {FOLDER: str(folder), "PYTHONPATH": path.rstrip(os.pathsep)}


def plant(fault: Fault, folder: Path) -> None:
    """Has it happen in whichever process comes to it first, and again where its kind lasts."""
    (folder / FAULT).write_text(json.dumps(asdict(fault)), "utf-8")


def was_had(folder: Path) -> bool:
    """Whether a process had it."""
    return (folder / "had").exists()


def have_fault() -> None:
    """Puts the fault into the stages of this process, which is a worker; it may be planted later."""
    folder = Path(os.environ[FOLDER])
    answer, speak = EchoAnswerModel.answer, ToneSpeech.speak
    write, append = Writer.write, LedgerWriter.append

    def each(place: str, records: Iterable[Any], row_of: Callable[[Any], int]) -> Iterator[Any]:
        for record in records:
            _come_to(place, [row_of(record)], folder)
            yield record

    def written(writer: Writer, outcomes: Any) -> Any:
        _come_to("its audio", [outcome.index for outcome in outcomes], folder)
        return write(writer, outcomes)

    def appended(lines: LedgerWriter, rows: Any) -> Any:
        _come_to("its line", [row.index for row in rows], folder)
        entries = append(lines, rows)
        _come_to("its report", [row.index for row in rows], folder)
        return entries

    EchoAnswerModel.answer = lambda model, asked: each(  # type: ignore
        "its answer", answer(model, asked), lambda record: record.question.index
    )
    ToneSpeech.speak = lambda model, texts: each(  # type: ignore
        "its take", speak(model, texts), lambda record: record.utterance.index
    )
    Writer.write = written  # type: ignore[method-assign]
    LedgerWriter.append = appended  # type: ignore[method-assign]


def _come_to(place: str, rows: Iterable[int], folder: Path) -> None:
    """Has the fault, if it is here."""
    try:
        fault = Fault(**json.loads((folder / FAULT).read_text("utf-8")))
    except FileNotFoundError:
        return
    if fault.call != place or fault.at - 1 not in rows:
        return
    try:
        (folder / "had").touch(exist_ok=KINDS[fault.kind].lasts)
    except FileExistsError:
        return
    _DOES[fault.kind]()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hang() -> None:
    while True:
        threading.Event().wait()


def _break() -> None:
    raise RuntimeError("the model broke")


def _run_out_of_memory() -> None:
    have = psutil.Process().memory_info().vms + _LITTLE
    resource.setrlimit(resource.RLIMIT_AS, (have, resource.RLIM_INFINITY))
    np.ones(64 * _LITTLE, np.uint8)


def _fill_disk() -> None:
    def write(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.write = write  # type: ignore[assignment]


def _kill_driver_too() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    _kill()


def _kill_node() -> None:
    """Kills the raylet that this process is of, and all of that."""
    raylet = psutil.Process().parent()
    assert raylet is not None
    assert raylet.name() == "raylet"
    for process in [raylet, *raylet.children(recursive=True)]:
        if process.pid != os.getpid():
            process.kill()
    _kill()


def _kill_ray() -> None:
    """Kills all of a Ray that the harness has started."""
    raylet = psutil.Process().parent()
    assert raylet is not None
    head = raylet.parent()
    assert head is not None
    for process in head.children():
        if process.name() in ("gcs_server", "raylet"):
            process.kill()


_DOES: Final[Mapping[str, Callable[[], None]]] = {
    "worker killed": _kill,
    "store worker killed": _kill,
    "actor killed": _kill,
    "poisoned row": _kill,
    "actor poisoned": _kill,
    "worker terminated": _terminate,
    "worker stopped": _stop,
    "actor stopped": _stop,
    "worker hangs": _hang,
    "row hangs": _hang,
    "worker breaks": _break,
    "actor breaks": _break,
    "worker out of memory": _run_out_of_memory,
    "worker disk full": _fill_disk,
    "all killed": _kill_driver_too,
    "node gone": _kill_node,
    "Ray gone": _kill_ray,
}
