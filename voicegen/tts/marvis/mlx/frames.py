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
from voicegen.tts.marvis.frame_runner import BROKEN, EOS, FULL, PendingFrame
from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.prefill import prefill
from voicegen.tts.marvis.mlx.sampler import sample
from voicegen.tts.marvis.mlx.state import IDLE, Arrays, SlotState
from voicegen.tts.marvis.prompts import Admission

SPAN = 512
"""On a GPU, attention reads so many positions of the cache, or a multiple that reaches as far as the longest take."""

Frame = Callable[..., Any]


class MLXFrames:
    """A `FrameRunner` in MLX."""

    def __init__(self, model: MLXModel, state: SlotState, sampling: Sampling, *, on_gpu: bool) -> None:
        """`on_gpu` has frames compiled, launched one ahead, and attention read no more of the cache than it needs."""
        self.model = model
        self.lag = 1 if on_gpu else 0
        self._state = state
        self._sampling = sampling
        self._on_gpu = on_gpu
        self._frames: dict[tuple[Sampling, int], Frame] = {}

    @property
    def state(self) -> SlotState:
        """The slots."""
        return self._state

    def use(self, sampling: Sampling) -> None:
        """Draws so from the next frame on."""
        self._sampling = sampling

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        prefill(self.model, self._state, admissions, alone=not self._on_gpu)

    def launch(self, slots: int) -> PendingFrame:
        """Starts a frame of all slots; the first `slots` of them are wanted."""
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
        longest = int(self._state.positions.max()) + 1
        context = self._state.context
        # On the CPU the whole cache is read, so that no other take's length changes the order of the sums.
        span = min(-(-longest // SPAN) * SPAN, context) if self._on_gpu else context
        key = self._sampling, span
        if key not in self._frames:
            function = partial(make_frame, self.model, self._state.codebooks, span, self._sampling)
            self._frames[key] = mx.compile(function) if self._on_gpu else function
        return self._frames[key]


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
    codebooks: int,
    span: int,
    sampling: Sampling,
    layers: list[tuple[mx.array, mx.array]],
    hidden: mx.array,
    counters: mx.array,
    seeds: mx.array,
) -> tuple[list[tuple[mx.array, mx.array]], mx.array, mx.array, mx.array]:
    """A frame of all slots, as a function of their arrays (`Arrays`).

    Args:
        model: What draws.
        codebooks: To draw.
        span: Positions of the cache that attention reads.
        sampling: How to draw.
        layers: Keys and values.
        hidden: What the frame is drawn from.
        counters: Position, frame and limit.
        seeds: Of the takes.

    Returns:
        The first three as they are after it, and (S, codebooks + 1) int32: codes, and flags in the last column.
    """
    codes, finite = _drawn(model, codebooks, sampling, hidden, counters[:, 1].astype(mx.uint32), seeds)
    layers, hidden = _advanced(model, span, layers, codes, mx.maximum(counters[:, 0], 0))
    eos = (codes == model.config.eos_code).all(axis=1)
    full = counters[:, 1] + 1 >= counters[:, 2]
    flags = eos * EOS + full * FULL + mx.logical_not(finite) * BROKEN
    going_on = counters + mx.array([1, 1, 0], mx.int32)
    counters = mx.where(flags[:, None] > 0, mx.array(IDLE, mx.int32), going_on)
    output = mx.concatenate([codes, flags[:, None].astype(mx.int32)], axis=1)
    return layers, hidden, counters, output


def _drawn(
    model: MLXModel, codebooks: int, sampling: Sampling, hidden: mx.array, frames: mx.array, seeds: mx.array
) -> tuple[mx.array, mx.array]:
    """The codes (S, codebooks) of the slots' next frames, and whether all logits were finite (S,)."""
    sizes = model.config.depth
    shape = (len(hidden), sizes.kv_heads, codebooks, sizes.head_dim)
    cache = [(mx.zeros(shape, model.dtype), mx.zeros(shape, model.dtype)) for _ in range(sizes.layers)]

    def attend(layer: int, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        keys, values = cache[layer]
        keys[:, :, first:end] = k
        values[:, :, first:end] = v
        mask = "causal" if end - first > 1 else None
        kept = keys[:, :, :end], values[:, :, :end]
        return mx.fast.scaled_dot_product_attention(q, *kept, scale=sizes.head_dim**-0.5, mask=mask)

    code, finite = sample(model.first_head(hidden), seeds, frames, 0, sampling)
    codes, x, first, end = [code], model.depth_start(hidden, code), 0, 2
    for codebook in range(1, codebooks):
        logits = model.heads[codebook - 1](model.depth(x, first, attend)[:, -1])
        code, fine = sample(logits, seeds, frames, codebook, sampling)
        codes.append(code)
        finite = mx.logical_and(finite, fine)
        x, first, end = model.depth_input(code, codebook), codebook + 1, codebook + 2
    return mx.stack(codes, axis=1), finite


def _advanced(
    model: MLXModel, span: int, layers: list[tuple[mx.array, mx.array]], codes: mx.array, positions: mx.array
) -> tuple[list[tuple[mx.array, mx.array]], mx.array]:
    """Feeds each slot's frame to the backbone: the cache, and the hidden state (S, width) of the next frame."""
    place = positions[:, None, None, None]
    mask = mx.arange(span)[None, None, None] <= place
    advanced: list[tuple[mx.array, mx.array]] = []

    def attend(layer: int, q: mx.array, k: mx.array, v: mx.array) -> mx.array:
        keys = mx.put_along_axis(layers[layer][0], place, k, axis=2)
        values = mx.put_along_axis(layers[layer][1], place, v, axis=2)
        advanced.append((keys, values))
        kept = keys[:, :, :span], values[:, :, :span]
        return mx.fast.scaled_dot_product_attention(q, *kept, scale=q.shape[-1] ** -0.5, mask=mask)

    hidden = model.backbone(model.embed_frames(codes)[:, None], positions, attend)[:, 0]
    return advanced, hidden
