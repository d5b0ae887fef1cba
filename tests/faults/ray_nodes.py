"""A Ray of two nodes on this machine, each with room for one worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
_TRIES = 4


class Nodes:
    """The nodes, which processes that this one starts find by their environment.

    Args:
        environment: of the nodes' processes beside this one's.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**_QUIET, **environment}
        self._cluster: Any = None
        self.start()

    def start(self) -> None:
        """Starts them, also anew; on a busy machine Ray's half minute may be too short for it, so it is given tries."""
        self.close()
        for left in range(_TRIES - 1, -1, -1):
            try:
                self._cluster = self._started()
                break
            except Exception:
                if not left:
                    raise
        os.environ["RAY_ADDRESS"] = self._cluster.address

    def _started(self) -> Any:
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        with _environment(self._environment):
            try:
                cluster.add_node(num_cpus=1, include_dashboard=False)
                cluster.add_node(num_cpus=1)
            except BaseException:
                cluster.shutdown()
                raise
        return cluster

    def close(self) -> None:
        """Ends them."""
        os.environ.pop("RAY_ADDRESS", None)
        if self._cluster is not None:
            self._cluster.shutdown()
            self._cluster = None


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
