"""MLX's affine quantization (`layout.Packing`), undone in torch: `w = scale * q + bias` for each group of a row."""

from __future__ import annotations

import torch

from voicegen.tts.marvis.layout import Packing


def dequantized(packed: torch.Tensor, scales: torch.Tensor, biases: torch.Tensor, packing: Packing) -> torch.Tensor:
    """A packed matrix in float32.

    Args:
        packed: (rows, words) uint32.
        scales: (rows, groups).
        biases: (rows, groups).
        packing: How it is packed.
    """
    rows, groups = scales.shape
    stream = packed.contiguous().view(torch.uint8).reshape(rows, -1)
    values = _unpacked(stream, packing.bits).reshape(rows, groups, packing.group)
    return (values * scales.float()[..., None] + biases.float()[..., None]).reshape(rows, -1)


def _unpacked(stream: torch.Tensor, bits: int) -> torch.Tensor:
    """(rows, bytes) -> (rows, bytes * 8 / bits) float32."""
    if bits == 8:
        return stream.float()
    flags = (stream[..., None] >> torch.arange(8, dtype=torch.uint8, device=stream.device)) & 1
    return flags.reshape(stream.shape[0], -1, bits).float() @ 2.0 ** torch.arange(bits, device=stream.device)
