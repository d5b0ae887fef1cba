"""The two transformers of Marvis in MLX, over slots that each stand at a position of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.mlx.matrices import Matrix, Table, Whole
from voicegen.tts.marvis.mlx.weights import LayerWeights, MLXWeights


@dataclass(frozen=True, slots=True)
class Product:
    """What a matrix makes of normalized rows.

    Attributes:
        numbers: (N, out).
        undivided: The rows (N, in), where the numbers were made of them as they are and each is still to be divided by
            its row's root mean square; else None.
        epsilon: What is added to the mean of the squares.
    """

    numbers: mx.array
    undivided: mx.array | None = None
    epsilon: float = 0.0


Attend = Callable[[int, Product], mx.array]
"""(layer, its q, k and v (N, (H + 2 KV) * D), not rotated) -> (N, H * D); keeps k and v where they belong."""


def gated(gate_up: Product) -> mx.array:
    """The products (N, F) of gates, through a sigmoid linear unit, and what they let pass, side by side (N, 2 F)."""
    gate, up = mx.split(gate_up.numbers, 2, axis=-1)
    return gate * mx.sigmoid(gate) * up


def wavelengths(sizes: TransformerConfig) -> mx.array:
    """Positions a radian (D / 2,) in float32, for `mx.fast.rope`, with llama-3 scaling where `factor` is not 1."""
    rope, head_dim = sizes.rope, sizes.head_dim
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
    made = mx.array((1.0 / radians).astype(np.float32))
    return mx.take(made, mx.arange(len(made)))  # a copy that the GPU makes lies in its own memory


@dataclass(frozen=True, slots=True)
class Transformer:
    """A Llama-style transformer: its sizes, layers, last norm and rotation."""

    sizes: TransformerConfig
    layers: tuple[LayerWeights, ...]
    norm: mx.array | None  # as of a layer: None where it is in the matrices behind it
    waves: mx.array

    def __call__(
        self, x: mx.array, attend: Attend, gate: Callable[[Product], mx.array] = gated, *, divide: bool = True
    ) -> mx.array:
        """All layers over x (N, width): N positions, of whichever rows. What follows is the last norm.

        Args:
            x: what goes in.
            attend: attention, of each layer.
            gate: the gates' unit.
            divide: whether to normalize rows before they are multiplied; else `attend` and `gate` divide the products
                where they can, which is a launch less each.
        """
        for index, layer in enumerate(self.layers):
            x = layer.out(attend(index, self.product(x, layer.input_norm, layer.qkv, divide=divide)), x)
            x = layer.down(gate(self.product(x, layer.ffn_norm, layer.gate_up, divide=divide)), x)
        return x

    def product(self, x: mx.array, norm: mx.array | None, matrix: Matrix, *, divide: bool) -> Product:
        """A norm over x (N, width) and the matrix behind it; `divide` as above."""
        if divide or norm is not None:
            return Product(matrix(mx.fast.rms_norm(x, norm, self.sizes.norm_eps)))
        return Product(matrix(x), x, self.sizes.norm_eps)

    def normed(self, x: mx.array) -> mx.array:
        """The last norm over x (N, width)."""
        return mx.fast.rms_norm(x, self.norm, self.sizes.norm_eps)

    def turned(self, qkv: mx.array, tokens: int, offset: mx.array | int) -> tuple[mx.array, mx.array, mx.array]:
        """The heads of B rows, q and k rotated: (B, H, T, D), (B, KV, T, D) and (B, KV, T, D).

        Args:
            qkv: (B * T, (H + 2 KV) * D).
            tokens: T.
            offset: the first position, of all rows or of each.
        """
        sizes = self.sizes
        heads, rotated = sizes.heads + 2 * sizes.kv_heads, sizes.heads + sizes.kv_heads
        parts = qkv.reshape(-1, tokens, heads, sizes.head_dim).transpose(0, 2, 1, 3)
        # v is rotated with q and k and not used so: cutting it off first would copy
        turned = mx.fast.rope(
            parts, sizes.head_dim, traditional=False, base=None, scale=1.0, offset=offset, freqs=self.waves
        )
        return turned[:, : sizes.heads], turned[:, sizes.heads : rotated], parts[:, rotated:]

    def attention(self, q: mx.array, k: mx.array, v: mx.array, mask: mx.array | str | None) -> mx.array:
        """What q (B, H, T, D) see of k and v (B, KV, N, D), as (B * T, H * D)."""
        seen = mx.fast.scaled_dot_product_attention(q, k, v, scale=self.sizes.head_dim**-0.5, mask=mask)
        return seen.transpose(0, 2, 1, 3).reshape(-1, self.sizes.heads * self.sizes.head_dim)


class MLXModel:
    """Sizes, weights and the tables computed from them, in one dtype on MLX's device. Holds no decoding state."""

    def __init__(self, config: MarvisConfig, weights: MLXWeights, dtype: mx.Dtype) -> None:
        self.config = config
        self.dtype = dtype
        self._text = weights.text_embeddings
        self._audio = weights.audio_embeddings
        self._projection = weights.projection
        self.heads = tuple(_aligned(head) for head in (weights.first_head, *weights.heads))
        backbone, depth = config.backbone, config.depth
        self.backbone = Transformer(backbone, weights.backbone, weights.backbone_norm, wavelengths(backbone))
        self.depth = Transformer(depth, weights.depth, weights.depth_norm, wavelengths(depth))
        self._book_offsets = mx.arange(config.codebooks) * config.audio_vocab
        # Each code's embedding as the depth decoder sees it, so that a step looks up instead of multiplying.
        self._depth_inputs = [self._projected(weights.depth_embeddings, book) for book in range(config.codebooks)]
        mx.eval(self._depth_inputs, self._book_offsets, [head.arrays for head in self.heads])
        mx.eval(self.backbone.waves, self.depth.waves)

    def _projected(self, embeddings: Table, book: int) -> mx.array:
        first = book * self.config.audio_vocab
        return self._projection(embeddings.rows(mx.arange(first, first + self.config.audio_vocab)))

    def embed_frames(self, codes: mx.array) -> mx.array:
        """Codes (..., k) of the first k codebooks -> (..., width), the sum of their embeddings."""
        return self._audio.rows(codes + self._book_offsets[: codes.shape[-1]]).sum(axis=-2)

    def embed(self, tokens: mx.array, is_audio: mx.array | None) -> mx.array:
        """A prompt's embeddings (B, T, width).

        Args:
            tokens: (B, T, K): a frame of codes, or a text token in column 0; (B, T) where all is text.
            is_audio: (B, T) bool; None where all is text.
        """
        if is_audio is None:
            return self._text.rows(tokens)
        text = self._text.rows(mx.where(is_audio, 0, tokens[..., 0]))
        audio = mx.zeros(text.shape)
        for book in range(tokens.shape[-1]):  # one at a time, so that memory does not grow with the codebooks
            places = mx.where(is_audio, tokens[..., book], 0) + book * self.config.audio_vocab
            audio = audio + self._audio.rows(places)
        return mx.where(is_audio[..., None], audio.astype(text.dtype), text)

    def depth_start(self, hidden: mx.array, told: mx.array) -> mx.array:
        """The first two inputs (2 B, depth width) of each: the backbone's hidden state (B, width), and code 0's."""
        return mx.stack([self._projection(hidden), told], axis=1).reshape(-1, told.shape[1])

    def depth_input(self, code: mx.array, codebook: int) -> mx.array:
        """A code's input to the depth decoder: (B,) -> (B, depth width)."""
        return self._depth_inputs[codebook][code]

    def depth_table(self, codebook: int) -> mx.array:
        """Those of all codes of a codebook (V, depth width)."""
        return self._depth_inputs[codebook]


def _aligned(head: Matrix) -> Matrix:
    """A head with rows of zeros after its own, up to a multiple of 8: fast products need logits so long."""
    missing = -len(head.weight) % 8 if isinstance(head, Whole) else 0
    return Whole(mx.pad(head.weight, [(0, missing), (0, 0)])) if isinstance(head, Whole) and missing else head
