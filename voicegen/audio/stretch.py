"""Change of speed with the pitch kept, for speech models that have no length control of their own.

The method is WSOLA: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for
high quality time-scale modification of speech", ICASSP 1993.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOWEST: Final = 0.25
FASTEST: Final = 4.0

_WINDOW = 0.032  # seconds: at least two periods of a low voice (65 Hz)
_SEARCH = 0.012  # seconds to either side: a whole period of a voice of 42 Hz or more lies within


def stretch(samples: NDArray[np.float32], rate: int, speed: float) -> NDArray[np.float32]:
    """Plays mono `samples` (N,) at `rate` Hz `speed` times as fast, pitch kept.

    Returns:
        round(N / speed) samples; `samples` itself at speed 1.

    Raises:
        ValueError: `speed` is outside `SLOWEST` to `FASTEST`.
    """
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed must be between {SLOWEST} and {FASTEST}, not {speed}")
    if speed == 1.0 or len(samples) == 0:
        return samples
    hop = round(_WINDOW * rate / 2)
    reach = round(_SEARCH * rate)
    length = round(len(samples) / speed)
    padded = np.pad(samples, (hop + reach, int(4 * hop * max(speed, 1.0)) + 2 * reach))
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)  # periodic: halves that overlap add up to one
    output = np.zeros((length // hop + 3) * hop, dtype=np.float32)
    previous = reach
    for frame in range(length // hop + 2):
        nominal = reach + round(frame * hop * speed)
        start = nominal if frame == 0 else _best_start(padded, energy, previous + hop, nominal, 2 * hop, reach)
        output[frame * hop : (frame + 2) * hop] += window * padded[start : start + 2 * hop]
        previous = start
    return output[hop : hop + length]


def _best_start(
    samples: NDArray[np.float32], energy: NDArray[np.float64], continuation: int, nominal: int, size: int, reach: int
) -> int:
    """Where, within `reach` of `nominal`, a frame begins that looks most like the one at `continuation`.

    `energy[i]` is the sum of the squares of `samples[:i]`; it makes the correlation a normalized one.
    """
    first, last = nominal - reach, nominal + reach + 1
    similarity = np.correlate(samples[first : last - 1 + size], samples[continuation : continuation + size], "valid")
    energies = energy[first + size : last + size] - energy[first:last]
    return first + int(np.argmax(similarity / np.sqrt(energies + 1e-9)))
