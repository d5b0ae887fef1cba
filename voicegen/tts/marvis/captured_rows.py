"""Rows of streams on CUDA: the step of a few numbers of streams is captured once for each, and replayed.

It runs on a stream of its own beside the frame that is under way: what is decoded came from the host. The host never
waits in it, and takes the samples a step later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.capture import captured
from voicegen.tts.marvis.codec_step import CodecStep
from voicegen.tts.marvis.codec_streams import PendingSamples
from voicegen.tts.marvis.mimi import MimiDecoder


class CapturedRows:
    """`Rows` of a decoder that `CodecStep.is_for`."""

    lag = 1

    @torch.inference_mode()
    def __init__(self, decoder: MimiDecoder, codebooks: int, rows: int) -> None:
        self._device = decoder.device
        self._side = torch.cuda.Stream(self._device, priority=-1)
        self._side.wait_stream(torch.cuda.current_stream(self._device))
        self._sizes = [*(4**power for power in range(rows.bit_length()) if 4**power < rows), rows]
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._pool: object = None
        with torch.cuda.stream(self._side):
            self._step = CodecStep(decoder, codebooks, rows)

    @torch.inference_mode()
    def begin(self, rows: Sequence[int]) -> None:
        """Makes rows ready for new streams."""
        with torch.cuda.stream(self._side):
            self._step.begin(rows)

    @torch.inference_mode()
    def start(self, rows: Sequence[int], codes: NDArray[np.int32]) -> PendingSamples:
        """Decodes a frame (n, K) of n rows; the others stay."""
        count, size = len(rows), next(size for size in self._sizes if size >= len(rows))
        source = torch.zeros(size, 1 + codes.shape[1], dtype=torch.int32, pin_memory=True)
        array = source.numpy()
        array[:count, 0], array[:count, 1:] = rows, codes
        array[count:, 0] = self._step.rows  # the row of what is not wanted
        samples = torch.empty(count, self._step.samples.shape[1], pin_memory=True)
        with torch.cuda.stream(self._side):
            if size not in self._graphs:
                self._capture(size)
            self._step.source[:size].copy_(source, non_blocking=True)
            self._graphs[size].replay()
            samples.copy_(self._step.samples[:count], non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record(self._side)

        def wait() -> NDArray[np.float32]:
            arrived.synchronize()
            return np.asarray(samples.numpy())

        return wait

    def _capture(self, size: int) -> None:
        """Captures the step of so many streams, after one that readies kernels and moves none of them."""
        self._step.source[:size] = 0
        self._step.source[:size, 0] = self._step.rows
        self._step.launch(size)
        graph = captured(lambda: self._step.launch(size), self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[size] = graph
