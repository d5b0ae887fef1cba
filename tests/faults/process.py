"""A run with a fault in it: `python -m tests.faults.process FAULT COUNTS FOLDER WORDS...`.

Calls to the disk count where they are of files below FOLDER, the run's own. At its end the run writes to COUNTS whether
the fault was had, and the number of calls of each kind, from which places for faults are drawn.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.plan import DISK, KINDS, Fault
from voicegen.chat.echo import EchoAnswerModel
from voicegen.cli import main
from voicegen.pipeline import writer
from voicegen.tts.tone import ToneSpeech

_ERRORS = {"disk full": errno.ENOSPC, "disk error": errno.EIO, "read-only": errno.EROFS}
_SIGNALS = {
    "kill before": signal.SIGKILL,
    "torn ledger": signal.SIGKILL,
    "torn audio": signal.SIGKILL,
    "terminate": signal.SIGTERM,
    "interrupt": signal.SIGINT,
}
_TEN_DAYS = 864_000.0  # seconds


class Planted:
    """The fault in this process, whether it was had yet, and how often each call was made."""

    def __init__(self, fault: Fault | None, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._fault = fault
        self._kind = fault.kind if fault else ""
        self._folder = folder
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

        def encoded(*of_clip: Any, **more: Any) -> Any:
            if self._strikes("encode"):
                raise MemoryError
            return encode(*of_clip, **more)

        writer.encode_clip = encoded  # type: ignore[attr-defined]
        EchoAnswerModel.answer = lambda model, asked: self._each("answer", answer(model, asked))  # type: ignore
        ToneSpeech.speak = lambda model, texts: self._each("speak", speak(model, texts))  # type: ignore

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
                if self._kind != "not a number":
                    raise RuntimeError(f"the model broke at its {stage} {self.counts[stage]}")
                record.samples[len(record.samples) // 2] = np.nan
            yield record

    def _instead_of(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*of_call: Any, **more: Any) -> Any:
            if not self._is_ours(of_call[0]) or not self._strikes(name):
                return call(*of_call, **more)
            if name == "write":
                return self._write(call, *of_call)
            return self._struck(lambda: call(*of_call, **more))

        return called

    def _is_ours(self, file: Any) -> bool:
        path = Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else Path(file).absolute()
        return path.is_relative_to(self._folder)

    def _struck(self, call: Callable[[], Any]) -> Any:
        if error := _ERRORS.get(self._kind):
            raise OSError(error, os.strerror(error))
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
        if self._kind in ("kill within", "disk full"):
            write(descriptor, bytes(data)[: len(data) // 2])
        if self._kind == "kill within":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._struck(lambda: write(descriptor, data))


def run(words: list[str]) -> int:
    """Runs a command with a fault in it; returns its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background has ignored
    fault, counts, folder, *command = words
    planted = Planted(Fault(**json.loads(fault)) if fault else None, Path(folder))
    planted.into_the_stages()
    planted.into_the_disk()
    exit_code = main(command)
    Path(counts).write_text(json.dumps({"struck": planted.struck, **planted.counts}), "utf-8")
    return exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
