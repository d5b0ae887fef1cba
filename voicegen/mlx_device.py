"""MLX on this machine: where it computes, what is set up before it does, and what it may take of the memory.

A Mac's GPU shares its memory with everything else, and a chat model and Marvis share it with each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx
import psutil

from voicegen.mlx_blas.blas import use_fast_blas

CACHE_LIMIT = 2 << 30
"""Bytes of freed arrays that MLX keeps for reuse, at most, where a GPU shares its memory with everything else: without
a limit they grow with each new shape of a run."""
CACHE_SHARE = 16  # of the memory, which is less on a small machine


def backend() -> str:
    """Of MLX, as it computes here: `cpu`, `metal` or `cuda`."""
    if mx.default_device().type == mx.DeviceType.cpu:
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def device_memory() -> int:
    """Bytes that the device can work with; the machine's, where it does not say."""
    known = mx.device_info()
    names = ("max_recommended_working_set_size", "memory_size", "total_memory")
    said = (memory for name in names if isinstance(memory := known.get(name), int) and memory > 0)
    return next(said, psutil.virtual_memory().total)


def prepare() -> None:
    """What comes before a model is loaded: bounds on what a GPU's MLX keeps, a fast product on a Linux CPU."""
    _keep_graphs()
    _limit_cache()
    use_fast_blas()


def _keep_graphs() -> None:
    """Has MLX on CUDA keep more of the graphs that it makes of launches; it ends a process that makes twice as many.

    MLX reads the number when it first works on a stream, so this is to come before anything else of it.
    """
    if backend() == "cuda":
        os.environ.setdefault("MLX_CUDA_GRAPH_CACHE_SIZE", "4000")


def _limit_cache() -> None:
    """Bounds the freed arrays that a GPU's MLX keeps; on a CPU it keeps 32 MB by itself."""
    where = backend()
    if where == "cpu":
        return
    share = device_memory() // CACHE_SHARE
    mx.set_cache_limit(share if where == "cuda" else min(CACHE_LIMIT, share))  # a card's memory is its own


class _Wiring:
    """Who generates now, and the limit that was before the first of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.before = 0


_WIRING = _Wiring()


@contextmanager
def wired() -> Iterator[None]:
    """Keeps what a Mac's GPU works with in memory while anybody generates; macOS would page it out in between.

    For any number of threads, and for chat and speech together: the limit is the process's, and is set back when the
    last of them has left.
    """
    if not mx.metal.is_available():
        yield
        return
    with _WIRING.lock:
        if _WIRING.holders == 0:
            _WIRING.before = mx.set_wired_limit(device_memory())
        _WIRING.holders += 1
    try:
        yield
    finally:
        mx.synchronize()  # the limit must not change under work that is under way
        with _WIRING.lock:
            _WIRING.holders -= 1
            if _WIRING.holders == 0:
                mx.set_wired_limit(_WIRING.before)
