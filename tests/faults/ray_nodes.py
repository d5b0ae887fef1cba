"""A Ray of two nodes on this machine, each with room for one worker."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}


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
        """Starts them, also anew."""
        from ray.cluster_utils import Cluster

        self.close()
        with _environment(self._environment):
            self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
            self._cluster.add_node(num_cpus=1)
        os.environ["RAY_ADDRESS"] = self._cluster.address

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
