"""A checkpoint's tensors in torch, from any of its formats (`layout.py`), as one immutable set.

Inside, q and k always rotate halves: native rows are permuted on loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.layout import Layout, Rows, read_layout
from voicegen.tts.marvis.products import made_ready
from voicegen.tts.marvis.quantization import dequantized
from voicegen.tts.marvis.tensor_files import read_tensors

if TYPE_CHECKING:
    from voicegen.tts.marvis.tensor_files import Tensors


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer. Matrices are (out, in): `qkv` stacks q, k and v rows, `gate_up` gate and up rows."""

    input_norm: torch.Tensor
    qkv: torch.Tensor
    out: torch.Tensor
    ffn_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True, slots=True)
class MarvisWeights:
    """A whole model's tensors.

    Embeddings of codebook i begin at row `i * audio_vocab`. `heads[i]` (V, width) gives codebook i: heads[0] reads the
    backbone, the others the depth decoder.
    """

    text_embeddings: torch.Tensor  # (text_vocab, backbone width)
    audio_embeddings: torch.Tensor  # (K * V, backbone width)
    depth_embeddings: torch.Tensor  # the same tensor, unless a checkpoint unties them
    projection: torch.Tensor  # (depth width, backbone width)
    first_head: torch.Tensor  # (V, backbone width)
    heads: torch.Tensor | tuple[torch.Tensor, ...]  # (K - 1, V, depth width)
    backbone: tuple[LayerWeights, ...]
    backbone_norm: torch.Tensor
    depth: tuple[LayerWeights, ...]
    depth_norm: torch.Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> MarvisWeights:
        """The same weights elsewhere; tied embeddings stay one tensor."""

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device=device, dtype=dtype).contiguous()

        def layer(weights: LayerWeights) -> LayerWeights:
            return LayerWeights(*(move(getattr(weights, name)) for name in LayerWeights.__slots__))

        audio = move(self.audio_embeddings)
        tied = self.depth_embeddings is self.audio_embeddings
        return replace(
            self,
            text_embeddings=move(self.text_embeddings),
            audio_embeddings=audio,
            depth_embeddings=audio if tied else move(self.depth_embeddings),
            projection=move(self.projection),
            first_head=move(self.first_head),
            heads=move(self.heads),
            backbone=tuple(layer(weights) for weights in self.backbone),
            backbone_norm=move(self.backbone_norm),
            depth=tuple(layer(weights) for weights in self.depth),
            depth_norm=move(self.depth_norm),
        )

    def ready(self) -> MarvisWeights:
        """The same weights, with matrices as `products.product` likes them on their device."""

        def layer(weights: LayerWeights) -> LayerWeights:
            matrices = {name: made_ready(getattr(weights, name)) for name in ("qkv", "out", "gate_up", "down")}
            return replace(weights, **matrices)

        return replace(
            self,
            projection=made_ready(self.projection),
            first_head=made_ready(self.first_head),
            heads=tuple(made_ready(head) for head in self.heads),
            backbone=tuple(layer(weights) for weights in self.backbone),
            depth=tuple(layer(weights) for weights in self.depth),
        )


def load_weights(folder: Path, config: MarvisConfig) -> MarvisWeights:
    """Reads a checkpoint's weights in float32, on the CPU.

    Raises:
        ModelError: No weights are found; a tensor is missing, extra, of another shape, or holds NaN; each by its name.
    """
    files, layout = read_layout(folder, config)
    stored = read_tensors(files, set(layout.stored.values()).__contains__)
    matrices = {name: _matrix(layout, name, stored) for name in layout.shapes}
    for name, matrix in matrices.items():
        if not bool(torch.isfinite(matrix).all()):
            raise ModelError(f"{folder}: the tensor {name} holds NaN or infinity: download the checkpoint again")
    return _assemble(layout, config, matrices)


def _matrix(layout: Layout, name: str, stored: Tensors) -> torch.Tensor:
    packing = layout.packings.get(name)
    if packing is None:
        return stored[layout.stored[name]].float()
    packed, scales, biases = (stored[piece] for piece in layout.pieces(name))
    return dequantized(packed, scales, biases, packing)


def _assemble(layout: Layout, config: MarvisConfig, matrices: Mapping[str, torch.Tensor]) -> MarvisWeights:
    audio, depth_audio = matrices[layout.name("audio")], matrices[layout.name("depth_audio")]
    tied = layout.is_tied or torch.equal(audio, depth_audio)
    return MarvisWeights(
        text_embeddings=matrices[layout.name("text")],
        audio_embeddings=audio,
        depth_embeddings=audio if tied else depth_audio,
        projection=matrices[layout.name("projection")],
        first_head=matrices[layout.name("first_head")],
        heads=matrices[layout.name("heads")].transpose(1, 2).contiguous(),
        backbone=_layers(layout, "backbone", config.backbone, matrices),
        backbone_norm=matrices[layout.name("backbone")],
        depth=_layers(layout, "depth", config.depth, matrices),
        depth_norm=matrices[layout.name("depth")],
    )


def _layers(
    layout: Layout, part: Literal["backbone", "depth"], sizes: TransformerConfig, matrices: Mapping[str, torch.Tensor]
) -> tuple[LayerWeights, ...]:
    def layer(index: int) -> LayerWeights:
        def get(rows: Rows) -> torch.Tensor:
            matrix = matrices[layout.layer(part, index, rows)]
            adjacent = layout.fmt == "native" and rows in ("q", "k")
            return adjacent_to_halves(matrix, sizes.head_dim) if adjacent else matrix

        return LayerWeights(
            input_norm=get("input_norm"),
            qkv=torch.cat([get("q"), get("k"), get("v")]),
            out=get("out"),
            ffn_norm=get("ffn_norm"),
            gate_up=torch.cat([get("gate"), get("up")]),
            down=get("down"),
        )

    return tuple(layer(index) for index in range(sizes.layers))


def adjacent_to_halves(rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Reorders the rows (H * D, in) of q or k from RoPE over adjacent pairs to RoPE over halves."""
    heads = rows.shape[0] // head_dim
    return rows.view(heads, head_dim // 2, 2, -1).transpose(1, 2).reshape(rows.shape)
