"""Samples as they go over a wire: 16-bit little-endian ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pcm_bytes(samples: NDArray[np.float32]) -> bytes:
    """Of samples (N,) in [-1, 1]; those beyond are clipped."""
    return (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def pcm_samples(data: bytes) -> NDArray[np.float32]:
    """Samples (N,) in [-1, 1].

    Raises:
        ValueError: the last one is cut.
    """
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
