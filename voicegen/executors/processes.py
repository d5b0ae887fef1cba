"""Workers as processes of this machine, each on cores, and a GPU, of its own where there are enough.

A worker is a Python process that reads orders from its stdin and writes messages to its stdout, pickled. It ends when
its stdin does, however this process ended. It is in no terminal's foreground group: to act on an interruption is this
process's.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from voicegen.executors.devices import cores_of, visible_gpus
from voicegen.executors.job import Job
from voicegen.executors.messages import Ended, Message, Order
from voicegen.executors.worker import Worker, log_to
from voicegen.files import write_all
from voicegen.signals import hearing_signals


class Processes:
    """A `Crew` of processes.

    Args:
        job: what they are to do.
        workers: how many there will be.
        queue_size: as `run_chain` has it.
    """

    def __init__(self, job: Job, workers: int, queue_size: int) -> None:
        self._job = job
        self._workers = workers
        self._queue_size = queue_size
        self._gpus = visible_gpus()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._heard: queue.SimpleQueue[tuple[int, Message]] = queue.SimpleQueue()

    def start(self, worker: int, name: str) -> None:
        """Starts a process, which loads its models."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self._gpus[worker % len(self._gpus)]
        with _on_cores(cores_of(worker, self._workers)):
            process = subprocess.Popen(
                [sys.executable, "-c", "from voicegen.executors.processes import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env=environment,
            )
        if (before := self._processes.get(worker)) is not None:
            _close(before)
        self._processes[worker] = process
        _send(process, (self._job, name, self._queue_size))
        threading.Thread(target=self._listen, args=(worker, process), name=f"voicegen-{name}", daemon=True).start()

    def send(self, worker: int, order: Order) -> None:
        """Hands a process an order."""
        _send(self._processes[worker], order)

    def hear(self, seconds: float) -> tuple[int, Message] | None:
        """What comes next."""
        with suppress(queue.Empty):
            return self._heard.get(timeout=seconds)
        return None

    def kill(self, worker: int) -> None:
        """Kills a process."""
        self._processes[worker].kill()

    def interrupt(self) -> None:
        """Interrupts all."""
        for process in self._processes.values():
            process.terminate()

    def close(self) -> None:
        """Kills those that are left."""
        for process in self._processes.values():
            process.kill()
            process.wait()
            _close(process)

    def _listen(self, worker: int, process: subprocess.Popen[bytes]) -> None:
        """Hears one process to its end."""
        assert process.stdout is not None
        with process.stdout as messages, suppress(EOFError, pickle.UnpicklingError, OSError):
            while True:
                self._heard.put((worker, pickle.load(messages)))
        code = process.wait()
        how = None if code == 0 else f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._heard.put((worker, Ended(how)))


@contextmanager
def _on_cores(cores: set[int] | None) -> Iterator[None]:
    """What this thread starts meanwhile has these cores."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _send(process: subprocess.Popen[bytes], what: object) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it died: that is heard
        write_all(process.stdin.fileno(), pickle.dumps(what))


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


def serve() -> None:
    """A process's work, until there is no more or its stdin ends; what libraries print goes to stderr."""
    orders, messages = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    job, name, queue_size = pickle.load(orders)
    say = _Sayer(messages)
    log_to(say)
    worker = Worker(job, name, queue_size, say)
    threading.Thread(target=_listen, args=(orders, worker), name="voicegen-orders", daemon=True).start()
    try:
        with suppress(KeyboardInterrupt), hearing_signals():
            worker.run()
        sys.stderr.flush()
    finally:  # also where it is interrupted once more, as it ends: nobody is to hear of that
        os._exit(0)  # a thread waits for orders


class _Sayer:
    """Writes messages, each whole, from several threads."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def __call__(self, message: Message) -> None:
        piece = pickle.dumps(message)
        with self._lock:
            self._file.write(piece)
            self._file.flush()


def _listen(orders: IO[bytes], worker: Any) -> None:
    with suppress(Exception):
        while True:
            worker.take(pickle.load(orders))
    os._exit(1)  # the driver is gone: it, or who comes after it, deals these rows out again
