"""The two transformers in plain torch: correct on every device, and what the fast path must equal.

Weights are immutable; what decoding changes is in the caches that the caller passes. Shapes: B rows, T positions, H
heads, D their size. Source: the CSM architecture (SesameAILabs/csm; transformers' `modeling_csm.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from voicegen.mkl import settle_mkl
from voicegen.tts.marvis.config import MarvisConfig, RopeConfig, TransformerConfig
from voicegen.tts.marvis.products import onednn_takes, product
from voicegen.tts.marvis.weights import LayerWeights, MarvisWeights

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(layer, q (B, T, H, D), k and v (B, T, KV, D)) -> (B, T, H, D); keeps k and v where they belong."""


def rope_frequencies(rope: RopeConfig, head_dim: int) -> torch.Tensor:
    """Radians a position (D / 2,) in float32, with llama-3 scaling where `factor` is not 1."""
    frequencies = 1.0 / rope.theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    if rope.factor == 1.0:
        return frequencies
    wavelengths = 2 * math.pi / frequencies
    blend = (rope.original_context / wavelengths - rope.low) / (rope.high - rope.low)
    blended = (1 - blend) * frequencies / rope.factor + blend * frequencies
    scaled = torch.where(wavelengths > rope.original_context / rope.low, frequencies / rope.factor, blended)
    return torch.where(wavelengths < rope.original_context / rope.high, frequencies, scaled)


def rope_table(sizes: TransformerConfig, positions: int, device: torch.device) -> torch.Tensor:
    """Cosines and sines (positions, 2, D / 2) in float32."""
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), rope_frequencies(sizes.rope, sizes.head_dim))
    return torch.stack([angles.cos(), angles.sin()], dim=1).to(device)


def rotate(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Rotates halves: x (B, T, H, D) by a table (B or 1, T, 2, D / 2)."""
    cos, sin = table[..., 0, None, :], table[..., 1, None, :]
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMSNorm over the last dimension, computed in float32."""
    return F.rms_norm(x, weight.shape, weight, eps)


def run_layers(
    layers: tuple[LayerWeights, ...],
    norm: torch.Tensor,
    sizes: TransformerConfig,
    x: torch.Tensor,
    table: torch.Tensor,
    attend: Attend,
) -> torch.Tensor:
    """All layers and the last norm over x (B, T, width), rotated by `table` (B or 1, T, 2, D / 2)."""
    rotated, heads = [sizes.heads + sizes.kv_heads, sizes.kv_heads], [sizes.heads, sizes.kv_heads]
    for index, layer in enumerate(layers):
        qkv = product(rms_norm(x, layer.input_norm, sizes.norm_eps), layer.qkv)
        turning, v = qkv.unflatten(-1, (-1, sizes.head_dim)).split(rotated, dim=2)
        q, k = rotate(turning, table).split(heads, dim=2)
        mixed = attend(index, q, k, v)
        x = x + product(mixed.flatten(2), layer.out)
        gate, up = product(rms_norm(x, layer.ffn_norm, sizes.norm_eps), layer.gate_up).chunk(2, dim=-1)
        x = x + product(F.silu(gate) * up, layer.down)
    return rms_norm(x, norm, sizes.norm_eps)


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Grouped-query attention: q (B, T, H, D) over k and v (B, KV, P, D); mask (B or 1, 1, T, P) is True to attend."""
    groups, tokens = q.shape[2] // k.shape[1], q.shape[1]
    # The heads of a group stand as positions more, so that no keys are copied for each.
    grouped = q.unflatten(2, (-1, groups)).permute(0, 2, 3, 1, 4).flatten(2, 3)
    mask = mask.repeat(1, 1, groups, 1) if mask is not None and tokens > 1 else mask
    mixed = F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask)
    return mixed.unflatten(2, (groups, tokens)).permute(0, 3, 1, 2, 4).flatten(2, 3)


def causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """The same of a whole sequence: k and v (B, KV, T, D), each position attending to itself and all before it."""
    groups = q.shape[2] // k.shape[1]
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    return F.scaled_dot_product_attention(q.transpose(1, 2), k, v, is_causal=True).transpose(1, 2)


class MarvisModel:
    """Sizes, weights and the tables computed from them, on one device in one dtype. Holds no decoding state."""

    def __init__(
        self,
        config: MarvisConfig,
        weights: MarvisWeights,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        if device.type == "cpu":
            # Before MKL's first call, or it refuses: a row's bits change with no row beside it.
            settle_mkl(even_if_slower=not onednn_takes(device, dtype))
        self.config = config
        self.device = device
        self.dtype = dtype
        self.weights = weights.to(device, dtype).ready()
        self.backbone_rope = rope_table(config.backbone, config.backbone.context, device)
        self.depth_rope = rope_table(config.depth, config.codebooks + 1, device)
        # Each code's embedding as the depth decoder sees it, so that a step looks up instead of multiplying.
        self.depth_inputs = product(self.weights.depth_embeddings, self.weights.projection)
        self.book_offsets = torch.arange(config.codebooks, device=device) * config.audio_vocab
        self.rounds_as_eight: dict[tuple[int, int], bool] = {}  # what `blocks` found, by rows and threads

    def embed_frames(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (..., k) of the first k codebooks -> (..., width), the sum of their embeddings."""
        rows = codes + self.book_offsets[: codes.shape[-1]]
        return self.weights.audio_embeddings[rows].sum(dim=-2)

    def embed(self, tokens: torch.Tensor, is_audio: torch.Tensor | None) -> torch.Tensor:
        """A prompt's embeddings (B, T, width).

        Args:
            tokens: (B, T, K) int64: a frame of codes, or a text token in column 0; (B, T) where all is text.
            is_audio: (B, T) bool; None where all is text.
        """
        if is_audio is None:
            return self.weights.text_embeddings[tokens]
        text = self.weights.text_embeddings[torch.where(is_audio, 0, tokens[..., 0])]
        audio = torch.zeros(text.shape, device=self.device)
        for book in range(tokens.shape[-1]):  # one at a time, so that memory does not grow with the codebooks
            rows = torch.where(is_audio, tokens[..., book], 0) + book * self.config.audio_vocab
            audio += self.weights.audio_embeddings[rows]
        return torch.where(is_audio[..., None], audio.to(text.dtype), text)

    def backbone(self, x: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        """The backbone over embeddings (B, T, width) at positions (B or 1, T) -> hidden states (B, T, width)."""
        weights = self.weights
        table = self.backbone_rope[positions]
        return run_layers(weights.backbone, weights.backbone_norm, self.config.backbone, x, table, attend)

    def depth(self, x: torch.Tensor, first: int, attend: Attend) -> torch.Tensor:
        """The depth decoder over inputs (B, T, depth width) at positions `first`... -> hidden states alike."""
        weights = self.weights
        table = self.depth_rope[None, first : first + x.shape[1]]
        return run_layers(weights.depth, weights.depth_norm, self.config.depth, x, table, attend)

    def depth_start(self, hidden: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """The first two inputs (B, 2, depth width): the backbone's hidden state (B, width) and code 0 (B,)."""
        return torch.stack([product(hidden, self.weights.projection), self.depth_input(code, 0)], dim=1)

    def depth_input(self, code: torch.Tensor, codebook: int) -> torch.Tensor:
        """A code's input to the depth decoder: (B,) -> (B, depth width)."""
        return self.depth_inputs[code + codebook * self.config.audio_vocab]
