"""What MLX may take of a machine's memory."""

from __future__ import annotations

import mlx.core as mx
import psutil
import pytest

from tests.macs import M1_8GB, M1_RECOMMENDED, wired_limits
from voicegen import mlx_device
from voicegen.mlx_device import device_memory, prepare, wired


@pytest.mark.parametrize(
    ("backend", "known", "limits"),
    [
        ("metal", M1_8GB, [M1_RECOMMENDED // 16]),
        ("metal", {"memory_size": 64 << 30}, [2 << 30]),
        ("cuda", {"total_memory": 64 << 30}, [4 << 30]),  # a card's memory is its own
        ("cpu", {}, []),
    ],
)
def test_freed_arrays_are_bounded_by_the_memory(
    backend: str, known: dict[str, int], limits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(mx, "set_cache_limit", made.append)
    monkeypatch.setattr(mx, "device_info", lambda: known)
    monkeypatch.setattr(mlx_device, "backend", lambda: backend)
    monkeypatch.delenv("MLX_CUDA_GRAPH_CACHE_SIZE", raising=False)
    prepare()
    assert made == limits


def test_a_device_that_does_not_say_has_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_memory() == psutil.virtual_memory().total  # MLX says nothing of a CPU's
    monkeypatch.setattr(mx, "device_info", lambda: M1_8GB)
    assert device_memory() == M1_RECOMMENDED


def test_memory_stays_wired_until_the_last_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = wired_limits(monkeypatch)
    one, other = wired(), wired()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert limits == [7, M1_RECOMMENDED]
    other.__exit__(None, None, None)
    assert limits == [7, M1_RECOMMENDED, 7]
