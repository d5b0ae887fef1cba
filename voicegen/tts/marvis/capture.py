"""Frames on CUDA: each batch size's frame is captured once as a CUDA graph and replayed; the host never waits in it.

A frame's codes and flags are copied to pinned memory behind it and read one frame later, while the next one runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import rungs
from voicegen.tts.marvis.fused import FusedFrame
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import PromptBatch, Rows, on_device, prefill, read_batch
from voicegen.tts.marvis.prompts import Admission, grouped, host_batch


class CopiedFrame:
    """A frame whose results are on their way to the host."""

    def __init__(self, host: torch.Tensor, arrived: torch.cuda.Event) -> None:
        self._host = host
        self._arrived = arrived

    def wait(self) -> NDArray[np.int32]:
        """(n, codebooks + 1) codes and flags."""
        self._arrived.synchronize()
        return self._host.numpy().copy()


class CapturedPrefill:
    """Prefill captured for a few shapes of batch, and replayed beside the frame that the device is working on.

    That frame leaves the cache of idle slots alone, so keys and values go where they belong; hidden states and counters
    wait in `Rows` until it has ended. Prompts with a shared prefix, and batches over the largest shape, are read
    without a graph, between frames.
    """

    ROWS = (4, 16, 64)
    WIDTHS = (32, 64, 96, 128, 192, 256)
    CAPTURED_AT = 3
    """The time that a shape comes at which it is captured; before that it is read as it is."""

    def __init__(self, model: MarvisModel, state: SlotState) -> None:
        self._model = model
        self._state = state
        self._side = torch.cuda.Stream(model.device, priority=-1)
        self._rows = Rows(torch.zeros_like(state.hidden), torch.zeros_like(state.counters))
        self._graphs: dict[tuple[int, int, bool], tuple[PromptBatch, torch.cuda.CUDAGraph]] = {}
        self._seen: dict[tuple[int, int, bool], int] = {}
        self._pool: object = None

    @torch.inference_mode()
    def __call__(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        for group in grouped(admissions, self.ROWS[-1]):
            width = max(len(item.prompt.tokens) for item in group)
            if group[0].prompt.prefix or width > min(self.WIDTHS[-1], self._state.context):
                prefill(self._model, self._state, group)
            else:
                self._read(group, width)

    def _read(self, group: Sequence[Admission], width: int) -> None:
        rows = next(rows for rows in self.ROWS if rows >= len(group))
        width = min(next(wide for wide in self.WIDTHS if wide >= width), self._state.context)
        tokens, is_audio, places = host_batch(group, rows, width)
        shape = (rows, width, is_audio is not None)
        self._seen[shape] = self._seen.get(shape, 0) + 1
        if self._seen[shape] < self.CAPTURED_AT:
            prefill(self._model, self._state, group)
            return
        if shape not in self._graphs:
            self._capture(shape)
        batch, graph = self._graphs[shape]
        frames = torch.cuda.current_stream()
        if self._state.touched:
            self._side.wait_stream(frames)
            self._state.touched = False
        with torch.cuda.stream(self._side):
            batch.tokens.copy_(torch.from_numpy(tokens).pin_memory(), non_blocking=True)
            batch.places.copy_(torch.from_numpy(places).pin_memory(), non_blocking=True)
            if batch.is_audio is not None:
                batch.is_audio.copy_(torch.from_numpy(is_audio).pin_memory(), non_blocking=True)
            graph.replay()
        frames.wait_stream(self._side)
        slots = on_device(np.array([item.slot for item in group]), self._model.device)
        self._state.hidden[slots] = self._rows.hidden[slots]
        self._state.counters[slots] = self._rows.counters[slots]

    def _capture(self, shape: tuple[int, int, bool]) -> None:
        """Captures a shape; like shapes have run before."""
        rows, width, audio = shape
        device, books = self._model.device, self._model.config.codebooks
        tokens = torch.zeros((rows, width, books) if audio else (rows, width), dtype=torch.int64, device=device)
        is_audio = torch.zeros(rows, width, dtype=torch.bool, device=device) if audio else None
        batch = PromptBatch(tokens, is_audio, torch.zeros(rows, 7, dtype=torch.int64, device=device))
        graph = captured(lambda: read_batch(self._model, self._state, batch, None, self._rows), self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[shape] = batch, graph


def captured(run: Callable[[], None], pool: object) -> torch.cuda.CUDAGraph:
    """A graph of `run`, which must have run before, so that kernels are compiled and libraries have their memory.

    `torch.cuda.graph` would also collect garbage and empty the allocator's cache each time, under the codec's feet.
    """
    graph, side, current = torch.cuda.CUDAGraph(), torch.cuda.Stream(), torch.cuda.current_stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            run()
        finally:
            graph.capture_end()
    current.wait_stream(side)
    return graph


class CapturedFrames:
    """The fast `FrameRunner`, for CUDA."""

    lag = 1
    refill_every = 1

    def __init__(self, model: MarvisModel, state: SlotState, sampling: Sampling) -> None:
        self.model = model
        self.state = state
        self._frame = FusedFrame(model, state)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._pool: object = None
        ring = torch.zeros(self.lag + 2, *state.output.shape, dtype=torch.int32).pin_memory()
        self._ring = [(part, torch.cuda.Event()) for part in ring]
        self._launched = 0
        self._prefill = CapturedPrefill(model, state)
        self.use(sampling)

    @property
    def sizes(self) -> list[int]:
        """Powers of two, and all slots."""
        return rungs(self.state.slots)

    def use(self, sampling: Sampling) -> None:
        """Draws so from the next frame on; the graphs read it from the device."""
        top_k = sampling.top_k if sampling.top_k > 0 else self.model.config.audio_vocab
        self._frame.controls.copy_(torch.tensor([max(sampling.temperature, 0.0), float(top_k)]))

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        self._prefill(admissions)

    @torch.inference_mode()
    def launch(self, slots: int) -> CopiedFrame:
        """Starts a frame of the first `slots` slots."""
        if slots not in self._graphs:
            self._capture(slots)
        self._graphs[slots].replay()
        part, arrived = self._ring[self._launched % len(self._ring)]
        self._launched += 1
        host = part[:slots]
        host.copy_(self.state.output[:slots], non_blocking=True)
        arrived.record()
        return CopiedFrame(host, arrived)

    def _capture(self, slots: int) -> None:
        """Captures the frame of a batch size, after a run of it that compiles kernels and leaves no trace.

        What the trial run writes into the cache lies at each slot's next position, where its next frame writes first.
        """
        changed = (self.state.hidden, self.state.counters)
        kept = [tensor.clone() for tensor in changed]
        self._frame.launch(slots)
        for tensor, before in zip(changed, kept, strict=True):
            tensor.copy_(before)
        graph = captured(lambda: self._frame.launch(slots), self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[slots] = graph
