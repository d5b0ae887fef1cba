"""A NumPy array of samples that knows its rate, so that nobody has to guess it when it is saved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Waveform(np.ndarray[Any, np.dtype[np.float32]]):
    """float32 mono samples (N,) with `sampling_rate` in Hz; otherwise an ordinary array.

    Slices and results of arithmetic keep the rate. Views that skip or repeat samples lose it (`sampling_rate` is
    None): they sound right at another rate, and only their maker knows which.
    """

    sampling_rate: int | None

    def __new__(cls, samples: NDArray[np.float32], sampling_rate: int) -> Waveform:
        """Wraps `samples` without copying where they are float32 already."""
        waveform = np.asarray(samples, dtype=np.float32).view(cls)
        waveform.sampling_rate = sampling_rate
        return waveform

    def __array_finalize__(self, parent: object) -> None:
        """Called by NumPy for every view and result."""
        same_time = isinstance(parent, Waveform) and self.strides == parent.strides and self.size <= parent.size
        self.sampling_rate = parent.sampling_rate if isinstance(parent, Waveform) and same_time else None

    @property
    def duration(self) -> float:
        """Seconds; 0 where the rate is not known."""
        return len(self) / self.sampling_rate if self.sampling_rate else 0.0
