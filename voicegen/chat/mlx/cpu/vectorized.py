"""What MLX computes one number at a time on a CPU, and numpy several at once: exponentials, and the largest of many.

Each function gives what MLX would, `largest` to the bit and `exponentials` by rounding. On a GPU MLX's own are used.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from voicegen.mlx_device import backend


def exponentials(x: mx.array) -> mx.array:
    """`exp` of float32 numbers, in their shape; a number's bits do not depend on those beside it."""
    return mx.array(np.exp(np.array(x, copy=False))) if backend() == "cpu" else mx.exp(x)


def largest(x: mx.array, count: int) -> mx.array:
    """The `count` largest numbers of each row of a float32 (B, V), in falling order; (B, count)."""
    if backend() != "cpu":
        return mx.sort(mx.topk(x, count, axis=-1), axis=-1)[:, ::-1]
    values = np.array(x, copy=False)
    rest = values.shape[-1] - count
    if rest:
        values = np.partition(values, rest, axis=-1)[:, rest:]
    return mx.array(np.sort(values, axis=-1))[:, ::-1]
