"""Marvis in torch, as the engine sees it: the model, its frame runners each with their slots, and the codec."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from voicegen.tts.marvis.blocks import Blocks
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.codec import Codec, SeparateStreams
from voicegen.tts.marvis.codec_streams import PlainRows, StreamBatch
from voicegen.tts.marvis.config import MarvisConfig
from voicegen.tts.marvis.decoding import BatchDecoder, Resampler
from voicegen.tts.marvis.devices import choose_device, choose_dtype, most_slots
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import FrameRunner, Loader, Runners, StreamDecoders, kept
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.mimi import MimiDecoder
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import read_prefix
from voicegen.tts.marvis.prompts import Prefix, Prompt
from voicegen.tts.marvis.torch_mimi import TorchMimi
from voicegen.tts.marvis.weights import load_weights


def loader(device: str, dtype: str, *, exact: bool) -> Loader:
    """What loads a model onto a device in a dtype; `exact` as `TorchRunners` has it.

    Raises:
        ConfigError: The dtype is none.
        ModelError: There is no such device here.
    """
    chosen = choose_device(device)
    precision = choose_dtype(dtype, chosen)

    def load(folder: Path, config: MarvisConfig, codebooks: int) -> Runners:
        model = MarvisModel(config, load_weights(folder, config), chosen, precision)
        return TorchRunners(model, codebooks, exact=exact)

    return load


class TorchRunners:
    """`Runners` of a model in torch."""

    def __init__(
        self, model: MarvisModel, codebooks: int | None = None, *, captured: bool | None = None, exact: bool = True
    ) -> None:
        """Puts a model to work.

        Args:
            model: Weights on their device.
            codebooks: Codebooks to generate, from the first: all of them if None.
            captured: Whether to use the captured CUDA path; where it exists, if None.
            exact: Whether a take's bits are the same in any company on the CPU.
        """
        self.model = model
        self.config = model.config
        self.codebooks = codebooks or model.config.codebooks
        self.device = str(model.device)
        self.precision = str(model.dtype).removeprefix("torch.")
        self.works_ahead = model.device.type == "cuda"
        self.decodes_together = False
        self._captured = self.works_ahead if captured is None else captured
        self._exact = exact
        self._runners: dict[int, FrameRunner] = {}

    def most_slots(self) -> int:
        """Takes at a time that the device's memory holds, a power of two."""
        return most_slots(self.model)

    def runner(self, slots: int, sampling: Sampling) -> FrameRunner:
        """The runner of so many slots, which draws so from its next frame on; made when first asked for, and kept."""
        return kept(self._runners, slots, sampling, self.made)

    def made(self, slots: int) -> FrameRunner:
        """A new runner with slots of its own, which nobody else is given."""
        blocks = Blocks.exact(self.model, slots) if self._exact else Blocks()
        state = SlotState(self.model, slots, self.codebooks, self.config.backbone.context, blocks)
        if self._captured:
            from voicegen.tts.marvis.capture import CapturedFrames

            return CapturedFrames(self.model, state, Sampling())
        return PlainFrames(self.model, state, Sampling())

    def clear(self) -> None:
        """Gives the memory of all runners back."""
        self._runners.clear()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def generating(self) -> AbstractContextManager[None]:
        """Needs nothing."""
        return nullcontext()

    def read_prefix(self, prompt: Prompt) -> Prefix:
        """Reads a prompt that many takes begin with, once."""
        return read_prefix(self.model, prompt)

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether an error says that fewer slots might do."""
        return isinstance(error, torch.OutOfMemoryError)

    def load_codec(self, source: str | Path) -> Codec:
        """The codec, on the model's device; see `TorchMimi.load`."""
        return Codec(TorchMimi.load(source, self.model.device, self.model.dtype))

    def batch_decoder(self, codec: Codec) -> BatchDecoder | None:
        """The codec's captured decoder, on CUDA."""
        if (decoder := self._captured_decoder(codec)) is None:
            return None
        from voicegen.tts.marvis.codec_capture import CapturedDecoder

        return CapturedDecoder(codec, decoder, self.codebooks)

    def stream_decoders(self, codec: Codec, rows: int) -> StreamDecoders:
        """Rows of one batch, where the codec is in torch; captured on CUDA."""
        if not isinstance(codec.mimi, TorchMimi):
            return SeparateStreams(codec)
        if (decoder := self._captured_decoder(codec)) is None:
            return StreamBatch(PlainRows(codec.mimi.exact, self.codebooks, rows), codec)
        from voicegen.tts.marvis.captured_rows import CapturedRows

        sizes = [*(4**power for power in range(rows.bit_length()) if 4**power < rows), rows]
        return StreamBatch(CapturedRows(decoder, self.codebooks, sizes), codec)

    def _captured_decoder(self, codec: Codec) -> MimiDecoder | None:
        """What of the codec's is captured, where anything is."""
        if not (self._captured and self.works_ahead and isinstance(codec.mimi, TorchMimi)):
            return None
        from voicegen.tts.marvis.codec_step import CodecStep

        return codec.mimi.fast if CodecStep.is_for(codec.mimi.fast) else None

    def resampler(self, from_rate: int, to_rate: int) -> Resampler | None:
        """torchaudio's, on CUDA."""
        if self.model.device.type != "cuda":
            return None
        from voicegen.audio.batch_resample import BatchResampler

        return (
            BatchResampler(from_rate, to_rate, self.model.device) if BatchResampler.is_for(from_rate, to_rate) else None
        )
