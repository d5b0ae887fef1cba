"""A checkpoint's tensors in MLX, from any of its formats (`layout.py`), without torch; what is packed stays packed.

Inside, q and k always rotate halves: native rows are permuted on loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import mlx.core as mx

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.layout import Layout, Packing, Rows, read_layout
from voicegen.tts.marvis.mlx.matrices import Matrix, Packed, Table, Whole, reordered, stacked

BITS, GROUPS = (2, 3, 4, 5, 6, 8), (32, 64, 128)
"""The packings that MLX multiplies by."""


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer; `qkv` stacks q, k and v rows, `gate_up` gate and up rows. A norm is None where it is in the matrix."""

    input_norm: mx.array | None
    qkv: Matrix
    out: Matrix
    ffn_norm: mx.array | None
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True, slots=True)
class MLXWeights:
    """A whole model's matrices, as `weights.MarvisWeights` has them; `heads[i]` gives codebook i + 1."""

    text_embeddings: Table
    audio_embeddings: Table
    depth_embeddings: Table  # the same, unless a checkpoint unties them
    projection: Matrix
    first_head: Matrix
    heads: tuple[Matrix, ...]
    backbone: tuple[LayerWeights, ...]
    backbone_norm: mx.array
    depth: tuple[LayerWeights, ...]
    depth_norm: mx.array | None


def layer_of(
    input_norm: mx.array, qkv: Matrix, out: Matrix, ffn_norm: mx.array, gate_up: Matrix, down: Matrix
) -> LayerWeights:
    """A layer, its norms' weights in the matrices behind them where they can be."""
    before, (qkv,) = folded(input_norm, [qkv])
    between, (gate_up,) = folded(ffn_norm, [gate_up])
    return LayerWeights(before, qkv, out, between, gate_up, down)


def folded(norm: mx.array, matrices: Sequence[Matrix]) -> tuple[mx.array | None, tuple[Matrix, ...]]:
    """The weight of a norm multiplied into the matrices behind it, so that a product can be divided instead of its row.

    As they are where one is packed, and in float16, whose range the products of rows that are not normalized may leave.
    """
    whole = [matrix for matrix in matrices if isinstance(matrix, Whole)]
    if norm.dtype == mx.float16 or len(whole) < len(matrices):
        return norm, tuple(matrices)
    return None, tuple(
        Whole(_evaluated((matrix.weight.astype(mx.float32) * norm).astype(norm.dtype))) for matrix in whole
    )


def load_weights(folder: Path, config: MarvisConfig, dtype: mx.Dtype) -> MLXWeights:
    """Reads a checkpoint's weights onto MLX's device; scales and biases of what is packed are in `dtype` too.

    Raises:
        ModelError: No weights are found; a tensor is missing, extra, of another shape, holds NaN, or is packed as MLX
            cannot multiply; each by its name.
    """
    files, layout = read_layout(folder, config)
    for name, packing in layout.packings.items():
        _check_packing(name, packing)
    stored: dict[str, mx.array] = {}
    for file in files:
        stored |= cast("dict[str, mx.array]", mx.load(str(file)))
    return _Reader(folder, layout, stored, dtype).read(config)


def _check_packing(name: str, packing: Packing) -> None:
    if packing.bits not in BITS or packing.group not in GROUPS:
        raise ModelError(
            f"the tensor {name} is packed to {packing.bits} bits in groups of {packing.group}, which MLX cannot "
            "multiply by: use tts.device=cpu"
        )


class _Reader:
    """Gives a checkpoint's tensors once each: one that was given is not kept here, so that memory is not held twice."""

    def __init__(self, folder: Path, layout: Layout, stored: dict[str, mx.array], dtype: mx.Dtype) -> None:
        self._folder = folder
        self._layout = layout
        self._stored = stored
        self._dtype = dtype

    def read(self, config: MarvisConfig) -> MLXWeights:
        name = self._layout.name
        audio = self._matrix(name("audio"))
        heads = [Whole(_evaluated(mx.contiguous(head.T))) for head in self._array(name("heads"))]
        depth_norm, depth_heads = folded(self._array(name("depth")), heads)
        return MLXWeights(
            text_embeddings=self._matrix(name("text")),
            audio_embeddings=audio,
            depth_embeddings=audio if self._layout.is_tied else self._matrix(name("depth_audio")),
            projection=self._matrix(name("projection")),
            first_head=self._matrix(name("first_head")),
            heads=depth_heads,
            backbone=self._layers("backbone", config.backbone),
            backbone_norm=self._array(name("backbone")),
            depth=self._layers("depth", config.depth),
            depth_norm=depth_norm,
        )

    def _layers(self, part: Literal["backbone", "depth"], sizes: TransformerConfig) -> tuple[LayerWeights, ...]:
        return tuple(self._layer(part, index, sizes.head_dim) for index in range(sizes.layers))

    def _layer(self, part: Literal["backbone", "depth"], index: int, head_dim: int) -> LayerWeights:
        def name(rows: Rows) -> str:
            return self._layout.layer(part, index, rows)

        def turned(rows: Rows) -> Table:
            matrix = self._matrix(name(rows))
            native = self._layout.fmt == "native"
            return reordered(matrix, lambda array: adjacent_to_halves(array, head_dim)) if native else matrix

        layer = layer_of(
            input_norm=self._array(name("input_norm")),
            qkv=stacked([turned("q"), turned("k"), self._matrix(name("v"))]),
            out=self._matrix(name("out")),
            ffn_norm=self._array(name("ffn_norm")),
            gate_up=stacked([self._matrix(name("gate")), self._matrix(name("up"))]),
            down=self._matrix(name("down")),
        )
        mx.eval(layer.qkv.arrays, layer.gate_up.arrays)
        return layer

    def _matrix(self, name: str) -> Table:
        packing = self._layout.packings.get(name)
        if packing is None:
            return Whole(self._array(name))
        words, scales, biases = self._layout.pieces(name)
        return Packed(
            _evaluated(self._stored.pop(words)), self._finite(name, scales), self._finite(name, biases), packing
        )

    def _array(self, name: str) -> mx.array:
        return self._finite(name, self._layout.stored[name])

    def _finite(self, name: str, stored: str) -> mx.array:
        array = self._stored.pop(stored)
        if not mx.isfinite(array).all().item():
            raise ModelError(f"{self._folder}: the tensor {name} holds NaN or infinity: download the checkpoint again")
        return _evaluated(array.astype(self._dtype))


def _evaluated(array: mx.array) -> mx.array:
    mx.eval(array)
    return array


def adjacent_to_halves(rows: mx.array, head_dim: int) -> mx.array:
    """Reorders the rows (H * D, in) of q or k from RoPE over adjacent pairs to RoPE over halves."""
    return rows.reshape(-1, head_dim // 2, 2, rows.shape[1]).transpose(0, 2, 1, 3).reshape(rows.shape)
