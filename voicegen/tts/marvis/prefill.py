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
from voicegen.tts.marvis.model import MarvisModel, attention, causal_attention

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
def read_prefix(model: MarvisModel, prompt: Prompt) -> Prefix:
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
    return Prefix(keys, values)


@torch.inference_mode()
def prefill(model: MarvisModel, state: SlotState, admissions: Sequence[Admission]) -> None:
    """Reads prompts into their slots: keys, values, the last hidden state, and the slot's counters.

    On the CPU each prompt is read alone, so that its company changes nothing (`blocks`).
    """
    for group in grouped(admissions, 1 if model.device.type == "cpu" else 1024):
        prefix = group[0].prompt.prefix
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


def grouped(admissions: Sequence[Admission], rows: int) -> Iterator[list[Admission]]:
    """Groups of prompts with the same prefix and nearly the same length, of bounded size."""
    order = sorted(admissions, key=lambda item: (id(item.prompt.prefix), len(item.prompt.tokens)))
    group: list[Admission] = []
    for item in order:
        other_prefix = bool(group) and group[0].prompt.prefix is not item.prompt.prefix
        too_many = len(group) >= rows or len(item.prompt.tokens) * (len(group) + 1) > TOKENS_A_GROUP
        if group and (other_prefix or too_many):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def host_batch(
    group: Sequence[Admission], rows: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None, NDArray[np.int64]]:
    """The arrays of a `PromptBatch`; rows past the group's repeat its last prompt, and so write what it writes."""
    group = [*group, *[group[-1]] * (rows - len(group))]
    tokens, is_audio = padded([item.prompt for item in group], width)
    places = [[item.slot, len(item.prompt.tokens) - 1, item.prompt.length, 0, item.limit, *item.seed] for item in group]
    if is_audio.any():
        return tokens, is_audio, np.array(places)
    return np.ascontiguousarray(tokens[..., 0]), None, np.array(places)


def read_batch(
    model: MarvisModel, state: SlotState, batch: PromptBatch, prefix: Prefix | None, rows_to: Rows | None = None
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


def padded(prompts: Sequence[Prompt], width: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Tokens (B, width, K) and is_audio (B, width), prompts at the front."""
    tokens = np.zeros((len(prompts), width, prompts[0].tokens.shape[1]), np.int64)
    is_audio = np.zeros((len(prompts), width), np.bool_)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt.tokens)] = prompt.tokens
        is_audio[row, : len(prompt.tokens)] = prompt.is_audio
    return tokens, is_audio


def on_device(array: NDArray[np.generic], device: torch.device) -> torch.Tensor:
    """The array on a device, without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def causal_mask(width: int, start: int, device: torch.device) -> torch.Tensor:
    """(1, 1, width, start + width) bool: each position attends to itself and all before it."""
    return torch.ones(width, start + width, dtype=torch.bool, device=device).tril(start)[None, None]
