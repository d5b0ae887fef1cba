"""What Marvis takes of a machine's memory in MLX: a Mac's GPU shares it with everything else, a chat model too."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

CACHE_LIMIT = 2 << 30
"""Bytes of freed arrays that MLX keeps for reuse, at most, where a GPU shares its memory with everything else: without
a limit they grow with each new shape of a run."""
_SHARE = 4  # of the memory goes to the slots, and as much of that to freed arrays


def device_memory() -> int | None:
    """Bytes that the device can work with; None where it does not say."""
    known = mx.device_info()
    names = ("max_recommended_working_set_size", "memory_size", "total_memory")
    return next((memory for name in names if isinstance(memory := known.get(name), int) and memory > 0), None)


def limit_cache() -> None:
    """Bounds the freed arrays that MLX keeps, by the memory that there is: a sixteenth of a card's own."""
    memory = device_memory()
    most = CACHE_LIMIT if memory is None else memory // _SHARE**2
    mx.set_cache_limit(most if backend() == "cuda" else min(CACHE_LIMIT, most))


def keep_graphs() -> None:
    """Has MLX on CUDA keep more of the graphs that it makes of launches; it ends a process that makes twice as many.

    MLX reads the number when it first works on a stream, so this is to come before anything else of it.
    """
    if backend() == "cuda":
        os.environ.setdefault("MLX_CUDA_GRAPH_CACHE_SIZE", "4000")


def backend() -> str:
    """Of MLX, as it computes here: `cpu`, `metal` or `cuda`."""
    if mx.default_device().type == mx.DeviceType.cpu:
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def slots_that_fit(bytes_a_slot: int, most: int) -> int:
    """A power of two, at most `most`, of slots that fit in a quarter of the device's memory."""
    memory = device_memory()
    fitting = most if memory is None else memory // _SHARE // bytes_a_slot
    return max(1, min(most, 1 << max(fitting.bit_length() - 1, 0)))


class Wiring:
    """Keeps what a Mac's GPU works with in memory while anybody generates; macOS would page it out between frames."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._before = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wired inside, for any number of threads; as before when the last of them has left."""
        if not mx.metal.is_available():
            yield
            return
        with self._lock:
            if self._holders == 0:
                self._before = mx.set_wired_limit(device_memory() or 0)
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    mx.synchronize()  # the limit must not change under work that is under way
                    mx.set_wired_limit(self._before)
