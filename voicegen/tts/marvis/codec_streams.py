"""Decoding streams together, a step of each at a time: every stream has a row of one state that stays on the device.

Where the rows compute in half precision, a stream that it cannot hold goes on in float32, from its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.codec import Codec, PendingPieces, StreamDecoder
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.mimi import MimiDecoder

PendingSamples = Callable[[], NDArray[np.float32]]
"""Waits for the samples (n, t * frame_size) of a step."""


class Rows(Protocol):
    """What the decoder remembers of streams.

    Attributes:
        lag: steps that may be started ahead of the one whose samples are taken.
        frames: that a step has of each row, at most.
    """

    lag: int
    frames: int

    def begin(self, rows: Sequence[int]) -> None:
        """Makes rows ready for new streams."""
        ...

    def start(self, rows: Sequence[int], codes: NDArray[np.int32]) -> PendingSamples:
        """Decodes the next frames (n, t, K) of n rows, one or `frames` of each; the others stay."""
        ...


@dataclass(slots=True, eq=False)
class _Stream:
    """The frames (t, K) of a stream whose samples were taken; what decodes it in float32, if something must."""

    frames: list[NDArray[np.int32]] = field(default_factory=list)
    exact: StreamDecoder | None = None


class StreamBatch:
    """Streams in rows, each at a place of its own."""

    def __init__(self, rows: Rows, codec: Codec) -> None:
        """`codec` decodes what the rows cannot hold."""
        self.lag, self.frames = rows.lag, rows.frames
        self._rows = rows
        self._codec = codec
        self._streams: dict[int, _Stream] = {}
        self._begun: list[int] = []

    def begin(self, row: int) -> None:
        """Makes a row ready for a new stream."""
        self._streams[row] = _Stream()
        self._begun.append(row)

    def push(self, frames: Mapping[int, NDArray[np.int64]]) -> PendingPieces:
        """The samples (t * frame_size,) of the next frames (K, t) of each row."""
        if self._begun:
            self._rows.begin(self._begun)
            self._begun = []
        steps = []
        sent = dict.fromkeys(frames, 0)
        for size in sorted({self.frames, 1}, reverse=True):
            while moving := [row for row, codes in frames.items() if codes.shape[1] - sent[row] >= size]:
                parts = [frames[row][:, sent[row] : sent[row] + size].T.ravel() for row in moving]
                codes = np.concatenate(parts, dtype=np.int32, casting="same_kind").reshape(len(moving), size, -1)
                steps.append((moving, [self._streams[row] for row in moving], codes, self._rows.start(moving, codes)))
                for row in moving:
                    sent[row] += size

        def wait() -> dict[int, NDArray[np.float32]]:
            pieces: dict[int, list[NDArray[np.float32]]] = {row: [] for row in frames}
            for rows, streams, codes, samples in steps:
                for row, piece in zip(rows, self._pieces(streams, codes, samples()), strict=True):
                    pieces[row].append(piece)
            return {row: parts[0] if len(parts) == 1 else np.concatenate(parts) for row, parts in pieces.items()}

        return wait

    def _pieces(
        self, streams: list[_Stream], codes: NDArray[np.int32], samples: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        """Each stream's own samples of a step (n, t, K), out of those of all (n, t * frame_size)."""
        held = np.isfinite(samples.sum(axis=1)).tolist()
        pieces = []
        for place, (stream, is_held) in enumerate(zip(streams, held, strict=True)):
            stream.frames.append(codes[place])
            pieces.append(samples[place] if is_held and stream.exact is None else self._in_full(stream))
        return pieces

    def _in_full(self, stream: _Stream) -> NDArray[np.float32]:
        """The samples of a stream's last step, in float32."""
        new = stream.frames[-1:]
        wanted = len(new[0]) * self._codec.frame_size
        if stream.exact is None:
            stream.exact, new = self._codec.stream_decoder(), stream.frames
        return stream.exact.push(np.concatenate(new).T.astype(np.int64))[-wanted:]


class PlainRows:
    """Rows in plain torch, on any device; each takes some 8 MB at Mimi's sizes."""

    lag = 0
    frames = 1

    @torch.inference_mode()
    def __init__(self, decoder: MimiDecoder, codebooks: int, rows: int) -> None:
        self._decoder = decoder
        self._state = decoder.standing_state(torch.zeros(rows, codebooks, 1, dtype=torch.int64, device=decoder.device))
        self._positions = torch.zeros(rows, dtype=torch.int64, device=decoder.device)

    @torch.inference_mode()
    def begin(self, rows: Sequence[int]) -> None:
        """Makes rows ready for new streams."""
        for array in (self._positions, *self._state.contexts.values()):
            array[list(rows)] = 0

    @torch.inference_mode()
    def start(self, rows: Sequence[int], codes: NDArray[np.int32]) -> PendingSamples:
        """Decodes the next frames (n, t, K) of n rows; the others stay."""
        moving = list(rows)
        whole = self._state
        contexts, keys, values = ({layer: array[moving] for layer, array in part.items()} for part in whole.parts)
        state = CodecState(contexts, keys, values)
        frames = torch.from_numpy(codes.astype(np.int64)).transpose(1, 2).to(self._decoder.device)
        samples = np.asarray(self._decoder.each(frames, state, self._positions[moving]).cpu().numpy())
        for before, after in zip(whole.parts, state.parts, strict=True):
            for layer, array in before.items():
                array[moving] = after[layer]
        self._positions[moving] += codes.shape[1] * self._decoder.steps
        return lambda: samples
