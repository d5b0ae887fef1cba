"""The two transformers of Marvis in MLX, over slots that each stand at a position of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.config import MarvisConfig, RopeConfig, TransformerConfig

if TYPE_CHECKING:
    from voicegen.tts.marvis.weights import LayerWeights, MarvisWeights

Attend = Callable[[int, mx.array, mx.array, mx.array], mx.array]
"""(layer, q (B, H, T, D), k and v (B, KV, T, D)) -> (B, H, T, D); keeps k and v where they belong."""


def wavelengths(rope: RopeConfig, head_dim: int) -> mx.array:
    """Positions a radian (D / 2,) in float32, for `mx.fast.rope`, with llama-3 scaling where `factor` is not 1."""
    radians: NDArray[np.float32] = np.float32(1.0) / np.float32(rope.theta) ** (
        np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    )
    if rope.factor != 1.0:
        waves = 2 * np.pi / radians
        blend = (rope.original_context / waves - rope.low) / (rope.high - rope.low)
        scaled = np.where(
            waves > rope.original_context / rope.low,
            radians / rope.factor,
            (1 - blend) * radians / rope.factor + blend * radians,
        )
        radians = np.where(waves < rope.original_context / rope.high, radians, scaled)
    return mx.array((1.0 / radians).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; matrices are (out, in), `qkv` stacks q, k and v rows, `gate_up` gate and up rows."""

    input_norm: mx.array
    qkv: mx.array
    out: mx.array
    ffn_norm: mx.array
    gate_up: mx.array
    down: mx.array


@dataclass(frozen=True, slots=True)
class Transformer:
    """A Llama-style transformer: its sizes, layers, last norm and rotation."""

    sizes: TransformerConfig
    layers: tuple[Layer, ...]
    norm: mx.array
    waves: mx.array

    def __call__(self, x: mx.array, offset: mx.array | int, attend: Attend) -> mx.array:
        """All layers and the last norm over x (B, T, width) whose first position is `offset`, of all rows or each."""
        sizes = self.sizes
        rotated, heads = sizes.heads + sizes.kv_heads, sizes.heads + 2 * sizes.kv_heads
        for index, layer in enumerate(self.layers):
            normed = mx.fast.rms_norm(x, layer.input_norm, sizes.norm_eps)
            qkv = (normed @ layer.qkv.T).reshape(*x.shape[:2], heads, sizes.head_dim).transpose(0, 2, 1, 3)
            # v is rotated with q and k and not used so: cutting it off first would copy
            turned = mx.fast.rope(
                qkv, sizes.head_dim, traditional=False, base=None, scale=1.0, offset=offset, freqs=self.waves
            )
            mixed = attend(index, turned[:, : sizes.heads], turned[:, sizes.heads : rotated], qkv[:, rotated:])
            x = x + mixed.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1) @ layer.out.T
            gate, up = mx.split(mx.fast.rms_norm(x, layer.ffn_norm, sizes.norm_eps) @ layer.gate_up.T, 2, axis=-1)
            x = x + (gate * mx.sigmoid(gate) * up) @ layer.down.T
        return mx.fast.rms_norm(x, self.norm, sizes.norm_eps)


class MLXModel:
    """Sizes, weights and the tables computed from them, in one dtype on MLX's device. Holds no decoding state."""

    def __init__(self, config: MarvisConfig, weights: MarvisWeights, dtype: mx.Dtype) -> None:
        self.config = config
        self.dtype = dtype
        self._text = _array(weights.text_embeddings, dtype)
        self._audio = _array(weights.audio_embeddings, dtype)
        self._projection = _array(weights.projection, dtype)
        self.first_head = _array(weights.first_head, dtype)
        self.heads = [_array(head, dtype) for head in weights.heads]
        self.backbone = _transformer(config.backbone, weights.backbone, weights.backbone_norm, dtype)
        self.depth = _transformer(config.depth, weights.depth, weights.depth_norm, dtype)
        # Each code's embedding as the depth decoder sees it, so that a step looks up instead of multiplying.
        projected = _array(weights.depth_embeddings, dtype) @ self._projection.T
        self._depth_inputs = [mx.contiguous(book) for book in mx.split(projected, config.codebooks)]
        self._book_offsets = mx.arange(config.codebooks) * config.audio_vocab
        mx.eval(self._text, self._audio, self._depth_inputs, self._book_offsets)

    def embed_frames(self, codes: mx.array) -> mx.array:
        """Codes (..., k) of the first k codebooks -> (..., width), the sum of their embeddings."""
        return self._audio[codes + self._book_offsets[: codes.shape[-1]]].sum(axis=-2)

    def embed(self, tokens: mx.array, is_audio: mx.array | None) -> mx.array:
        """A prompt's embeddings (B, T, width).

        Args:
            tokens: (B, T, K): a frame of codes, or a text token in column 0; (B, T) where all is text.
            is_audio: (B, T) bool; None where all is text.
        """
        if is_audio is None:
            return self._text[tokens]
        text = self._text[mx.where(is_audio, 0, tokens[..., 0])]
        audio = mx.zeros(text.shape)
        for book in range(tokens.shape[-1]):  # one at a time, so that memory does not grow with the codebooks
            audio = audio + self._audio[mx.where(is_audio, tokens[..., book], 0) + book * self.config.audio_vocab]
        return mx.where(is_audio[..., None], audio.astype(text.dtype), text)

    def depth_start(self, hidden: mx.array, code: mx.array) -> mx.array:
        """The first two inputs (B, 2, depth width): the backbone's hidden state (B, width) and code 0 (B,)."""
        return mx.stack([hidden @ self._projection.T, self._depth_inputs[0][code]], axis=1)

    def depth_input(self, code: mx.array, codebook: int) -> mx.array:
        """A code's input to the depth decoder: (B,) -> (B, 1, depth width)."""
        return self._depth_inputs[codebook][code][:, None]


def _transformer(
    sizes: TransformerConfig, layers: tuple[LayerWeights, ...], norm: object, dtype: mx.Dtype
) -> Transformer:
    names = Layer.__slots__
    made = tuple(Layer(*(_array(getattr(layer, name), dtype) for name in names)) for layer in layers)
    waves = wavelengths(sizes.rope, sizes.head_dim)
    mx.eval(waves)
    return Transformer(sizes, made, _array(norm, dtype), waves)


def _array(tensor: object, dtype: mx.Dtype) -> mx.array:
    made = mx.array(np.asarray(tensor)).astype(dtype)
    mx.eval(made)
    return made
