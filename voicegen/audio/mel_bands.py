"""Bands of a spectrum that are as wide as each other in mels, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mel_edges(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Where `count` bands from `low` to `high` Hz begin, peak and end, (count + 2,) Hz, by 2595 log10(1 + f / 700)."""
    first, last = (2595 * np.log10(1 + frequency / 700) for frequency in (low, high))
    edges: NDArray[np.float64] = 700 * (10 ** (np.linspace(first, last, count + 2) / 2595) - 1)
    return edges


def triangles(edges: NDArray[np.float64], rate: int, window: int) -> NDArray[np.float64]:
    """The weight of each bin of a spectrum in each band, (window / 2 + 1, bands), 1 at its peak."""
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    frequencies = np.linspace(0, rate / 2, window // 2 + 1)[:, None]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.maximum(np.minimum(rising, falling), 0)
