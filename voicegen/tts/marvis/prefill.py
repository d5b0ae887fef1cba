"""Reading prompts into slots: the backbone over many prompts at once, before their first frame.

Knows nothing of scheduling. Prompts are padded at their end to a common length; what padding writes into the cache lies
past the prompt, where decoding overwrites it before anything attends to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.cache import Prefix, SlotState
from voicegen.tts.marvis.model import MarvisModel, attention

TOKENS_A_GROUP = 16_384
"""Padded positions that are read at once, which bounds the memory that prefill takes."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a take begins with: text tokens and frames of codes in one sequence of T positions.

    `tokens` (T, K) int64 holds a frame, or a text token in column 0; `is_audio` (T,) says which. Positions that many
    takes share come first, in `prefix`, and are not repeated in `tokens`.
    """

    tokens: NDArray[np.int64]
    is_audio: NDArray[np.bool_]
    prefix: Prefix | None = None

    @property
    def length(self) -> int:
        """Positions, the shared ones included."""
        return len(self.tokens) + (self.prefix.length if self.prefix else 0)

    @staticmethod
    def text(ids: Sequence[int], codebooks: int) -> Prompt:
        """A prompt of text tokens."""
        tokens = np.zeros((len(ids), codebooks), np.int64)
        tokens[:, 0] = ids
        return Prompt(tokens, np.zeros(len(ids), np.bool_))

    @staticmethod
    def audio(codes: NDArray[np.int64]) -> Prompt:
        """A prompt of codec frames, from codes (K, T)."""
        return Prompt(np.ascontiguousarray(codes.T), np.ones(codes.shape[1], np.bool_))

    def __add__(self, other: Prompt) -> Prompt:
        """This prompt with another one after it."""
        tokens = np.concatenate([self.tokens, other.tokens])
        return Prompt(tokens, np.concatenate([self.is_audio, other.is_audio]), self.prefix)


@dataclass(frozen=True, slots=True)
class Admission:
    """A prompt and the slot it goes to, with its limit in frames and the two words of its seed."""

    slot: int
    prompt: Prompt
    limit: int
    seed: tuple[int, int]


@torch.inference_mode()
def read_prefix(model: MarvisModel, prompt: Prompt) -> Prefix:
    """Reads a prompt that many takes begin with, once."""
    layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def attend(_layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        layers.append((k[0].transpose(0, 1), v[0].transpose(0, 1)))
        return attention(q, k.transpose(1, 2), v.transpose(1, 2), _causal_mask(model, q.shape[1], 0))

    tokens, is_audio = _padded(model, [prompt], len(prompt.tokens))
    model.backbone(model.embed(tokens, is_audio), _positions(model, len(prompt.tokens), 0), attend)
    keys, values = (torch.stack(tensors).contiguous() for tensors in zip(*layers, strict=True))
    return Prefix(keys, values)


@torch.inference_mode()
def prefill(model: MarvisModel, state: SlotState, admissions: Sequence[Admission]) -> None:
    """Reads prompts into their slots: keys, values, the last hidden state, and the slot's counters."""
    for group in grouped(admissions):
        _prefill_group(model, state, group)


def grouped(admissions: Sequence[Admission]) -> Iterator[list[Admission]]:
    """Groups of prompts with the same prefix and nearly the same length, of bounded size."""
    order = sorted(admissions, key=lambda item: (id(item.prompt.prefix), len(item.prompt.tokens)))
    group: list[Admission] = []
    for item in order:
        other_prefix = bool(group) and group[0].prompt.prefix is not item.prompt.prefix
        if group and (other_prefix or len(item.prompt.tokens) * (len(group) + 1) > TOKENS_A_GROUP):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _prefill_group(model: MarvisModel, state: SlotState, group: list[Admission]) -> None:
    prefix = group[0].prompt.prefix
    start = prefix.length if prefix else 0
    lengths = [len(item.prompt.tokens) for item in group]
    width = min(-(-max(lengths) // 16) * 16, state.context - start)
    slots = _to_device(model, np.array([item.slot for item in group]))
    rows = _to_device(model, np.array([[item.prompt.length, 0, item.limit, *item.seed] for item in group]))
    mask = _causal_mask(model, width, start)

    def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        k, v = k.transpose(1, 2), v.transpose(1, 2)
        state.keys[layer, slots, :, start : start + width] = k
        state.values[layer, slots, :, start : start + width] = v
        if prefix:
            state.keys[layer, slots, :, :start] = prefix.keys[layer]
            state.values[layer, slots, :, :start] = prefix.values[layer]
            k = torch.cat([prefix.keys[layer].expand(len(group), -1, -1, -1), k], dim=2)
            v = torch.cat([prefix.values[layer].expand(len(group), -1, -1, -1), v], dim=2)
        return attention(q, k, v, mask)

    tokens, is_audio = _padded(model, [item.prompt for item in group], width)
    hidden = model.backbone(model.embed(tokens, is_audio), _positions(model, width, start), attend)
    last = _to_device(model, np.array(lengths) - 1)
    state.hidden[slots] = hidden[torch.arange(len(group), device=model.device), last]
    state.counters[slots] = rows


def _padded(model: MarvisModel, prompts: Sequence[Prompt], width: int) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = np.zeros((len(prompts), width, model.config.codebooks), np.int64)
    is_audio = np.zeros((len(prompts), width), np.bool_)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt.tokens)] = prompt.tokens
        is_audio[row, : len(prompt.tokens)] = prompt.is_audio
    return _to_device(model, tokens), _to_device(model, is_audio)


def _to_device(model: MarvisModel, array: NDArray[np.generic]) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if model.device.type != "cuda":
        return tensor.to(model.device)
    return tensor.pin_memory().to(model.device, non_blocking=True)


def _positions(model: MarvisModel, width: int, start: int) -> torch.Tensor:
    return torch.arange(start, start + width, device=model.device)[None]


def _causal_mask(model: MarvisModel, width: int, start: int) -> torch.Tensor:
    """(1, 1, width, start + width) bool: each position attends to itself and all before it."""
    mask = torch.ones(width, start + width, dtype=torch.bool, device=model.device).tril(start)
    return mask[None, None]
