"""Decoding many takes on CUDA: each shape of batch is captured once and replayed.

A decoder is several hundred small launches, and in a thread beside generation each one takes its turn with Python's
lock; captured they are one. Takes are padded to a few lengths: the decoder only looks backwards, so what follows a take
does not change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.capture import captured
from voicegen.tts.marvis.codec_state import CodecState

if TYPE_CHECKING:
    from voicegen.tts.marvis.codec import Codec
    from voicegen.tts.marvis.torch_mimi import TorchMimi

LENGTHS = (32, 48, 64, 96, 128, 192, 256)
"""Frames that takes are padded to; longer ones go the codec's own way."""
FRAMES = 4096
"""Frames a batch, all rows together."""


class CapturedDecoder:
    """`Codec.decode` for a thread that shares Python with others."""

    def __init__(self, codec: Codec, mimi: TorchMimi) -> None:
        """`mimi` is what the codec computes with."""
        self._codec = codec
        self._device = mimi.device
        self._decoder = mimi.fast
        self._seen: set[tuple[int, int, int]] = set()
        self._graphs: dict[tuple[int, int, int], tuple[torch.Tensor, torch.Tensor, torch.cuda.CUDAGraph]] = {}
        self._pool: object = None
        self._host: dict[str, torch.Tensor] = {}

    def batch_of(self, frames: int) -> tuple[int, int]:
        """The padded length of a take of so many frames (0: none), and how many takes fill a batch of it."""
        length = next((length for length in LENGTHS if length >= frames), 0)
        return length, FRAMES // length if length else 16

    @torch.inference_mode()
    def decode(self, codes: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Waveforms (T_i * frame_size,) of codes (K, T_i), in order."""
        waveforms: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(codes)
        for length, books, places in self._batches(codes):
            batch = [codes[place] for place in places]
            decoded = self._decode(batch, length, books) if length else self._codec.decode(batch)
            for place, waveform in zip(places, decoded, strict=True):
                waveforms[place] = waveform
        return waveforms

    def _batches(self, codes: Sequence[NDArray[np.int64]]) -> list[tuple[int, int, list[int]]]:
        """Padded length (0: none), codebooks, and the takes of each batch."""
        groups: dict[tuple[int, int], list[int]] = {}
        for place, one in enumerate(codes):
            length, _ = self.batch_of(one.shape[1])
            groups.setdefault((length, one.shape[0]), []).append(place)
        batches = []
        for (length, books), places in groups.items():
            rows = FRAMES // length if length else len(places)
            batches += [(length, books, places[start : start + rows]) for start in range(0, len(places), rows)]
        return batches

    def _decode(self, batch: list[NDArray[np.int64]], length: int, books: int) -> list[NDArray[np.float32]]:
        rows = FRAMES // length
        if len(batch) <= rows // 4:
            rows //= 4
        shape = (rows, books, length)
        if shape not in self._seen:  # the first time shows that it works, and readies libraries for the capture
            self._seen.add(shape)
            return self._codec.decode(batch)
        if shape not in self._graphs:
            self._capture(shape)
        source, target, graph = self._graphs[shape]
        staged = self._pinned("codes", source)
        array = staged.numpy()
        array[:] = 0
        for row, one in zip(array, batch, strict=False):
            row[:, : one.shape[1]] = one
        source.copy_(staged, non_blocking=True)
        graph.replay()
        result = self._pinned("samples", target)
        result[: len(batch)].copy_(target[: len(batch)], non_blocking=True)
        torch.cuda.current_stream().synchronize()
        size, samples = self._codec.frame_size, result.numpy()
        decoded = [samples[row, : one.shape[1] * size].copy() for row, one in enumerate(batch)]
        if all(np.isfinite(np.dot(waveform, waveform)) for waveform in decoded):
            return decoded
        return self._codec.decode(batch)  # half precision did not hold it; the codec knows what to do

    def _capture(self, shape: tuple[int, int, int]) -> None:
        rows, _, length = shape
        device = self._device
        source = torch.zeros(shape, dtype=torch.int64, device=device)
        target = torch.zeros(rows, length * self._codec.frame_size, device=device)

        def run() -> None:
            target.copy_(self._decoder(source, CodecState()))

        run()
        graph = captured(run, self._pool)
        self._pool = self._pool or graph.pool()
        self._graphs[shape] = source, target, graph

    def _pinned(self, name: str, like: torch.Tensor) -> torch.Tensor:
        """Pinned memory of a tensor's shape, out of one buffer a name."""
        held = self._host.get(name)
        if held is None or held.numel() < like.numel():
            held = torch.zeros(like.numel(), dtype=like.dtype).pin_memory()
            self._host[name] = held
        return held[: like.numel()].view(like.shape)
