"""What a frame does between its products: attention of a slot over what it keeps, and the draw of a code.

`PlainSteps` are MLX's own operators, on any device, and the truth; `kernels.KernelSteps` are one launch each.
"""

from __future__ import annotations

from typing import Protocol

import mlx.core as mx

from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import BROKEN
from voicegen.tts.marvis.mlx.model import MLXModel, Product, Transformer, gated
from voicegen.tts.marvis.mlx.sampler import sample

Kept = tuple[mx.array, mx.array]
"""Keys and values (S, KV, rows, D) of the positions before."""


class Steps(Protocol):
    """The things that a frame repeats for every layer and every codebook.

    Attributes:
        name: what they are made with, for whoever reads a bench.
        divides: whether they divide products whose rows were not normalized (`Product.undivided`).
    """

    name: str
    divides: bool

    def nothing(self, part: Transformer, slots: int, rows: int) -> Kept:
        """What S slots keep before their first position."""
        ...

    def attended(
        self, part: Transformer, qkv: Product, kept: Kept, place: mx.array | int, rows: int, tokens: int = 1
    ) -> tuple[mx.array, Kept]:
        """Attention of new positions over those before and themselves.

        Args:
            part: whose heads and rotation.
            qkv: (S * T, (H + 2 KV) * D), not rotated.
            kept: what there is.
            place: of the first new position: (S,) int32, each with T = 1, or one number of all slots.
            rows: positions that there is room for.
            tokens: T.

        Returns:
            (S * T, H * D), and what is kept now.
        """
        ...

    def gated(self, gate_up: Product) -> mx.array:
        """See `model.gated`."""
        ...

    def drawn(
        self,
        logits: Product,
        row: mx.array,
        codebook: int,
        counters: mx.array,
        seeds: mx.array,
        sampling: Sampling,
    ) -> tuple[mx.array, mx.array]:
        """Draws each slot's code of a codebook.

        Args:
            logits: (S, at least V), of which V count.
            row: (S, codebooks + 1) int32: the codes so far, and flags in the last column.
            codebook: from 0.
            counters: (S, 3) int32, of which the second is the frame.
            seeds: (S, 2) uint32.
            sampling: how.

        Returns:
            The row with the code in it, and BROKEN in its flags where logits were not finite; and what the depth
            decoder is told of the code, (S, width).
        """
        ...


class PlainSteps:
    """`Steps` in MLX's operators."""

    name = "MLX's operators"
    divides = False

    def __init__(self, model: MLXModel) -> None:
        self._model = model

    def nothing(self, part: Transformer, slots: int, rows: int) -> Kept:
        """Zeros."""
        shape = (slots, part.sizes.kv_heads, rows, part.sizes.head_dim)
        return mx.zeros(shape, self._model.dtype), mx.zeros(shape, self._model.dtype)

    def gated(self, gate_up: Product) -> mx.array:
        """See `Steps`."""
        return gated(gate_up)

    def attended(
        self, part: Transformer, qkv: Product, kept: Kept, place: mx.array | int, rows: int, tokens: int = 1
    ) -> tuple[mx.array, Kept]:
        """See `Steps`."""
        q, k, v = part.turned(qkv.numbers, tokens, place)
        keys, values = kept
        mask: mx.array | str | None
        if isinstance(place, int):
            end = place + tokens
            keys[:, :, place:end], values[:, :, place:end] = k, v
            k, v, mask = keys[:, :, :end], values[:, :, :end], "causal" if tokens > 1 else None
        else:
            there = place[:, None, None, None]
            k = keys = mx.put_along_axis(keys, there, k, axis=2)
            v = values = mx.put_along_axis(values, there, v, axis=2)
            mask = mx.arange(rows) <= there
        return part.attention(q, k, v, mask), (keys, values)

    def drawn(
        self,
        logits: Product,
        row: mx.array,
        codebook: int,
        counters: mx.array,
        seeds: mx.array,
        sampling: Sampling,
    ) -> tuple[mx.array, mx.array]:
        """See `Steps`."""
        known = logits.numbers[:, : self._model.config.audio_vocab]
        code, finite = sample(known, seeds, counters[:, 1].astype(mx.uint32), codebook, sampling)
        column, flags = mx.arange(row.shape[1]), row.shape[1] - 1
        row = mx.where(column == codebook, code[:, None], row)
        row = mx.where((column == flags) & mx.logical_not(finite)[:, None], BROKEN, row)
        return row, self._model.depth_input(code, codebook)
