"""A Llama's forward pass as a CPU likes it.

On a CPU, MLX computes exponentials one by one, some twenty times slower than numpy's vectorized ones, and they are half
of a small model's step: the gates of the feed-forward layers and the softmax of attention. Here these two go through
numpy, rotary angles are computed once a step and not once a layer, projections of the same input are one product, and
the query heads of a key head are one product too. Results differ from mlx-lm's in rounding alone.

Everything else, the caches too, is mlx-lm's, so that this model takes the place of its own.
"""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.models import llama
from mlx_lm.models.base import create_attention_mask
from mlx_lm.models.cache import KVCache
from numpy.typing import NDArray

from voicegen.mlx_device import backend

Floats = NDArray[np.float32]


def accelerate(model: nn.Module) -> nn.Module:
    """The model in the fastest form that there is for the device in use; itself where that is mlx-lm's own."""
    return CpuLlama(model) if backend() == "cpu" and _is_plain_llama(model) else model


def _is_plain_llama(model: nn.Module) -> bool:
    if type(model) is not llama.Model:
        return False
    first = model.layers[0].self_attn
    return (
        model.model.swa_idx is None
        and type(first.rope) is nn.RoPE
        and not first.rope.traditional
        and all(
            type(layer.self_attn.q_proj) is nn.Linear and type(layer.mlp.up_proj) is nn.Linear for layer in model.layers
        )
        and "bias" not in first.q_proj
        and "bias" not in model.layers[0].mlp.up_proj
        and first.q_proj.weight.dtype == mx.float32
    )


class CpuLlama(nn.Module):
    """A float32 Llama without biases; `(tokens (B, L), caches) -> logits (B, L, V)` as mlx-lm's models."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._head = model.model.embed_tokens.weight if model.args.tie_word_embeddings else model.lm_head.weight
        self._embedding = model.model.embed_tokens
        self._norm = model.model.norm
        self._blocks = [_Block(layer) for layer in model.layers]
        rope = model.layers[0].self_attn.rope
        self._inverse_frequencies = rope.scale * rope.base ** (
            -np.arange(0, rope.dims, 2, dtype=np.float64) / rope.dims
        )

    def make_cache(self) -> list[KVCache]:
        """An empty cache for each layer."""
        return [KVCache() for _ in self._blocks]

    def __call__(self, inputs: mx.array, cache: list[Any] | None = None) -> mx.array:
        """Logits (B, L, V); lazily, so that a prefill does not compute them."""
        caches = cache if cache is not None else self.make_cache()
        hidden = self._embedding(inputs)  # (B, L, D)
        mask = _mask(create_attention_mask(hidden, caches[0], return_array=True))
        cosine, sine = self._angles(caches[0].offset, inputs.shape[1])
        for block, layer_cache in zip(self._blocks, caches, strict=True):
            hidden = block(hidden, cosine, sine, mask, layer_cache)
        return self._norm(hidden) @ self._head.T

    def _angles(self, offset: int | mx.array, length: int) -> tuple[mx.array, mx.array]:
        """Cosines and sines of the rotary angles, (B or 1, 1, L, dims / 2)."""
        start = np.atleast_1d(np.array(offset, dtype=np.float64))
        positions = start[:, None] + np.arange(length)
        angles = positions[:, None, :, None] * self._inverse_frequencies
        return mx.array(np.cos(angles).astype(np.float32)), mx.array(np.sin(angles).astype(np.float32))


class _Block:
    """One layer: attention, then the gated feed-forward part."""

    def __init__(self, layer: nn.Module) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._heads, self._kv_heads, self._size = attention.n_heads, attention.n_kv_heads, attention.head_dim
        self._attention_norm, self._mlp_norm = layer.input_layernorm, layer.post_attention_layernorm
        query = attention.q_proj.weight * attention.scale
        self._qkv = transposed(mx.concatenate([query, attention.k_proj.weight, attention.v_proj.weight]))
        self._output = transposed(attention.o_proj.weight)
        self._gate, self._up = transposed(mlp.gate_proj.weight), transposed(mlp.up_proj.weight)
        self._down = transposed(mlp.down_proj.weight)

    def __call__(self, x: mx.array, cosine: mx.array, sine: mx.array, mask: Floats | None, cache: Any) -> mx.array:
        x = x + self._attend(self._attention_norm(x), cosine, sine, mask, cache) @ self._output
        normed = self._mlp_norm(x)
        return x + gated(normed @ self._gate, normed @ self._up) @ self._down

    def _attend(self, x: mx.array, cosine: mx.array, sine: mx.array, mask: Floats | None, cache: Any) -> mx.array:
        """Attention before its output projection, (B, L, D)."""
        batch, length, _ = x.shape
        qkv = (x @ self._qkv).reshape(batch, length, -1, self._size).transpose(0, 2, 1, 3)  # (B, H + 2 Hkv, L, S)
        rotated = self._heads + self._kv_heads
        turned = rotate(qkv[:, :rotated], cosine, sine)
        keys, values = cache.update_and_fetch(turned[:, self._heads :], qkv[:, rotated:])  # (B, Hkv, T, S)
        query = turned[:, : self._heads].reshape(batch, self._kv_heads, -1, self._size)  # (B, Hkv, G L, S)
        weights = softmax(query @ keys.swapaxes(-1, -2), mask, length)
        mixed = (weights @ values).reshape(batch, self._heads, length, self._size)
        return mixed.transpose(0, 2, 1, 3).reshape(batch, length, -1)


def transposed(weight: mx.array) -> mx.array:
    """A projection (out, in) as it lies in memory for `x @ W`: (in, out), a quarter faster for a batch of 64."""
    weight = mx.contiguous(weight.T)
    mx.eval(weight)
    return weight


def rotate(x: mx.array, cosine: mx.array, sine: mx.array) -> mx.array:
    """Rotary embedding of (B, H, L, S) by halves (Su et al. 2021, in the layout of Hugging Face)."""
    left, right = mx.split(x, 2, axis=-1)
    return mx.concatenate([left * cosine - right * sine, right * cosine + left * sine], axis=-1)


def gated(gate: mx.array, up: mx.array) -> mx.array:
    """SwiGLU: `gate * sigmoid(gate) * up` (Shazeer 2020)."""
    mx.eval(gate, up)
    values = np.array(gate, copy=False)
    out = np.negative(values)
    with np.errstate(over="ignore"):
        np.exp(out, out=out)
    out += 1
    np.divide(values, out, out=out)
    out *= np.array(up, copy=False)
    return mx.array(out)


def softmax(scores: mx.array, mask: Floats | None, length: int) -> mx.array:
    """Softmax over the last axis of (B, Hkv, G L, T), after adding `mask` (B or 1, 1, 1, L, T)."""
    mx.eval(scores)
    values = np.array(scores, copy=False)
    if mask is None:
        out = values - values.max(axis=-1, keepdims=True)
    else:
        grouped = values.reshape(*values.shape[:2], -1, length, values.shape[-1])
        out = (grouped + mask).reshape(values.shape)
        out -= out.max(axis=-1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)
    return mx.array(out)


def _mask(allowed: mx.array | None) -> Floats | None:
    """A boolean mask ((B, 1,) L, T) as numbers to add, (B or 1, 1, 1, L, T); None if it allows everything."""
    if allowed is None:
        return None
    values = np.array(allowed)
    if values.all():
        return None
    numbers = np.where(values, np.float32(0), np.float32(-1e9))
    return numbers.reshape(-1, 1, 1, *numbers.shape[-2:])
