"""Reading prompts into slots, in MLX: the backbone over many prompts at once, before their first frame."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.state import CachedPrefix, SlotState
from voicegen.tts.marvis.prompts import Admission, Prompt, grouped, host_batch, padded


def read_prefix(model: MLXModel, prompt: Prompt) -> CachedPrefix:
    """Reads a prompt that many takes begin with, once."""
    layers: list[tuple[mx.array, mx.array]] = []

    def attend(_layer: int, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        layers.append((k, mx.contiguous(v)))
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, mask="causal")

    tokens, is_audio = padded([prompt], len(prompt.tokens))
    model.backbone(model.embed(mx.array(tokens.astype(np.int32)), mx.array(is_audio)), 0, attend)
    mx.eval(layers)
    return CachedPrefix(tuple(layers))


def prefill(model: MLXModel, state: SlotState, admissions: Sequence[Admission], *, alone: bool) -> None:
    """Reads prompts into their slots: keys, values, the last hidden state, and the slot's counters.

    Args:
        model: Whose prompts they are.
        state: Where their slots are.
        admissions: The prompts.
        alone: Whether each is read alone, so that its company changes nothing.
    """
    for group in grouped(admissions, 1 if alone else 1024):
        _read(model, state, group)
    for item in admissions:
        state.positions[item.slot] = item.prompt.length
        state.holders[item.slot] += 1


def _read(model: MLXModel, state: SlotState, group: Sequence[Admission]) -> None:
    prefix = group[0].prompt.prefix
    assert prefix is None or isinstance(prefix, CachedPrefix)  # read by `read_prefix`
    start = prefix.length if prefix else 0
    width = min(-(-max(len(item.prompt.tokens) for item in group) // 16) * 16, state.context - start)
    tokens, is_audio, places = host_batch(group, len(group), width)
    slots, rows, end = mx.array(places[:, 0].astype(np.int32)), len(group), start + width
    arrays = state.taken()

    def attend(layer: int, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        keys, values = arrays.layers[layer]
        if prefix is not None:
            before = [mx.broadcast_to(kept, (rows, *kept.shape[1:])) for kept in prefix.layers[layer]]
            k, v = mx.concatenate([before[0], k], axis=2), mx.concatenate([before[1], v], axis=2)
        keys[slots, :, :end] = k
        values[slots, :, :end] = v
        return mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, mask="causal")

    audio = None if is_audio is None else mx.array(is_audio)
    hidden = model.backbone(model.embed(mx.array(tokens.astype(np.int32)), audio), start, attend)
    arrays.hidden[slots] = hidden[mx.arange(rows), mx.array(places[:, 1].astype(np.int32))]
    arrays.counters[slots] = mx.array(places[:, 2:5].astype(np.int32))
    arrays.seeds[slots] = mx.array(places[:, 5:].astype(np.uint32))
    state.put(arrays)
    mx.async_eval(arrays.all())
