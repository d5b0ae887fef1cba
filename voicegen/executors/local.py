"""A job on this machine: its stages in this process, or in several beside it."""

from __future__ import annotations

from voicegen import build
from voicegen.executors.chain import run_chain
from voicegen.executors.job import Job, ModelMaker, Watch
from voicegen.executors.pool import Limits, Pool
from voicegen.executors.processes import Processes
from voicegen.executors.share import Whole


class LocalExecutor:
    """Runs a job on this machine.

    Args:
        queue_size: finished answers, and finished takes, that may wait for the next stage.
        name: of this process, among those that work at the run.
        models: makes them.
    """

    def __init__(self, queue_size: int, name: str = "local", models: ModelMaker = build) -> None:
        self._queue_size = queue_size
        self._name = name
        self._models = models

    def run(self, job: Job, watch: Watch) -> None:
        """Makes the job's models here and runs it to its end."""
        run_chain(job, Whole(job), watch, name=self._name, queue_size=self._queue_size, models=self._models)


class ProcessExecutor:
    """Runs a job in worker processes of this machine.

    Args:
        workers: how many.
        queue_size: of each, as above.
        limits: what is put up with.
    """

    def __init__(self, workers: int, queue_size: int, limits: Limits) -> None:
        self._workers = workers
        self._queue_size = queue_size
        self._limits = limits

    def run(self, job: Job, watch: Watch) -> None:
        """Runs it to its end, with as many workers as there are rows at the most."""
        crew = Processes(job, self._workers, self._queue_size)
        Pool(crew, self._workers, self._limits).run(job, watch)
