"""Drawing codes from logits: temperature, top-k, and noise that depends on the utterance alone.

The noise of a draw is a hash of (seed, frame, codebook, code), nothing else: not of the slot, the batch, the order of
arrival or the device. A code is `argmax(logits + temperature * gumbel)` over the top k (the Gumbel-max trick), so that
temperature 0 is greedy, ties going to the smallest code. All codes that tie with the k-th are kept.

The Triton kernel in `kernels/sampling.py` does the same in one pass; tests hold the two equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

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


def mix(x: torch.Tensor) -> torch.Tensor:
    """A 32-bit integer hash (Ellis, "lowbias32") on int64 tensors that hold values under 2**32."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def gumbel_noise(seeds: torch.Tensor, frames: torch.Tensor, codebook: int, size: int) -> torch.Tensor:
    """Standard Gumbel noise (B, size) in float32 for one codebook of each row.

    Args:
        seeds: (B, 2) int64, the two words of `seed_words`.
        frames: (B,) int64, the row's frame, from 0.
        codebook: From 0.
        size: Codes to draw among.
    """
    counter = mix((frames * CODEBOOK_STRIDE + codebook) & MASK)
    first = mix((seeds[:, 0] + counter) & MASK)[:, None]
    second = mix(seeds[:, 1] ^ counter)[:, None]
    codes = torch.arange(size, device=seeds.device) * GOLDEN & MASK
    bits = mix(mix((codes + first) & MASK) ^ second)
    uniform = ((bits >> 9).float() + 0.5) * 2.0**-23  # 23 bits and a half are exact in float32: never 0 or 1
    return -torch.log(-torch.log(uniform))


def sample(
    logits: torch.Tensor, seeds: torch.Tensor, frames: torch.Tensor, codebook: int, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws one code a row.

    Args:
        logits: (B, V) of any floating-point type.
        seeds: (B, 2) int64.
        frames: (B,) int64.
        codebook: From 0.
        sampling: Temperature and top-k.

    Returns:
        Codes (B,) int64, and (B,) bool: whether the row's logits were all finite.
    """
    logits = logits.float()
    finite = torch.isfinite(logits).all(dim=-1)
    logits = torch.where(finite[:, None], logits, 0.0)
    if sampling.temperature <= 0:
        return logits.argmax(dim=-1), finite
    scores = logits + sampling.temperature * gumbel_noise(seeds, frames, codebook, logits.shape[-1])
    if 0 < sampling.top_k < logits.shape[-1]:
        least = torch.topk(logits, sampling.top_k, dim=-1).values[:, -1:]
        scores = torch.where(logits >= least, scores, -torch.inf)
    return scores.argmax(dim=-1), finite
