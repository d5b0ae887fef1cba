"""Rows of streams on CUDA: a step of a few numbers of rows is captured once for each, and replayed.

It runs on a stream of its own beside the frame that is under way: what is decoded came from the host. The host never
waits in it, and takes the samples when it likes.
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
    def __init__(self, decoder: MimiDecoder, codebooks: int, sizes: Sequence[int], frames: int = 1) -> None:
        """Makes room.

        Args:
            decoder: One that `CodecStep.is_for`.
            codebooks: Of each frame.
            sizes: The numbers of rows that are captured; the last is how many there are.
            frames: Of each row in a step, at most.
        """
        self.frames = frames
        self._device = decoder.device
        self._side = torch.cuda.Stream(self._device, priority=-1)
        self._side.wait_stream(torch.cuda.current_stream(self._device))
        self._sizes = sizes
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self._pool: object = None
        with torch.cuda.stream(self._side):
            self._step = CodecStep(decoder, codebooks, sizes[-1], frames)

    @torch.inference_mode()
    def begin(self, rows: Sequence[int]) -> None:
        """Makes rows ready for new streams."""
        with torch.cuda.stream(self._side):
            self._step.begin(rows)

    @torch.inference_mode()
    def start(self, rows: Sequence[int], codes: NDArray[np.int32]) -> PendingSamples:
        """Decodes the next frames (n, t, K) of n rows, `frames` at most of each; the others stay."""
        count, size = len(rows), next(size for size in self._sizes if size >= len(rows))
        shape = size, codes.shape[1]
        source = torch.zeros(self._step.source(*shape).shape, dtype=torch.int32, pin_memory=True)
        array = source.numpy()
        array[:count, 0], array[:count, 1:] = rows, codes.reshape(count, -1)
        array[count:, 0] = self._step.rows  # the row of what is not wanted
        with torch.cuda.stream(self._side):
            if shape not in self._graphs:
                self._capture(*shape)
            self._step.source(*shape).copy_(source, non_blocking=True)
            self._graphs[shape].replay()
            made = self._step.samples(*shape)[:count]
            samples = torch.empty(made.shape, pin_memory=True)
            samples.copy_(made, non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record(self._side)

        def wait() -> NDArray[np.float32]:
            arrived.synchronize()
            return np.asarray(samples.numpy())

        return wait

    def _capture(self, size: int, frames: int) -> None:
        """Captures a step of so many rows and frames, after one that readies kernels and moves none of them."""
        source = self._step.source(size, frames)
        source.zero_()
        source[:, 0] = self._step.rows
        self._step.launch(size, frames)
        graph = captured(lambda: self._step.launch(size, frames), self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[size, frames] = graph
