"""A Mac as MLX describes it, for tests of what is set on one."""

from __future__ import annotations

import mlx.core as mx
import pytest

M1_8GB = {"architecture": "applegpu_g13g", "max_recommended_working_set_size": 5_726_633_984, "memory_size": 8 << 30}
M1_RECOMMENDED = 5_726_633_984


def wired_limits(monkeypatch: pytest.MonkeyPatch, before: int = 7) -> list[int]:
    """Has MLX say that it is on that Mac; the limits that are set there, the one before them first."""
    limits = [before]
    monkeypatch.setattr(mx.metal, "is_available", lambda: True)
    monkeypatch.setattr(mx, "device_info", lambda: M1_8GB)

    def set_wired_limit(limit: int) -> int:
        limits.append(limit)
        return limits[-2]

    monkeypatch.setattr(mx, "set_wired_limit", set_wired_limit)
    return limits
