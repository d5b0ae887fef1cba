"""Decoding streams together, a frame of each at a time: every stream has a row of one state that stays on the device.

On CUDA a step is captured once for each number of rows and replayed: it is some three hundred launches, which would
take longer than the arithmetic of a few streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.frame_runner import rungs
from voicegen.tts.marvis.mimi import MimiDecoder


class StreamBatch:
    """Rows for streams, each at a place of its own."""

    @torch.inference_mode()
    def __init__(self, decoder: MimiDecoder, codebooks: int, rows: int) -> None:
        """Makes room.

        Args:
            decoder: In float32, where streams have no arithmetic to save.
            codebooks: Of each frame.
            rows: Streams at a time; each takes some 8 MB at Mimi's sizes.
        """
        self._decoder = decoder
        self._rungs = rungs(rows)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._pool: object = None
        device = decoder.device
        self._side = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None
        if self._side:
            self._side.wait_stream(torch.cuda.current_stream(device))
        with self._beside():
            self._codes = torch.zeros(rows, codebooks, 1, dtype=torch.int64, device=device)
            self._state = decoder.standing_state(self._codes)
            self._positions = torch.zeros(rows, dtype=torch.int64, device=device)
            self._moving = torch.zeros(rows, dtype=torch.bool, device=device)
            self._samples = torch.zeros(rows, decoder.frame_size, device=device)

    @torch.inference_mode()
    def begin(self, row: int) -> None:
        """Makes a row ready for a new stream."""
        with self._beside():
            self._positions[row] = 0
            for context in self._state.contexts.values():
                context[row] = 0

    @torch.inference_mode()
    def push(self, frames: Mapping[int, NDArray[np.int64]]) -> dict[int, NDArray[np.float32]]:
        """The samples (t * frame_size,) of the next frames (K, t) of each row."""
        pieces: dict[int, list[NDArray[np.float32]]] = {row: [] for row in frames}
        for place in range(max((codes.shape[1] for codes in frames.values()), default=0)):
            moving = [row for row, codes in frames.items() if place < codes.shape[1]]
            samples = self._step({row: frames[row][:, place] for row in moving})
            for row in moving:
                pieces[row].append(samples[row])
        return {row: np.concatenate(parts or [np.zeros(0, np.float32)]) for row, parts in pieces.items()}

    def _step(self, frame: Mapping[int, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Samples (rows, frame_size) of a frame (K,) of some rows, up to the last of them; the others stay."""
        rows = next(rung for rung in self._rungs if rung > max(frame))
        codes = np.zeros((rows, *self._codes.shape[1:]), np.int64)
        moving = np.zeros(rows, np.bool_)
        for row, books in frame.items():
            codes[row, :, 0], moving[row] = books, True
        with self._beside():
            if self._side and rows not in self._graphs:
                self._capture(rows)
            self._codes[:rows].copy_(torch.from_numpy(codes))
            self._moving[:rows].copy_(torch.from_numpy(moving))
            if self._side:
                self._graphs[rows].replay()
            else:
                self._decode(rows)
            return np.asarray(self._samples[:rows].to("cpu", copy=True).numpy())

    def _beside(self) -> AbstractContextManager[None]:
        """Work that does not wait for the frame that is under way: what is decoded came from the host."""
        return torch.cuda.stream(self._side) if self._side else nullcontext()

    def _decode(self, rows: int) -> None:
        """Decodes a frame of the first rows, and moves those on that have one."""
        held, state, positions = self._state.first(rows), self._state.first(rows), self._positions[:rows]
        self._samples[:rows] = self._decoder.each(self._codes[:rows], state, positions)
        moving = self._moving[:rows]
        for before, after in (
            (held.contexts, state.contexts),
            (held.keys, state.keys),
            (held.values, state.values),
        ):
            for layer, array in before.items():
                array.copy_(torch.where(moving.view(-1, *[1] * (array.dim() - 1)), after[layer], array))
        positions += moving * self._decoder.steps

    def _capture(self, rows: int) -> None:
        """Captures the step of so many rows, after one that readies libraries and moves nothing."""
        from voicegen.tts.marvis.capture import captured

        self._moving[:rows] = False
        self._decode(rows)
        graph = captured(lambda: self._decode(rows), self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[rows] = graph
