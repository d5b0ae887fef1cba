"""How a job's stages run; `make_executor` makes the one that the settings name."""

from voicegen.config import LocalExecutorConfig, RayExecutorConfig
from voicegen.executors.job import Executor
from voicegen.executors.local import LocalExecutor, ProcessExecutor
from voicegen.executors.pool import Limits
from voicegen.executors.ray_actors import RayExecutor


def make_executor(config: LocalExecutorConfig | RayExecutorConfig) -> Executor:
    """What runs the stages.

    Raises:
        MissingDependency: the package for it is not installed.
    """
    if isinstance(config, RayExecutorConfig):
        return RayExecutor(config)
    if config.workers is None:
        return LocalExecutor(config.queue_size)
    limits = Limits(config.row_timeout_seconds, config.max_row_crashes)
    return ProcessExecutor(config.workers, config.queue_size, limits)
