"""How a job's stages run; `make_executor` makes the one that the settings name."""

from voicegen.config import LocalExecutorConfig
from voicegen.executors.job import Executor
from voicegen.executors.local import LocalExecutor


def make_executor(config: LocalExecutorConfig) -> Executor:
    """What runs the stages."""
    return LocalExecutor(config.queue_size)
