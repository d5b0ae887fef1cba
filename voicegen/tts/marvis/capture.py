"""Frames on CUDA: each batch size's frame is captured once as a CUDA graph and replayed; the host never waits in it.

A frame's codes and flags are copied to pinned memory behind it and read one frame later, while the next one runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.fused import FusedFrame
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import Admission, prefill
from voicegen.tts.marvis.sampler import Sampling


class CopiedFrame:
    """A frame whose results are on their way to the host."""

    def __init__(self, host: torch.Tensor, arrived: torch.cuda.Event) -> None:
        self._host = host
        self._arrived = arrived

    def wait(self) -> NDArray[np.int32]:
        """(n, codebooks + 1) codes and flags."""
        self._arrived.synchronize()
        return self._host.numpy().copy()


class CapturedFrames:
    """The fast `FrameRunner`, for CUDA."""

    lag = 1

    def __init__(self, model: MarvisModel, state: SlotState, sampling: Sampling) -> None:
        self.model = model
        self.state = state
        self._frame = FusedFrame(model, state)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._pool: object = None
        ring = torch.zeros(self.lag + 2, *state.output.shape, dtype=torch.int32).pin_memory()
        self._ring = [(part, torch.cuda.Event()) for part in ring]
        self._launched = 0
        self.use(sampling)

    def use(self, sampling: Sampling) -> None:
        """Samples so from the next frame on; the graphs read it from the device."""
        top_k = sampling.top_k if sampling.top_k > 0 else self.model.config.audio_vocab
        self._frame.controls.copy_(torch.tensor([max(sampling.temperature, 0.0), float(top_k)]))

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        prefill(self.model, self.state, admissions)

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
        kept = [tensor.clone() for tensor in (self.state.hidden, self.state.counters)]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._frame.launch(slots)
        torch.cuda.current_stream().wait_stream(side)
        self.state.hidden.copy_(kept[0])
        self.state.counters.copy_(kept[1])
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            self._frame.launch(slots)
        self._pool = self._pool or graph.pool()
        self._graphs[slots] = graph
