"""Faster forms of models for MLX on a CPU."""

from __future__ import annotations

import mlx.nn as nn


def accelerate(model: nn.Module) -> nn.Module:
    """The model in the fastest form that there is for the device; the same results up to rounding."""
    return model
