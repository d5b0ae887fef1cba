"""Drawing codes from logits in MLX, as `drawing.py` says; the noise is torch's but for a logarithm's last digit."""

from __future__ import annotations

import mlx.core as mx

from voicegen.tts.marvis.drawing import CODEBOOK_STRIDE, GOLDEN, Sampling


def mix(x: mx.array) -> mx.array:
    """A 32-bit integer hash (Ellis, "lowbias32") of uint32."""
    x = (x ^ (x >> 16)) * mx.array(0x7FEB352D, mx.uint32)
    x = (x ^ (x >> 15)) * mx.array(0x846CA68B, mx.uint32)
    return x ^ (x >> 16)


def gumbel_noise(seeds: mx.array, frames: mx.array, codebook: int, size: int) -> mx.array:
    """Standard Gumbel noise (B, size) in float32 for one codebook of each row.

    Args:
        seeds: (B, 2) uint32, the two words of `seed_words`.
        frames: (B,) uint32, the row's frame, from 0.
        codebook: From 0.
        size: Codes to draw among.
    """
    counter = mix(frames * mx.array(CODEBOOK_STRIDE, mx.uint32) + mx.array(codebook, mx.uint32))
    first = mix(seeds[:, 0] + counter)[:, None]
    second = mix(seeds[:, 1] ^ counter)[:, None]
    codes = mx.arange(size, dtype=mx.uint32) * mx.array(GOLDEN, mx.uint32)
    bits = mix(mix(codes + first) ^ second)
    uniform = ((bits >> 9).astype(mx.float32) + 0.5) * 2.0**-23  # exact in float32: never 0 or 1
    return -mx.log(-mx.log(uniform))


def sample(
    logits: mx.array, seeds: mx.array, frames: mx.array, codebook: int, sampling: Sampling
) -> tuple[mx.array, mx.array]:
    """Draws one code a row.

    Args:
        logits: (B, V) of any floating-point type.
        seeds: (B, 2) uint32.
        frames: (B,) uint32.
        codebook: From 0.
        sampling: Temperature and top-k.

    Returns:
        Codes (B,) int32, and (B,) bool: whether the row's logits were all finite.
    """
    logits = logits.astype(mx.float32)
    finite = mx.isfinite(logits).all(axis=-1)
    logits = mx.where(finite[:, None], logits, 0.0)
    if sampling.temperature <= 0:
        return mx.argmax(logits, axis=-1).astype(mx.int32), finite
    scores = logits + sampling.temperature * gumbel_noise(seeds, frames, codebook, logits.shape[-1])
    if 0 < sampling.top_k < logits.shape[-1]:
        least = mx.topk(logits, sampling.top_k, axis=-1).min(axis=-1, keepdims=True)
        scores = mx.where(logits >= least, scores, -mx.inf)
    return mx.argmax(scores, axis=-1).astype(mx.int32), finite
