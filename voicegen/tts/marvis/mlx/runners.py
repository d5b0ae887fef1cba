"""Marvis in MLX, as the engine sees it: the model, its frame runners each with their slots, and the codec."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path

import mlx.core as mx

from voicegen.errors import ConfigError, ModelError
from voicegen.mlx_device import backend, prepare, wired
from voicegen.tts.marvis.codec import Codec, SeparateStreams
from voicegen.tts.marvis.config import MarvisConfig
from voicegen.tts.marvis.decoding import BatchDecoder, Resampler
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import FrameRunner, Loader, Runners, StreamDecoders, kept
from voicegen.tts.marvis.mlx.frames import MLXFrames
from voicegen.tts.marvis.mlx.mimi import MLXMimi
from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.prefill import read_prefix
from voicegen.tts.marvis.mlx.proving import steps_for
from voicegen.tts.marvis.mlx.state import SlotState, slots_that_fit
from voicegen.tts.marvis.mlx.steps import Steps
from voicegen.tts.marvis.mlx.weights import load_weights
from voicegen.tts.marvis.prompts import Prefix, Prompt

DTYPES = {"float32": mx.float32, "bfloat16": mx.bfloat16, "float16": mx.float16}
MOST_SLOTS = {"metal": 32, "cuda": 1024, "cpu": 8}
SPAN = 512
"""A GPU keeps so many positions of each slot, or a multiple that reaches as far as the longest take."""


def loader(device: str, dtype: str) -> Loader:
    """What loads a model in a dtype; `auto` is float32 on the CPU, float16 on the GPUs of M1 and M2, else bfloat16.

    Raises:
        ConfigError: The dtype is none.
        ModelError: There is no Metal here.
    """
    precision = dtype_of(device, dtype)

    def load(folder: Path, config: MarvisConfig, codebooks: int) -> Runners:
        prepare()
        return MLXRunners(MLXModel(config, load_weights(folder, config, precision), precision), codebooks)

    return load


def dtype_of(device: str, dtype: str) -> mx.Dtype:
    """The dtype of a name on a device; `loader` says which, and what is refused."""
    if device == "metal" and not mx.metal.is_available():
        raise ModelError("device metal is not there on this machine: use device=auto, mlx or cpu")
    if dtype == "auto":
        return mx.float32 if backend() == "cpu" else mx.float16 if _lacks_bfloat16() else mx.bfloat16
    if dtype not in DTYPES:
        raise ConfigError(f"dtype is {dtype!r}; it may be auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


class MLXRunners:
    """`Runners` of a model in MLX. The codec is a tenth of the work, and done between frames on the same device."""

    works_ahead = False  # in a thread of its own the codec would wait for the same GPU

    def __init__(self, model: MLXModel, codebooks: int | None = None) -> None:
        """`codebooks` are generated, from the first: all of them if None."""
        self.model = model
        self.config = model.config
        self.codebooks = codebooks or model.config.codebooks
        self.device = f"mlx ({backend()})"
        self.decodes_together = backend() != "cpu"
        self.precision = next(name for name, dtype in DTYPES.items() if dtype == model.dtype)
        self._runners: dict[int, FrameRunner] = {}
        self._steps: Steps | None = None

    def most_slots(self) -> int:
        """Takes at a time whose cache fits in a quarter of the device's memory, a power of two; a chat may share it."""
        most = MOST_SLOTS[backend()]
        return most if backend() == "cpu" else slots_that_fit(SlotState.bytes_a_slot(self.model), most)

    def generating(self) -> AbstractContextManager[None]:
        """Keeps memory wired on Metal."""
        return wired()

    def runner(self, slots: int, sampling: Sampling) -> FrameRunner:
        """The runner of so many slots, which draws so from its next frame on; made when first asked for, and kept."""
        return kept(self._runners, slots, sampling, self.made)

    def made(self, slots: int) -> FrameRunner:
        """A new runner with slots of its own, which nobody else is given."""
        on_gpu = backend() != "cpu"
        # On the CPU the whole cache is read, so that no other take's length changes the order of the sums.
        state = SlotState(self.model, slots, self.codebooks, SPAN if on_gpu else None)
        return MLXFrames(self.model, self.steps, state, Sampling(), on_gpu=on_gpu)

    @property
    def steps(self) -> Steps:
        """What frames are made with on this machine; found out when it is first asked for."""
        self._steps = self._steps or steps_for(self.model, on_gpu=backend() != "cpu")
        return self._steps

    def clear(self) -> None:
        """Gives the memory of all runners back."""
        self._runners.clear()
        mx.clear_cache()

    def read_prefix(self, prompt: Prompt) -> Prefix:
        """Reads a prompt that many takes begin with, once."""
        return read_prefix(self.model, prompt)

    def is_out_of_memory(self, error: Exception) -> bool:
        """Whether an error says that fewer slots might do; MLX has no kind of its own for it."""
        return isinstance(error, MemoryError) or bool(re.search(r"malloc|out of memory", str(error), re.IGNORECASE))

    def load_codec(self, source: str | Path) -> Codec:
        """The codec, in MLX too; see `MLXMimi.load`."""
        return Codec(MLXMimi.load(source, backend=backend()))

    def batch_decoder(self, _codec: Codec) -> BatchDecoder | None:
        """None: the codec decodes itself."""
        return None

    def stream_decoders(self, codec: Codec, _rows: int) -> StreamDecoders:
        """A decoder for each."""
        return SeparateStreams(codec)

    def resampler(self, _from_rate: int, _to_rate: int) -> Resampler | None:
        """None: a take is decoded alone, and soxr resamples it."""
        return None


def _lacks_bfloat16() -> bool:
    """Whether the GPU computes bfloat16 in software: Apple's do from the M3 on, which is their 15th generation."""
    generation = re.match(r"applegpu_g(\d+)", str(mx.device_info().get("architecture", "")))
    return generation is not None and int(generation[1]) < 15
