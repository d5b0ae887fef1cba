"""A run with a fault in it: `python -m tests.faults.process PLANTED FOLDER WORDS...`.

Calls to the disk count where they are of files below FOLDER, the run's own. At its end the run writes whether the fault
was had, and the number of calls of each kind, from which places for faults are drawn.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import numpy as np
import psutil

from tests.faults.defects import DEFECTS
from tests.faults.plan import DISK, KINDS, MESSAGE, READ, ROOM, WRITE, Fault
from tests.faults.power import Unsynced
from tests.faults.small_disk import small_disk
from tests.faults.store_server import PROCESS, hurry
from tests.faults.workers import reach_workers, was_had
from voicegen.__main__ import end
from voicegen.chat.echo import EchoAnswerModel
from voicegen.cli import main
from voicegen.executors.processes import Processes
from voicegen.executors.ray_actors import _Actors
from voicegen.pipeline import writer
from voicegen.pipeline.ledger import LedgerWriter
from voicegen.tts.tone import ToneSpeech

_ERRORS = {"disk full": errno.ENOSPC, "disk error": errno.EIO, "read-only": errno.EROFS}
_SIGNALS = {
    "kill before": signal.SIGKILL,
    "torn ledger": signal.SIGKILL,
    "torn audio": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "interrupt": signal.SIGINT,
    "driver killed": signal.SIGKILL,
    "driver terminated": signal.SIGTERM,
    "driver interrupted": signal.SIGINT,
    "driver interrupted twice": signal.SIGINT,
    "store driver killed": signal.SIGKILL,
    "Ray driver killed": signal.SIGKILL,
    "Ray driver terminated": signal.SIGTERM,
    "Ray driver interrupted": signal.SIGINT,
}
_TEN_DAYS = 864_000.0  # seconds
_PATIENCE = 1.0  # seconds from a SIGTERM to a SIGKILL
_AGAIN = 0.3  # seconds from a Ctrl-C to the next
_LITTLE = 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted in a process.

    Attributes:
        counts: the file to write the counts to.
        kept: the folder for what `power` needs, and for the fault of a worker.
        defect: of `DEFECTS`.
    """

    fault: Fault | None
    counts: str
    kept: str
    defect: str | None = None

    def to_word(self) -> str:
        """As a word of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_word(cls, word: str) -> Self:
        """As `to_word` has written it."""
        fields = json.loads(word)
        return cls(**{**fields, "fault": fields["fault"] and Fault(**fields["fault"])})


class Striking:
    """The fault in this process, whether it was had yet, and how often each call was made."""

    def __init__(self, fault: Fault | None, folder: Path, kept: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._fault = fault
        self._kind = fault.kind if fault else ""
        self._folder = folder
        self._unsynced = Unsynced(kept) if self._kind == "power" else None
        self._recorded: set[int] = set()
        self.struck = False

    def into_the_disk(self) -> None:
        """Puts itself between the run and the system's calls, and its clock."""
        for name in DISK:
            setattr(os, name, self._instead_of(name, getattr(os, name)))
        now = time.time
        time.time = lambda: now() - (_TEN_DAYS if self.struck and self._kind == "clock" else 0.0)

    def into_the_stages(self) -> None:
        """Puts itself into the models, and where clips are encoded."""
        encode, answer, speak = writer.encode_clip, EchoAnswerModel.answer, ToneSpeech.speak  # type: ignore[attr-defined]
        append = LedgerWriter.append

        def appended(lines: LedgerWriter, rows: Any) -> Any:
            entries = append(lines, rows)
            self._recorded.update(row.index for row in rows)
            return entries

        def encoded(*of_clip: Any, **more: Any) -> Any:
            if self._strikes("encode"):
                self._break("encode")
            return encode(*of_clip, **more)

        LedgerWriter.append = appended  # type: ignore[method-assign]
        writer.encode_clip = encoded  # type: ignore[attr-defined]
        EchoAnswerModel.answer = lambda model, asked: self._each("answer", answer(model, asked))  # type: ignore
        ToneSpeech.speak = lambda model, texts: self._each("speak", speak(model, texts))  # type: ignore

    def into_the_driver(self) -> None:
        """Puts itself where workers are heard."""
        for crew in (Processes, _Actors):
            crew.hear = self._hearing(crew.hear)  # type: ignore[method-assign]

    def _hearing(self, hear: Callable[..., Any]) -> Callable[..., Any]:
        def heard(crew: Any, seconds: float) -> Any:
            message = hear(crew, seconds)
            if message is not None and self._strikes(MESSAGE):
                if self._kind.endswith("twice"):
                    threading.Timer(_AGAIN, os.kill, (os.getpid(), _SIGNALS[self._kind])).start()
                os.kill(os.getpid(), _SIGNALS[self._kind])
            return message

        return heard

    def _strikes(self, call: str) -> bool:
        """Counts a call; whether the fault is in it."""
        self.counts[call] += 1
        if self._fault is None:
            return False
        if (call, self.counts[call]) == (self._fault.call, self._fault.at):
            self.struck = True
            return True
        kind = KINDS[self._kind]
        return self.struck and kind.lasts and call in kind.calls

    def _each(self, stage: str, records: Iterable[Any]) -> Iterator[Any]:
        for record in records:
            if self._strikes(stage):
                if self._kind.endswith("not a number"):
                    record.samples[len(record.samples) // 2] = np.nan
                else:
                    self._break(stage)
            yield record

    def _break(self, stage: str) -> None:
        """Does what is wrong with a stage."""
        if self._kind == "no memory":
            raise MemoryError
        if self._kind == "little memory":
            have = psutil.Process().memory_info().vms + _LITTLE
            resource.setrlimit(resource.RLIMIT_AS, (have, resource.RLIM_INFINITY))
            np.ones(64 * _LITTLE, np.uint8)
        elif self._kind.endswith("hangs"):
            _hang()
        else:
            raise RuntimeError(f"the model broke at its {stage} {self.counts[stage]}")

    def _instead_of(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if self._unsynced is None:
            follow, alone = call, nullcontext()
        else:
            unsynced = self._unsynced
            alone = unsynced.calling

            def follow(*of_call: Any, **more: Any) -> Any:
                return unsynced.call(name, call, *of_call, **more)

        def called(*of_call: Any, **more: Any) -> Any:
            if not self._is_ours(of_call[0]):
                return call(*of_call, **more)
            with alone:
                if not self._strikes(name):
                    return follow(*of_call, **more)
                if name == "write":
                    return self._write(call, *of_call)
                return self._struck(lambda: call(*of_call, **more))

        return called

    def _is_ours(self, file: Any) -> bool:
        path = Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(file).absolute()
        return path.is_relative_to(self._folder) or path == self._folder.parent  # which has the run's own name

    def _struck(self, call: Callable[[], Any]) -> Any:
        if error := _ERRORS.get(self._kind):
            raise OSError(error, os.strerror(error))
        if self._unsynced is not None:
            self._unsynced.write_down(self._recorded)
            os.kill(os.getpid(), signal.SIGKILL)
        if sent := _SIGNALS.get(self._kind):
            os.kill(os.getpid(), sent)
        try:
            return call()
        finally:
            if self._kind == "kill after":
                os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, write: Callable[..., int], descriptor: int, data: Any) -> Any:
        if self._kind == "short writes":
            return write(descriptor, bytes(data)[:-1] or data)
        if self._kind == "file limit":
            most = os.fstat(descriptor).st_size + len(data) // 2
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        if self._kind in ("kill within", "disk full", "power"):
            write(descriptor, bytes(data)[: len(data) // 2])
        if self._kind == "kill within":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._struck(lambda: write(descriptor, data))


def _hang() -> NoReturn:
    """Never comes back; somebody ends the process, by force where asking for it is not enough."""
    killer = threading.Timer(_PATIENCE, os.kill, (os.getpid(), signal.SIGKILL))
    killer.daemon = True
    killer.start()
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        threading.Event().wait()


def run(words: list[str]) -> int:
    """Runs a command with a fault in it; returns its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background has ignored
    planted, folder, *command = Planted.from_word(words[0]), Path(words[1]), *words[2:]
    fault, kept = planted.fault, Path(planted.kept)
    (kept / PROCESS).write_text(str(os.getpid()), "utf-8")
    reach_workers(kept)
    if fault is not None and fault.call in (READ, WRITE):
        hurry(lasts=KINDS[fault.kind].lasts, silent=fault.kind == "store silent")
    striking = Striking(fault, folder, kept)
    striking.into_the_stages()
    striking.into_the_driver()
    with small_disk(folder, fault.at) if fault is not None and fault.call == ROOM else nullcontext():
        striking.into_the_disk()
        if planted.defect is not None:
            DEFECTS[planted.defect]()
        exit_code = main(command)
    struck = striking.struck or was_had(kept) or (fault is not None and fault.call == ROOM and exit_code != 0)
    Path(planted.counts).write_text(json.dumps({"struck": struck, **striking.counts}), "utf-8")
    return exit_code


if __name__ == "__main__":
    end(run(sys.argv[1:]))  # as the command does
