"""Drawing codes from logits in torch, as `drawing.py` says."""

from __future__ import annotations

import torch

from voicegen.tts.marvis.drawing import CODEBOOK_STRIDE, GOLDEN, MASK, Sampling


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
