"""The Mimi codec: audio to codes and back, many waveforms at a time or one as a stream.

Knows of no library that computes: a `Mimi` does, `torch_mimi.py`'s or `mlx/mimi.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.tts.marvis.codec_state import CodecState

_ROWS_AT_ONCE = 64
_STRETCH = 32  # frames at most, where shapes are to be few

PieceDecoder = Callable[[NDArray[np.int64], CodecState], NDArray[np.float32]]
"""The next frames (B, K, T) of B streams to float32 samples (B, T * frame_size); moves their state on."""
PendingPieces = Callable[[], dict[int, NDArray[np.float32]]]
"""Waits for the samples (N,) of each row that had frames."""


class Mimi(Protocol):
    """A codec's weights on their device.

    Attributes:
        sample_rate: Hz.
        frame_size: samples a frame.
        codebooks: codebooks that there are; fewer may be decoded.
        codebook_size: codes in each.
        frames_at_once: of all the rows of a batch together, as the memory allows.
        decode_half: decodes in half precision, where that is to be used.
        keeps_shapes: whether only batches of a few shapes are decoded: each costs a GPU preparations, and memory.
    """

    sample_rate: int
    frame_size: int
    codebooks: int
    codebook_size: int
    frames_at_once: int
    decode_half: PieceDecoder | None
    keeps_shapes: bool

    def decode(self, codes: NDArray[np.int64], state: CodecState) -> NDArray[np.float32]:
        """A `PieceDecoder` in float32."""
        ...

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.int64]:
        """Codes (K, T) of a waveform (T * frame_size,)."""
        ...


class Codec:
    """A loaded codec.

    The encoder works in float32: it runs once a voice. In half precision the decoder works in float16, whatever half
    was asked for: against float32 that leaves a noise of -57 dB, bfloat16 one of -41 dB. A batch that float16 cannot
    hold is decoded again in float32. A stream by itself, where there is no arithmetic to save, is decoded in float32.

    Attributes:
        mimi: what computes.
        sample_rate: Hz.
        frame_rate: frames of codes a second.
        frame_size: samples a frame.
        codebooks: codebooks that there are.
        codebook_size: codes in each.
    """

    def __init__(self, mimi: Mimi) -> None:
        """Puts a codec's weights to work."""
        self.mimi = mimi
        self.sample_rate = mimi.sample_rate
        self.frame_size = mimi.frame_size
        self.frame_rate = mimi.sample_rate / mimi.frame_size
        self.codebooks = mimi.codebooks
        self.codebook_size = mimi.codebook_size

    def encode(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        """Codes (K, T) of mono `samples` (N,) at `rate` Hz; the last frame is filled up with silence.

        Raises:
            ValueError: there are no samples.
        """
        if samples.ndim != 1 or len(samples) == 0:
            raise ValueError(f"samples must be mono, of shape (N,) with N over 0; got {samples.shape}")
        waveform = np.ascontiguousarray(resample(samples, rate, self.sample_rate), dtype=np.float32)
        return self.mimi.encode(np.pad(waveform, (0, -len(waveform) % self.frame_size)))

    def decode(self, codes: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Waveforms (T_i * frame_size,) of codes (K, T_i), in order.

        Waveforms of like length share a batch, and a batch is decoded a stretch of time after the other, so that
        memory depends neither on their number nor on their length.

        Raises:
            ValueError: codes of a wrong shape, or outside the codebooks.
        """
        for one in codes:
            self._check(one)
        waveforms: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(codes)
        longest_first = sorted(range(len(codes)), key=lambda index: -codes[index].shape[1])
        for start in range(0, len(codes), _ROWS_AT_ONCE):
            places = longest_first[start : start + _ROWS_AT_ONCE]
            for place, waveform in zip(places, self._decode_batch([codes[place] for place in places]), strict=True):
                waveforms[place] = waveform
        return waveforms

    def stream_decoder(self) -> StreamDecoder:
        """A decoder that takes frames as they are made."""
        return StreamDecoder(self)

    def _decode_batch(self, codes: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        if self.mimi.decode_half is not None:
            decoded = self._decode_sorted(self.mimi.decode_half, codes)
            if all(np.isfinite(waveform).all() for waveform in decoded):
                return decoded
        return self._decode_sorted(self.mimi.decode, codes)

    def _decode_sorted(self, decode: PieceDecoder, codes: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Decodes waveforms sorted by length, the longest first; a row leaves the batch where its codes end."""
        lengths = [one.shape[1] for one in codes]
        pieces: list[list[NDArray[np.float32]]] = [[] for _ in codes]
        state = CodecState()
        for start, end, rows in self._stretches(lengths):
            state = state.first(rows)
            padded = np.zeros((rows, max(one.shape[0] for one in codes[:rows]), end - start), dtype=np.int64)
            for row, one in zip(padded, codes, strict=False):
                row[:, : max(0, one.shape[1] - start)] = one[:, start:end]
            samples = decode(padded, state)
            for row in range(min(rows, len(codes))):
                pieces[row].append(samples[row, : max(0, min(lengths[row], end) - start) * self.frame_size])
        return [np.concatenate(row) if row else np.zeros(0, dtype=np.float32) for row in pieces]

    def _stretches(self, lengths: list[int]) -> Iterator[tuple[int, int, int]]:
        """Cuts a batch in time: first and last frame, and how many rows still have codes there."""
        start = 0
        while rows := sum(length > start for length in lengths):
            if self.mimi.keeps_shapes:
                rows = 1 << (rows - 1).bit_length()
            frames = max(1, self.mimi.frames_at_once // rows)
            end = start + min(frames, _STRETCH) if self.mimi.keeps_shapes else min(start + frames, lengths[0])
            yield start, end, rows
            start = end

    def _check(self, codes: NDArray[np.int64]) -> None:
        if codes.ndim != 2 or not 1 <= codes.shape[0] <= self.codebooks:
            raise ValueError(f"codes must have the shape (K, T) with K from 1 to {self.codebooks}; got {codes.shape}")
        if codes.size and not 0 <= codes.min() <= codes.max() < self.codebook_size:
            last = self.codebook_size - 1
            raise ValueError(f"codes must be from 0 to {last}; got {codes.min()} to {codes.max()}")


class StreamDecoder:
    """Decodes one waveform as its codes arrive; what `push` gives joins to the whole."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._state = CodecState()

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """The samples (t * frame_size,) of the next frames (K, t).

        Raises:
            ValueError: codes of a wrong shape, or outside the codebooks.
        """
        self._codec._check(codes)
        if codes.shape[1] == 0:
            return np.zeros(0, dtype=np.float32)
        return self._codec.mimi.decode(np.ascontiguousarray(codes, dtype=np.int64)[None], self._state)[0]


class SeparateStreams:
    """Decodes each of several streams by itself."""

    lag = 0
    frames = 1

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._decoders: dict[int, StreamDecoder] = {}

    def begin(self, row: int) -> None:
        """Makes a row ready for a new stream."""
        self._decoders[row] = self._codec.stream_decoder()

    def push(self, frames: Mapping[int, NDArray[np.int64]]) -> PendingPieces:
        """The samples (t * frame_size,) of the next frames (K, t) of each row."""
        pieces = {row: self._decoders[row].push(codes) for row, codes in frames.items()}
        return lambda: pieces
