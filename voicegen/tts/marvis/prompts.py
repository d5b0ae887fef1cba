"""Prompts before anything reads them: text tokens and frames of codes, whose slots they go to, and in which groups.

Knows nothing of scheduling, and of no library that computes. Prompts are padded at their end to a common length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

TOKENS_A_GROUP = 16_384
"""Padded positions that are read at once, which bounds the memory that prefill takes."""


class Prefix(Protocol):
    """The backbone's keys and values of a prompt that many takes begin with, as the one that read it keeps them."""

    @property
    def length(self) -> int:
        """Positions."""
        ...


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
    """Tokens, is_audio and places of a batch; rows past the group's repeat its last prompt, and write the same."""
    group = [*group, *[group[-1]] * (rows - len(group))]
    tokens, is_audio = padded([item.prompt for item in group], width)
    places = [[item.slot, len(item.prompt.tokens) - 1, item.prompt.length, 0, item.limit, *item.seed] for item in group]
    if is_audio.any():
        return tokens, is_audio, np.array(places)
    return np.ascontiguousarray(tokens[..., 0]), None, np.array(places)


def padded(prompts: Sequence[Prompt], width: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Tokens (B, width, K) and is_audio (B, width), prompts at the front."""
    tokens = np.zeros((len(prompts), width, prompts[0].tokens.shape[1]), np.int64)
    is_audio = np.zeros((len(prompts), width), np.bool_)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt.tokens)] = prompt.tokens
        is_audio[row, : len(prompt.tokens)] = prompt.is_audio
    return tokens, is_audio
