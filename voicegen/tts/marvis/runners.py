"""The frame runners of a model, each with its slots: made when first asked for, and kept."""

from __future__ import annotations

import torch

from voicegen.tts.marvis.blocks import Blocks
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import FrameRunner
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import read_prefix
from voicegen.tts.marvis.prompts import Prefix, Prompt


class Runners:
    """Frame runners by number of slots."""

    def __init__(self, model: MarvisModel, codebooks: int, *, captured: bool, exact: bool = True) -> None:
        """`captured` chooses the captured CUDA path; `exact` keeps a take's bits the same in any company on the CPU."""
        self._model = model
        self._codebooks = codebooks
        self._captured = captured
        self._exact = exact
        self._runners: dict[int, FrameRunner] = {}

    def runner(self, slots: int, sampling: Sampling) -> FrameRunner:
        """The one of so many slots, which draws so from its next frame on."""
        if slots not in self._runners:
            self._runners[slots] = self.made(slots)
        self._runners[slots].use(sampling)
        return self._runners[slots]

    def read_prefix(self, prompt: Prompt) -> Prefix:
        """Reads a prompt that many takes begin with, once."""
        return read_prefix(self._model, prompt)

    def clear(self) -> None:
        """Gives the memory of all of them back."""
        self._runners.clear()
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    def made(self, slots: int) -> FrameRunner:
        """A new one with slots of its own, which nobody else is given."""
        context = self._model.config.backbone.context
        blocks = Blocks.exact(self._model, slots) if self._exact else Blocks()
        state = SlotState(self._model, slots, self._codebooks, context, blocks)
        if self._captured:
            from voicegen.tts.marvis.capture import CapturedFrames

            return CapturedFrames(self._model, state, Sampling())
        return PlainFrames(self._model, state, Sampling())
