"""One frame for every slot, in MLX: sample codebook 0, run the depth decoder for the others, advance the backbone.

A frame is one function of the slots' arrays, compiled on a GPU, where its launches are what it costs; the host reads a
frame while the next one is made. All slots are computed in every frame, whoever holds them: a GPU chooses its kernels
by the number of rows, so another number might round otherwise, and a frame of a few rows takes as long there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import EOS, FULL, PendingFrame
from voicegen.tts.marvis.mlx.model import MLXModel, Product
from voicegen.tts.marvis.mlx.prefill import prefill
from voicegen.tts.marvis.mlx.state import IDLE, Arrays, SlotState
from voicegen.tts.marvis.mlx.steps import Kept, Steps
from voicegen.tts.marvis.prompts import Admission

REFILL = 4
"""Frames, at most, that a free slot waits for others: of 256 slots it loses 1.5% of them, and saves most of reading."""

Frame = Callable[..., Any]


class MLXFrames:
    """A `FrameRunner` in MLX."""

    def __init__(self, model: MLXModel, steps: Steps, state: SlotState, sampling: Sampling, *, on_gpu: bool) -> None:
        """`on_gpu` has frames compiled, launched one ahead, and prompts read together."""
        self.model = model
        self.lag = 1 if on_gpu else 0
        self._steps = steps
        self._state = state
        self._sampling = sampling
        self._on_gpu = on_gpu
        self._frames: dict[Sampling, Frame] = {}

    @property
    def state(self) -> SlotState:
        """The slots."""
        return self._state

    @property
    def refill_every(self) -> int:
        """Prompts of several slots are read in no more launches than one slot's."""
        return max(1, min(REFILL, self._state.slots // 64)) if self._on_gpu else 1

    @property
    def sizes(self) -> list[int]:
        """All slots: fewer would not be made sooner."""
        return [self._state.slots]

    def use(self, sampling: Sampling) -> None:
        """Draws so from the next frame on."""
        self._sampling = sampling

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        prefill(self.model, self._state, admissions, alone=not self._on_gpu)

    def launch(self, slots: int) -> PendingFrame:
        """Starts a frame of all slots; the first `slots` of them are wanted."""
        self._state.reach(int(self._state.positions.max()) + 1)
        frame, arrays = self._frame(), self._state.taken()
        arguments = (arrays.layers, arrays.hidden, arrays.counters, arrays.seeds)
        seeds = arrays.seeds
        del arrays
        layers, hidden, counters, output = frame(*arguments)
        del arguments
        made = Arrays(layers, hidden, counters, seeds)
        self._state.put(made)
        mx.async_eval(*made.all(), output)
        self._state.positions[self._state.positions > 0] += 1
        return _Launched(self._state, output, slots)

    def _frame(self) -> Frame:
        """The function of a frame; it is traced for each number of positions that there is room for."""
        if self._sampling not in self._frames:
            function = partial(make_frame, self.model, self._steps, self._state.codebooks, self._sampling)
            self._frames[self._sampling] = mx.compile(function) if self._on_gpu else function
        return self._frames[self._sampling]


class _Launched:
    """A frame under way."""

    def __init__(self, state: SlotState, output: mx.array, slots: int) -> None:
        self._state = state
        self._output = output
        self._slots = slots
        self._holders = state.holders.copy()

    def wait(self) -> NDArray[np.int32]:
        output = np.array(self._output)
        ended = (output[:, -1] != 0) & (self._holders == self._state.holders)
        self._state.positions[ended] = 0
        return output[: self._slots]


def make_frame(
    model: MLXModel,
    steps: Steps,
    codebooks: int,
    sampling: Sampling,
    layers: list[Kept],
    hidden: mx.array,
    counters: mx.array,
    seeds: mx.array,
) -> tuple[list[Kept], mx.array, mx.array, mx.array]:
    """A frame of all slots, as a function of their arrays (`Arrays`).

    Args:
        model: What draws.
        steps: How.
        codebooks: To draw.
        sampling: With which temperature and top-k.
        layers: Keys and values.
        hidden: What the frame is drawn from.
        counters: Position, frame and limit.
        seeds: Of the takes.

    Returns:
        The first three as they are after it, and (S, codebooks + 1) int32: codes, and flags in the last column.
    """
    row = _drawn(model, steps, codebooks, sampling, hidden, counters, seeds)
    codes, broken = row[:, :-1], row[:, -1]
    layers, hidden = _advanced(model, steps, layers, codes, mx.maximum(counters[:, 0], 0))
    eos = (codes == model.config.eos_code).all(axis=1)
    full = counters[:, 1] + 1 >= counters[:, 2]
    flags = eos * EOS + full * FULL + broken
    going_on = counters + mx.array([1, 1, 0], mx.int32)
    counters = mx.where(flags[:, None] > 0, mx.array(IDLE, mx.int32), going_on)
    output = mx.where(mx.arange(codebooks + 1) == codebooks, flags[:, None], row)
    return layers, hidden, counters, output


def _drawn(
    model: MLXModel,
    steps: Steps,
    codebooks: int,
    sampling: Sampling,
    hidden: mx.array,
    counters: mx.array,
    seeds: mx.array,
) -> mx.array:
    """The codes of the slots' next frames, and BROKEN in the last column where logits were not finite."""
    slots, depth = len(hidden), model.depth
    kept = [steps.nothing(depth, slots, codebooks + 1) for _ in depth.layers]

    def attend(layer: int, qkv: Product) -> mx.array:
        tokens = len(qkv.numbers) // slots
        mixed, kept[layer] = steps.attended(depth, qkv, kept[layer], first, codebooks + 1, tokens)
        return mixed

    row = mx.zeros((slots, codebooks + 1), mx.int32)
    row, told = steps.drawn(Product(model.heads[0](hidden)), row, 0, counters, seeds, sampling)
    x, first = model.depth_start(hidden, told), 0
    for codebook in range(1, codebooks):
        deep = depth(x, attend, steps.gated, divide=not steps.divides)
        last = deep if first else mx.contiguous(deep[1::2])  # at first each slot has two positions
        logits = depth.product(last, depth.norm, model.heads[codebook], divide=not steps.divides)
        row, x = steps.drawn(logits, row, codebook, counters, seeds, sampling)
        first = codebook + 1
    return row


def _advanced(
    model: MLXModel, steps: Steps, layers: list[Kept], codes: mx.array, positions: mx.array
) -> tuple[list[Kept], mx.array]:
    """Feeds each slot's frame to the backbone: the cache, and the hidden state (S, width) of the next frame."""
    backbone, kept = model.backbone, list(layers)

    def attend(layer: int, qkv: Product) -> mx.array:
        mixed, kept[layer] = steps.attended(backbone, qkv, kept[layer], positions, kept[layer][0].shape[2])
        return mixed

    x = backbone(model.embed_frames(codes), attend, steps.gated, divide=not steps.divides)
    return kept, backbone.normed(x)
