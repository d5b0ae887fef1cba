"""The Mimi codec in torch, for `Codec`: transformers' encoder, and our decoder in one precision or two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.codec import PieceDecoder
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.codec_weights import load_mimi
from voicegen.tts.marvis.mimi import MimiDecoder

_FRAMES_AT_ONCE = {"cuda": 4096, "mps": 1024, "cpu": 512}
"""Of all the rows of a batch together, 80 ms each. A frame takes about 1.2 MB at the most in float32."""


class TorchMimi:
    """A codec's weights on a torch device; a `codec.Mimi`.

    Attributes:
        exact: the decoder in float32.
        fast: the decoder that batches are given to.
    """

    def __init__(self, model: Any, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        """Takes a `transformers.MimiModel`; in any other dtype than float32 it decodes in float16."""
        self.device = torch.device(device)
        self.frames_at_once = _FRAMES_AT_ONCE.get(self.device.type, 512)
        self.sample_rate: int = model.config.sampling_rate
        self.codebooks: int = model.config.num_quantizers
        self.codebook_size: int = model.config.codebook_size
        self._model = model.eval().to(self.device, torch.float32)
        self.exact = self.fast = MimiDecoder(model, self.device, torch.float32)
        self.keeps_shapes = False
        self.decode_half: PieceDecoder | None = None
        if dtype != torch.float32:
            self.fast = MimiDecoder(model, self.device, torch.float16)
            self.decode_half = partial(self._decoded, self.fast)
        self.frame_size = self.exact.frame_size

    @classmethod
    def load(
        cls,
        source: str | Path = "kyutai/mimi",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        revision: str | None = None,
    ) -> TorchMimi:
        """Loads a codec in any of its forms from a file, a folder or the hub; safetensors only.

        Raises:
            ModelError: it cannot be found, is no Mimi, or a tensor is missing or not finite.
        """
        return cls(load_mimi(source, revision), device, dtype)

    def decode(self, codes: NDArray[np.int64], state: CodecState) -> NDArray[np.float32]:
        """The next frames (B, K, T) of B streams to float32 samples (B, T * frame_size)."""
        return self._decoded(self.exact, codes, state)

    @torch.inference_mode()
    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.int64]:
        """Codes (K, T) of a waveform (T * frame_size,)."""
        codes = self._model.encode(torch.from_numpy(waveform)[None, None].to(self.device)).audio_codes[0]
        return np.asarray(codes.cpu().numpy(), dtype=np.int64)

    def _decoded(self, decoder: MimiDecoder, codes: NDArray[np.int64], state: CodecState) -> NDArray[np.float32]:
        return np.asarray(decoder(torch.from_numpy(codes).to(self.device), state).cpu().numpy())
