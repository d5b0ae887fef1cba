"""The Mimi codec: audio to codes and back, many waveforms at a time or one as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.tts.marvis.codec_weights import load_mimi
from voicegen.tts.marvis.mimi import MimiDecoder
from voicegen.tts.marvis.mimi_layers import DecoderState

_FRAMES_AT_ONCE = {"cuda": 4096, "mps": 1024, "cpu": 512}
"""Of all the rows of a batch together, 80 ms each. A frame takes about 1.2 MB at the most in float32."""
_ROWS_AT_ONCE = 64


class Codec:
    """A loaded codec.

    The encoder is transformers' own, in float32: it runs once a voice. The decoder is ours. In half precision it works
    in float16, whatever half was asked for: against float32 that leaves a noise of -57 dB, bfloat16 one of -41 dB. A
    batch that float16 cannot hold is decoded again in float32. Streams, where there is no arithmetic to save, are
    decoded in float32.

    Attributes:
        sample_rate: Hz.
        frame_rate: frames of codes a second.
        frame_size: samples a frame.
        codebooks: codebooks that there are.
        codebook_size: codes in each.
    """

    def __init__(self, model: Any, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        """Puts a `transformers.MimiModel` to work; `Codec.load` is the usual way."""
        self.device = torch.device(device)
        self.dtype = torch.float32 if dtype == torch.float32 else torch.float16
        self.sample_rate: int = model.config.sampling_rate
        self.codebooks: int = model.config.num_quantizers
        self.codebook_size: int = model.config.codebook_size
        self._model = model.eval().to(self.device, torch.float32)
        self._exact = MimiDecoder(model, self.device, torch.float32)
        self._fast = self._exact if dtype == torch.float32 else MimiDecoder(model, self.device, torch.float16)
        self.frame_size = self._exact.frame_size
        self.frame_rate = self.sample_rate / self.frame_size

    @classmethod
    def load(
        cls,
        source: str | Path = "kyutai/mimi",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        revision: str | None = None,
    ) -> Codec:
        """Loads a codec in any of its forms from a file, a folder or the hub; safetensors only.

        Raises:
            ModelError: it cannot be found, is no Mimi, or a tensor is missing or not finite.
        """
        return cls(load_mimi(source, revision), device, dtype)

    @torch.inference_mode()
    def encode(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.int64]:
        """Codes (K, T) of mono `samples` (N,) at `rate` Hz; the last frame is filled up with silence.

        Raises:
            ValueError: there are no samples.
        """
        if samples.ndim != 1 or len(samples) == 0:
            raise ValueError(f"samples must be mono, of shape (N,) with N over 0; got {samples.shape}")
        waveform = torch.from_numpy(np.ascontiguousarray(resample(samples, rate, self.sample_rate)))
        waveform = torch.nn.functional.pad(waveform, (0, -len(waveform) % self.frame_size))
        codes = self._model.encode(waveform[None, None].to(self.device)).audio_codes[0]
        return np.asarray(codes.cpu().numpy(), dtype=np.int64)

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
            batch = [codes[place] for place in places]
            decoded = self._decode_batch(self._fast, batch)
            if self._fast is not self._exact and not all(np.isfinite(waveform).all() for waveform in decoded):
                decoded = self._decode_batch(self._exact, batch)
            for place, waveform in zip(places, decoded, strict=True):
                waveforms[place] = waveform
        return waveforms

    def stream_decoder(self) -> StreamDecoder:
        """A decoder that takes frames as they are made."""
        return StreamDecoder(self)

    def _decode_batch(self, decoder: MimiDecoder, codes: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Decodes waveforms sorted by length, the longest first; a row leaves the batch where its codes end."""
        lengths = [one.shape[1] for one in codes]
        pieces: list[list[NDArray[np.float32]]] = [[] for _ in codes]
        state = DecoderState()
        for start, end, rows in self._stretches(lengths):
            state = state.first(rows)
            padded = np.zeros((rows, max(one.shape[0] for one in codes[:rows]), end - start), dtype=np.int64)
            for row, one in zip(padded, codes, strict=False):
                row[:, : max(0, one.shape[1] - start)] = one[:, start:end]
            samples = decoder(torch.from_numpy(padded).to(self.device), state).cpu().numpy()
            for row in range(rows):
                pieces[row].append(samples[row, : (min(lengths[row], end) - start) * self.frame_size])
        return [np.concatenate(row) if row else np.zeros(0, dtype=np.float32) for row in pieces]

    def _stretches(self, lengths: list[int]) -> Iterator[tuple[int, int, int]]:
        """Cuts a batch in time: first and last frame, and how many rows still have codes there."""
        start = 0
        while rows := sum(length > start for length in lengths):
            end = min(start + max(1, _FRAMES_AT_ONCE.get(self.device.type, 512) // rows), lengths[0])
            yield start, end, rows
            start = end

    def _check(self, codes: NDArray[np.int64]) -> None:
        if codes.ndim != 2 or not 1 <= codes.shape[0] <= self.codebooks:
            raise ValueError(f"codes must have the shape (K, T) with K from 1 to {self.codebooks}; got {codes.shape}")
        if codes.size and not 0 <= codes.min() <= codes.max() < self.codebook_size:
            last = self.codebook_size - 1
            raise ValueError(f"codes must be from 0 to {last}; got {codes.min()} to {codes.max()}")


class StreamDecoder:
    """Decodes one waveform as its codes arrive; what `push` and `finish` give joins to the whole."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._state = DecoderState()

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """The samples (t * frame_size,) of the next frames (K, t).

        Raises:
            ValueError: codes of a wrong shape, or outside the codebooks.
        """
        self._codec._check(codes)
        if codes.shape[1] == 0:
            return np.zeros(0, dtype=np.float32)
        batch = torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64))[None].to(self._codec.device)
        return np.asarray(self._codec._exact(batch, self._state)[0].cpu().numpy(), dtype=np.float32)

    def finish(self) -> NDArray[np.float32]:
        """What is left to give: nothing, because Mimi's decoder holds nothing back; the stream may begin anew."""
        self._state = DecoderState()
        return np.zeros(0, dtype=np.float32)
