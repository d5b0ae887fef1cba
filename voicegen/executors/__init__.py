"""How a job's stages run; `make_executor` makes the one that the settings name."""

from voicegen.config import LocalExecutorConfig
from voicegen.executors.job import Executor
from voicegen.executors.local import LocalExecutor, ProcessExecutor
from voicegen.executors.pool import Limits


def make_executor(config: LocalExecutorConfig) -> Executor:
    """What runs the stages."""
    if config.workers is None:
        return LocalExecutor(config.queue_size)
    return ProcessExecutor(
        config.workers, config.queue_size, Limits(config.row_timeout_seconds, config.max_row_crashes)
    )
