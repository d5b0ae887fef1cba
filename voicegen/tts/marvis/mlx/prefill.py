"""Reading prompts into slots, in MLX: the backbone over many prompts at once, before their first frame."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import numpy as np

from voicegen.tts.marvis.mlx.model import Attend, MLXModel, Product
from voicegen.tts.marvis.mlx.state import CachedPrefix, SlotState
from voicegen.tts.marvis.prompts import Admission, Prompt, grouped, host_batch, padded


def read_prefix(model: MLXModel, prompt: Prompt) -> CachedPrefix:
    """Reads a prompt that many takes begin with, once."""
    layers: list[tuple[mx.array, mx.array]] = []

    def attend(_layer: int, qkv: Product) -> mx.array:
        q, k, v = model.backbone.turned(qkv.numbers, len(tokens[0]), 0)
        layers.append((k, mx.contiguous(v)))
        return model.backbone.attention(q, k, v, "causal")

    tokens, is_audio = padded([prompt], len(prompt.tokens))
    _positions(model, model.embed(mx.array(tokens.astype(np.int32)), mx.array(is_audio)), attend)
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
        _read(model, state, group, alone=alone)
    for item in admissions:
        state.positions[item.slot] = item.prompt.length
        state.holders[item.slot] += 1


def shape_of(rows: int, width: int) -> tuple[int, int]:
    """The shape that a GPU reads prompts in: powers of two, since each new shape costs it memory and preparations."""
    return 1 << (rows - 1).bit_length(), max(16, 1 << (width - 1).bit_length())


def _read(model: MLXModel, state: SlotState, group: Sequence[Admission], *, alone: bool) -> None:
    prefix = group[0].prompt.prefix
    assert prefix is None or isinstance(prefix, CachedPrefix)  # read by `read_prefix`
    start = prefix.length if prefix else 0
    rows, width = len(group), max(len(item.prompt.tokens) for item in group)
    rows, width = (rows, -(-width // 16) * 16) if alone else shape_of(rows, width)
    end = min(start + width, state.context)
    tokens, is_audio, places = host_batch(group, rows, end - start)
    slots = mx.array(places[:, 0].astype(np.int32))
    state.reach(end)
    arrays = state.taken()

    def attend(layer: int, qkv: Product) -> mx.array:
        q, k, v = model.backbone.turned(qkv.numbers, end - start, start)
        keys, values = arrays.layers[layer]
        if prefix is not None:
            before = [mx.broadcast_to(kept, (rows, *kept.shape[1:])) for kept in prefix.layers[layer]]
            k, v = mx.concatenate([before[0], k], axis=2), mx.concatenate([before[1], v], axis=2)
        keys[slots, :, :end] = k
        values[slots, :, :end] = v
        return model.backbone.attention(q, k, v, "causal")

    audio = None if is_audio is None else mx.array(is_audio)
    hidden = _positions(model, model.embed(mx.array(tokens.astype(np.int32)), audio), attend)
    arrays.hidden[slots] = hidden[mx.arange(rows), mx.array(places[:, 1].astype(np.int32))]
    arrays.counters[slots] = mx.array(places[:, 2:5].astype(np.int32))
    arrays.seeds[slots] = mx.array(places[:, 5:].astype(np.uint32))
    state.put(arrays)
    mx.async_eval(arrays.all())


def _positions(model: MLXModel, x: mx.array, attend: Attend) -> mx.array:
    """The backbone over the positions (B, T, width) of prompts."""
    return model.backbone.normed(model.backbone(x.reshape(-1, x.shape[2]), attend)).reshape(x.shape)
