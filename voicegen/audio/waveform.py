"""A NumPy array of samples that knows its rate and what made it, so that nobody has to say it when it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Waveform(np.ndarray[Any, np.dtype[np.float32]]):
    """float32 mono samples (N,) with `sampling_rate` in Hz; otherwise an ordinary array.

    Slices and results of arithmetic keep the rate. Views that skip or repeat samples lose it (`sampling_rate` is
    None): they sound right at another rate, and only their maker knows which. All of them keep `tags`, what a file
    of theirs says of itself (`voicegen.audio.origin`).
    """

    sampling_rate: int | None
    tags: Mapping[str, str]

    def __new__(
        cls, samples: NDArray[np.float32], sampling_rate: int, tags: Mapping[str, str] | None = None
    ) -> Waveform:
        """Wraps `samples` without copying where they are float32 already."""
        waveform = np.asarray(samples, dtype=np.float32).view(cls)
        waveform.sampling_rate = sampling_rate
        waveform.tags = tags or {}
        return waveform

    def __array_finalize__(self, parent: object) -> None:
        """Called by NumPy for every view and result."""
        same_time = isinstance(parent, Waveform) and self.strides == parent.strides and self.size <= parent.size
        self.sampling_rate = parent.sampling_rate if isinstance(parent, Waveform) and same_time else None
        self.tags = parent.tags if isinstance(parent, Waveform) else {}

    @property
    def duration(self) -> float:
        """Seconds; 0 where the rate is not known."""
        return len(self) / self.sampling_rate if self.sampling_rate else 0.0
