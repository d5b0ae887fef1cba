"""MLX's affine quantization, undone: `w = scale * q + bias` for each group of a row.

Source: MLX's `quantize`, which packs the values of a row as one little-endian stream of bits in uint32 words, with one
scale and one bias a group. Bits and group size follow from the shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from voicegen.errors import ModelError
from voicegen.tts.marvis.tensor_files import Tensors


def dequantize(tensors: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> Tensors:
    """Replaces each packed `X.weight` and its `X.scales` and `X.biases` by one float32 matrix.

    Args:
        tensors: By name; those that are not packed are passed on.
        shapes: The shape that each matrix has when it is not packed.

    Raises:
        ModelError: A packed matrix has no biases (another mode than affine) or does not fit its shape.
    """
    result: Tensors = {}
    for name, tensor in tensors.items():
        stem = name.removesuffix("weight")
        if tensor.dtype is torch.uint32 and name in shapes:
            scales, biases = tensors.get(stem + "scales"), tensors.get(stem + "biases")
            if scales is None or biases is None:
                raise ModelError(
                    f"the tensor {name} is packed without scales and biases; only MLX's affine mode is read"
                )
            result[name] = _matrix(name, tensor, scales.float(), biases.float(), shapes[name])
        elif not (name.endswith((".scales", ".biases")) and name.rsplit(".", 1)[0] + ".weight" in shapes):
            result[name] = tensor
    return result


def _matrix(
    name: str, packed: torch.Tensor, scales: torch.Tensor, biases: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor:
    rows, columns = shape[0], shape[-1]
    bits, rest = divmod(packed.shape[-1] * 32, columns)
    flat = len(shape) == packed.dim() == scales.dim() == 2 and scales.shape[-1] > 0
    fits = flat and rest == 0 and 2 <= bits <= 8 and columns % scales.shape[-1] == 0
    if not fits or packed.shape[0] != rows or scales.shape != biases.shape or scales.shape[0] != rows:
        found = f"{tuple(packed.shape)} packed words and {tuple(scales.shape)} scales"
        raise ModelError(f"the tensor {name} holds {found}, which do not unpack to {shape}")
    stream = packed.contiguous().view(torch.uint8).reshape(rows, -1)
    values = _unpack(stream, bits).reshape(rows, scales.shape[1], -1)
    return (values * scales[..., None] + biases[..., None]).reshape(rows, columns)


def _unpack(stream: torch.Tensor, bits: int) -> torch.Tensor:
    """(rows, bytes) -> (rows, bytes * 8 / bits) float32."""
    if bits == 8:
        return stream.float()
    flags = (stream[..., None] >> torch.arange(8, dtype=torch.uint8, device=stream.device)) & 1
    return flags.reshape(stream.shape[0], -1, bits).float() @ 2.0 ** torch.arange(bits, device=stream.device)
