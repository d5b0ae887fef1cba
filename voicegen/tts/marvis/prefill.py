"""Reading prompts into slots: the backbone over many prompts at once, before their first frame.

What the padding at their end writes into the cache lies past the prompt, where decoding overwrites it before anything
attends to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.cache import CachedPrefix, SlotState
from voicegen.tts.marvis.model import MarvisModel, attention, causal_attention
from voicegen.tts.marvis.prompts import Admission, Prompt, grouped, host_batch, padded


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Padded prompts on a device, of B slots.

    `tokens` is (B, T, K) int64, or (B, T) where all is text and `is_audio` (B, T) is None. `places` (B, 7) int64 holds
    the slot, the index of the last position, and the slot's counters. The batch begins at position `start`.
    """

    tokens: torch.Tensor
    is_audio: torch.Tensor | None
    places: torch.Tensor
    start: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """Hidden states (S, width) and counters (S, 5) of slots, beside those that frames work on."""

    hidden: torch.Tensor
    counters: torch.Tensor


@torch.inference_mode()
def read_prefix(model: MarvisModel, prompt: Prompt) -> CachedPrefix:
    """Reads a prompt that many takes begin with, once."""
    layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def attend(_layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        layers.append((k[0].transpose(0, 1), v[0].transpose(0, 1)))
        return attention(q, k.transpose(1, 2), v.transpose(1, 2), causal_mask(q.shape[1], 0, model.device))

    tokens, is_audio = padded([prompt], len(prompt.tokens))
    embedded = model.embed(on_device(tokens, model.device), on_device(is_audio, model.device))
    positions = torch.arange(len(prompt.tokens), device=model.device)[None]
    model.backbone(embedded, positions, attend)
    keys, values = (torch.stack(tensors).contiguous() for tensors in zip(*layers, strict=True))
    return CachedPrefix(keys, values)


@torch.inference_mode()
def prefill(model: MarvisModel, state: SlotState, admissions: Sequence[Admission]) -> None:
    """Reads prompts into their slots: keys, values, the last hidden state, and the slot's counters.

    On the CPU each prompt is read alone, so that its company changes nothing (`blocks`).
    """
    for group in grouped(admissions, 1 if model.device.type == "cpu" else 1024):
        prefix = group[0].prompt.prefix
        assert prefix is None or isinstance(prefix, CachedPrefix)  # read by `read_prefix`
        room = state.context - (prefix.length if prefix else 0)
        width = min(-(-max(len(item.prompt.tokens) for item in group) // 16) * 16, room)
        tokens, is_audio, places = host_batch(group, len(group), width)
        audio = None if is_audio is None else on_device(is_audio, model.device)
        batch = PromptBatch(
            on_device(tokens, model.device),
            audio,
            on_device(places, model.device),
            prefix.length if prefix else 0,
        )
        read_batch(model, state, batch, prefix)


def read_batch(
    model: MarvisModel, state: SlotState, batch: PromptBatch, prefix: CachedPrefix | None, rows_to: Rows | None = None
) -> None:
    """Runs the backbone over a batch, without waiting for the device; hidden states and counters go to `rows_to`."""
    target = rows_to or state
    rows, width = batch.tokens.shape[:2]
    start, slots = batch.start, batch.places[:, 0]
    end = start + width
    mask = causal_mask(width, start, model.device) if prefix else None

    def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        state.keys[layer][slots, :, start:end] = k
        state.values[layer][slots, :, start:end] = v
        if prefix is None:
            return causal_attention(q, k, v)
        before = prefix.keys[layer].expand(rows, -1, -1, -1), prefix.values[layer].expand(rows, -1, -1, -1)
        state.keys[layer][slots, :, :start], state.values[layer][slots, :, :start] = before
        return attention(q, torch.cat([before[0], k], dim=2), torch.cat([before[1], v], dim=2), mask)

    positions = torch.arange(start, end, device=model.device)[None]
    hidden = model.backbone(model.embed(batch.tokens, batch.is_audio), positions, attend)
    target.hidden[slots] = hidden[torch.arange(rows, device=model.device), batch.places[:, 1]]
    target.counters[slots] = batch.places[:, 2:]


def on_device(array: NDArray[np.generic], device: torch.device) -> torch.Tensor:
    """The array on a device, without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def causal_mask(width: int, start: int, device: torch.device) -> torch.Tensor:
    """(1, 1, width, start + width) bool: each position attends to itself and all before it."""
    return torch.ones(width, start + width, dtype=torch.bool, device=device).tril(start)[None, None]
