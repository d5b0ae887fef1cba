"""Decoding many takes on CUDA, a few frames of each at a time: a row that is free takes the next, the longest first.

Captured, a step is one launch: the decoder is over a hundred, and in a thread beside generation each one would take its
turn with Python's lock.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voicegen.tts.marvis.captured_rows import CapturedRows
from voicegen.tts.marvis.codec import Codec
from voicegen.tts.marvis.mimi import MimiDecoder

FRAMES = 3
"""Of a take in a step: with Mimi's window of 250 positions, the most that a ring of 256 has room for."""
SIZES = (16, 64)
"""Rows of a step, the last few takes of a batch and all."""
BATCH = 4 * SIZES[-1]
"""Takes that are decoded together: enough that rows seldom stand empty."""


class CapturedDecoder:
    """`Codec.decode` for a thread that shares Python with others."""

    def __init__(self, codec: Codec, decoder: MimiDecoder, codebooks: int) -> None:
        """`codec` decodes what the decoder's precision cannot hold."""
        self._codec = codec
        self._codebooks = codebooks
        self._rows = CapturedRows(decoder, codebooks, SIZES, FRAMES)

    def batch_of(self, _frames: int) -> tuple[int, int]:
        """Takes of all lengths go together, so many at a time."""
        return 0, BATCH

    def decode(self, codes: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Waveforms (T_i * frame_size,) of codes (K, T_i), in order."""
        waiting = sorted(range(len(codes)), key=lambda take: codes[take].shape[1])  # the longest last
        free, sent = list(range(SIZES[-1])), [0] * len(codes)
        under_way: dict[int, int] = {}  # takes by their rows
        steps = []
        while waiting or under_way:
            begun = [free.pop() for _ in range(min(len(free), len(waiting)))]
            under_way |= {row: waiting.pop() for row in begun}
            if begun:
                self._rows.begin(begun)
            takes = list(under_way.values())
            frames, counts = self._next_frames([codes[take][:, sent[take] : sent[take] + FRAMES] for take in takes])
            steps.append((takes, counts, self._rows.start(list(under_way), frames)))
            for row, take in list(under_way.items()):
                sent[take] += FRAMES
                if sent[take] >= codes[take].shape[1]:
                    del under_way[row]
                    free.append(row)
        pieces: list[list[NDArray[np.float32]]] = [[] for _ in codes]
        for takes, counts, samples in steps:
            for take, count, piece in zip(takes, counts, samples(), strict=True):
                pieces[take].append(piece[: count * self._codec.frame_size])
        return [self._whole(parts, one) for parts, one in zip(pieces, codes, strict=True)]

    def _next_frames(self, parts: list[NDArray[np.int64]]) -> tuple[NDArray[np.int32], list[int]]:
        """Frames (n, T, K) of a step, and how many of each take's are its own."""
        frames = np.zeros((len(parts), FRAMES, self._codebooks), np.int32)
        for place, part in enumerate(parts):
            frames[place, : part.shape[1]] = part.T
        return frames, [part.shape[1] for part in parts]

    def _whole(self, pieces: list[NDArray[np.float32]], codes: NDArray[np.int64]) -> NDArray[np.float32]:
        waveform = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        if np.isfinite(np.dot(waveform, waveform)):
            return waveform
        return self._codec.decode([codes])[0]  # half precision did not hold it; the codec knows what to do
