"""Change of sample rate for files and arrays on the CPU."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Converts `samples` (N,) or (N, C) from `from_rate` to `to_rate` Hz with soxr's best quality (VHQ).

    The result has round(N * to_rate / from_rate) samples within one; at equal rates it is `samples` itself.
    """
    if from_rate == to_rate or len(samples) == 0:
        return samples
    return np.asarray(soxr.resample(samples, from_rate, to_rate, quality="VHQ"), dtype=np.float32)
