"""How codes are drawn: temperature, top-k, and noise that depends on the utterance alone.

The noise of a draw is a hash of (seed, frame, codebook, code), nothing else: not of the slot, the batch, the order of
arrival or the device. A code is `argmax(logits + temperature * gumbel)` over the top k (the Gumbel-max trick), so that
temperature 0 is greedy, ties going to the smallest code. All codes that tie with the k-th are kept.

`sampler.py` draws so in torch, `kernels/sampling.py` in one pass in Triton; tests hold them equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from voicegen.errors import ModelError

MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9
CODEBOOK_STRIDE = 64
"""Codebooks a frame at most: (frame, codebook) is counted as `frame * 64 + codebook`."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn. `temperature` 0 is greedy; `top_k` 0 keeps every code.

    Raises:
        ModelError: The temperature is negative or not finite, or `top_k` is negative.
    """

    temperature: float = 0.9
    top_k: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ModelError(f"temperature is {self.temperature}; it is a number from 0")
        if self.top_k < 0:
            raise ModelError(f"top_k is {self.top_k}; it is 1 or more, or 0 for all codes")


def seed_words(seed: int) -> tuple[int, int]:
    """Spreads a seed of any size over two 32-bit words (splitmix64's finalizer)."""
    z = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    z ^= z >> 31
    return z & MASK, z >> 32
