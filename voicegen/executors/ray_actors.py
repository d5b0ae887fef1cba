"""Workers as Ray actors: each a process with the whole chain of stages, wherever Ray has room for it.

An actor is called with orders and answers with what it has to say, one call at a time, so nothing is given to one that
is not there. One that dies is followed by a new actor, with the job as it then is; Ray finds a place for it. Audio goes
from the actor to the store.
"""

from __future__ import annotations

import os
import platform
import queue
import signal
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from voicegen.config import RayExecutorConfig
from voicegen.errors import ConfigError, MissingDependency
from voicegen.executors.job import Job, Watch
from voicegen.executors.messages import Ended, Message, Order, Refused
from voicegen.executors.pool import Limits, Pool
from voicegen.executors.ray_output import logging_to_run, stderr_to_run
from voicegen.executors.worker import Worker, log_to

INSTALL: Final = "`uv sync --extra ray`, or `pip install 'voicegen[ray]'`"
_ENVIRONMENT: Final = MappingProxyType({
    "RAY_USAGE_STATS_ENABLED": "0",
    # Under `uv run`, Ray would send the working folder round and have each process install its packages.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
})  # fmt: skip
_PATIENCE: Final = 10.0  # seconds, for an address to answer
_WAIT: Final = 0.2  # seconds that a call waits for something to say, and so an order for its call


class RayExecutor:
    """Runs a job on Ray: a cluster, or one that is started on this machine for it.

    Raises:
        MissingDependency: Ray is not installed.
    """

    def __init__(self, config: RayExecutorConfig) -> None:
        if find_spec("ray") is None:
            raise MissingDependency(f"executor=ray needs the package ray: install it with {INSTALL}")
        self._config = config

    def run(self, job: Job, watch: Watch) -> None:
        """Runs it to its end.

        Raises:
            ConfigError: there is no Ray at the address, or this machine has no room for a worker.
        """
        config = self._config
        with _connected(config.address) as ray:
            room = _room(ray.cluster_resources(), config)
            if not room and config.address is None and "RAY_ADDRESS" not in os.environ:
                raise ConfigError(
                    f"executor.cpus={config.cpus:g} and executor.gpus={config.gpus:g}: this machine has no room for "
                    "one worker of so much: ask for less, or give a cluster's executor.address"
                )
            if room < config.workers:
                watch.told(
                    f"Ray has room for {room} of {config.workers} workers now: the others start when it has more"
                )
            limits = Limits(config.row_timeout_seconds, config.max_row_crashes)
            Pool(_Actors(ray, job, config), config.workers, limits).run(job, watch)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected: as this process is already, else to the address, else to one of its own, which ends with it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    with logging_to_run():
        try:
            _knock(address or os.environ.get("RAY_ADDRESS"))
            with _handlers_kept(), stderr_to_run():
                ray.init(address=address, include_dashboard=False, configure_logging=False, log_to_driver=False)
        except (OSError, ValueError) as error:
            where = f"executor.address={address}" if address else f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS')}"
            raise ConfigError(
                f"{where}: no Ray can be reached there ({str(error).splitlines()[0]}); start one with "
                "`ray start --head`, or leave the address out"
            ) from None
        try:
            yield ray
        finally:
            ray.shutdown()


def _knock(address: str | None) -> None:
    """Looks whether anybody is at HOST:PORT: Ray itself goes on trying for minutes, and says much.

    Raises:
        OSError: nobody is.
    """
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), _PATIENCE).close()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Takes back what Ray does with SIGTERM: a run ends by our own handler, which finishes what is being written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _room(resources: dict[str, float], config: RayExecutorConfig) -> int:
    """Workers that so much is enough for."""
    needs = {"CPU": config.cpus, "GPU": config.gpus}
    rooms = [int(resources.get(name, 0) / needed) for name, needed in needs.items() if needed]
    return min([*rooms, config.workers])


class _Actors:
    """A `Crew` of Ray actors."""

    def __init__(self, ray: Any, job: Job, config: RayExecutorConfig) -> None:
        self._ray = ray
        self._job = job
        self._queue_size = config.queue_size
        self._class = ray.remote(_Actor).options(
            num_cpus=config.cpus, num_gpus=config.gpus, max_restarts=0, max_concurrency=2
        )
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}  # the one under way to each worker
        self._orders: defaultdict[int, list[Order]] = defaultdict(list)
        self._heard: deque[tuple[int, Message]] = deque()

    def start(self, worker: int, name: str) -> None:
        """Has Ray find a place for an actor."""
        self._orders.pop(worker, None)
        self._actors[worker] = self._class.remote(self._job, name, self._queue_size, str(Path.cwd()))
        self._call(worker)

    def send(self, worker: int, order: Order) -> None:
        """Has an order go with the next call."""
        self._orders[worker].append(order)

    def hear(self, seconds: float) -> tuple[int, Message] | None:
        """What comes next."""
        end = time.monotonic() + seconds
        while not self._heard and self._calls:
            ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=max(end - time.monotonic(), 0))
            if not ready:
                return None
            self._answered(ready[0])
        if not self._heard:
            time.sleep(max(end - time.monotonic(), 0))
            return None
        return self._heard.popleft()

    def kill(self, worker: int) -> None:
        """Kills an actor."""
        self._ray.kill(self._actors[worker])

    def interrupt(self) -> None:
        """Has all give up what is not begun."""
        for worker in self._calls.values():
            self._actors[worker].stop.remote()

    def close(self) -> None:
        """Kills those that are left."""
        for worker in self._calls.values():
            self.kill(worker)

    def _call(self, worker: int) -> None:
        call = self._actors[worker].exchange.remote(self._orders.pop(worker, ()), _WAIT)
        self._calls[call] = worker

    def _answered(self, call: Any) -> None:
        worker = self._calls.pop(call)
        try:
            messages = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            messages = [Ended(_how(error))]
        self._heard.extend((worker, message) for message in messages)
        if not (messages and isinstance(messages[-1], Ended)):
            self._call(worker)


def _how(error: Exception) -> str:
    """How an actor ended, from what Ray says of it."""
    text = str(error)
    _, _, detail = text.partition("Worker exit detail: ")
    return f"died ({(detail or text).strip().splitlines()[0].partition('. ')[0]})"


class _Actor:
    """A worker in a process of Ray's."""

    def __init__(self, job: Job, name: str, queue_size: int, folder: str) -> None:
        self._folder = folder  # in which the paths of the settings are meant
        self._said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        log_to(self._said.put)
        self._worker = Worker(job, name, queue_size, self._said.put)
        threading.Thread(target=self._run, name=f"voicegen-{name}", daemon=True).start()

    def exchange(self, orders: Sequence[Order], seconds: float) -> list[Message]:
        """Takes orders, and returns what there is to say, waiting so long for the first of it."""
        for order in orders:
            self._worker.take(order)
        messages: list[Message] = []
        with suppress(queue.Empty):
            messages.append(self._said.get(timeout=seconds))
            while True:
                messages.append(self._said.get_nowait())
        return messages

    def stop(self) -> None:
        """Has the worker end with what it has begun."""
        self._worker.stop()

    def _run(self) -> None:
        try:
            os.chdir(self._folder)
        except OSError as error:
            folder = f"{self._folder} on {platform.node()}: {error.strerror}"
            self._said.put(Refused(ConfigError(f"executor=ray: {folder}: every node needs the folder of the command")))
        else:
            self._worker.run()
        self._said.put(Ended())
