"""One frame for every slot: sample codebook 0, run the depth decoder for the others, advance the backbone.

`PlainFrames` is the plain torch path, for the CPU, MPS and any device; `capture.py` has the fast one for CUDA. Both are
a `FrameRunner`, and both write the same `SlotState`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import BROKEN, EOS, FULL, PendingFrame, rungs
from voicegen.tts.marvis.model import MarvisModel, attention
from voicegen.tts.marvis.prefill import prefill
from voicegen.tts.marvis.products import product
from voicegen.tts.marvis.prompts import Admission
from voicegen.tts.marvis.sampler import sample

CPU_SPAN = 512
"""Positions whose sums torch's attention makes together on a CPU: those that are masked beyond them change no bit."""


class _DoneFrame:
    def __init__(self, output: torch.Tensor) -> None:
        self._output = output

    def wait(self) -> NDArray[np.int32]:
        return self._output.cpu().numpy().copy()


class PlainFrames:
    """Frames in plain torch, with the buffers of the depth decoder allocated once."""

    lag = 0
    refill_every = 1

    def __init__(self, model: MarvisModel, state: SlotState, sampling: Sampling) -> None:
        sizes = model.config.depth
        shape = (2, sizes.layers, len(state.hidden), sizes.kv_heads, state.codebooks, sizes.head_dim)
        self.model = model
        self.state = state
        self.sampling = sampling
        self._depth_cache = torch.zeros(shape, device=model.device, dtype=model.dtype)
        self._first_mask = torch.ones(2, 2, dtype=torch.bool, device=model.device).tril()[None, None]

    @property
    def sizes(self) -> list[int]:
        """Powers of two, and all slots."""
        return rungs(self.state.slots)

    def use(self, sampling: Sampling) -> None:
        """Draws so from the next frame on."""
        self.sampling = sampling

    def admit(self, admissions: Sequence[Admission]) -> None:
        """Reads prompts into slots."""
        prefill(self.model, self.state, admissions)

    @torch.inference_mode()
    def launch(self, slots: int) -> PendingFrame:
        """Generates a frame of the first `slots` slots."""
        for rows in self.state.blocks.covering(slots):
            codes, finite = self.draw_frame(rows)
            self._advance(rows, codes)
            self._finish(rows, codes, finite)
        return _DoneFrame(self.state.output[:slots])

    def draw_frame(self, rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """The codes (n, codebooks) of some slots' next frames, and whether all logits were finite (n,)."""
        model, state = self.model, self.state
        hidden, seeds, frames = state.hidden[rows], state.seeds[rows], state.frames[rows]
        code, finite = sample(product(hidden, model.weights.first_head), seeds, frames, 0, self.sampling)
        codes, x = [code], model.depth_start(hidden, code)
        for codebook in range(1, state.codebooks):
            first = 0 if codebook == 1 else codebook
            last = self._depth_step(x, first)
            logits = product(last, model.weights.heads[codebook - 1])
            code, fine = sample(logits, seeds, frames, codebook, self.sampling)
            codes.append(code)
            finite = finite & fine
            x = model.depth_input(code, codebook)[:, None]
        return torch.stack(codes, dim=1), finite

    def _depth_step(self, x: torch.Tensor, first: int) -> torch.Tensor:
        end = first + x.shape[1]
        mask = self._first_mask if x.shape[1] == 2 else None
        cache = self._depth_cache[:, :, : x.shape[0]]

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            cache[0, layer, :, :, first:end] = k.transpose(1, 2)
            cache[1, layer, :, :, first:end] = v.transpose(1, 2)
            return attention(q, cache[0, layer, :, :, :end], cache[1, layer, :, :, :end], mask)

        return self.model.depth(x, first, attend)[:, -1]

    def _seen(self, positions: int) -> int:
        """How many positions are read so that so many are seen: on the CPU, no take's length changes another's sums."""
        on_cpu = self.model.device.type == "cpu"
        return min(-(-positions // CPU_SPAN) * CPU_SPAN, self.state.context) if on_cpu else positions

    def _advance(self, rows: slice, codes: torch.Tensor) -> None:
        """Feeds each slot's frame to the backbone, for the hidden state that its next frame is drawn from."""
        state = self.state
        positions = state.positions[rows].clamp(min=0)
        width = self._seen(int(positions.max()) + 1)
        places = torch.arange(rows.start, rows.stop, device=codes.device)
        mask = (torch.arange(width, device=codes.device) <= positions[:, None])[:, None, None]

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            state.keys[layer, places, :, positions] = k[:, 0]
            state.values[layer, places, :, positions] = v[:, 0]
            return attention(q, state.keys[layer, rows, :, :width], state.values[layer, rows, :, :width], mask)

        embedded = self.model.embed_frames(codes)[:, None]
        state.hidden[rows] = self.model.backbone(embedded, positions[:, None], attend)[:, 0]

    def _finish(self, rows: slice, codes: torch.Tensor, finite: torch.Tensor) -> None:
        """Writes codes and flags, and counts; a slot whose take has ended is idle."""
        state = self.state
        counters = state.counters[rows]
        eos = (codes == self.model.config.eos_code).all(dim=1)
        full = counters[:, 1] + 1 >= counters[:, 2]
        flags = eos * EOS + full * FULL + ~finite * BROKEN
        state.output[rows, :-1] = codes.int()
        state.output[rows, -1] = flags.int()
        idle = counters.new_tensor([-1, 0, 0])
        going_on = torch.cat([counters[:, :2] + 1, counters[:, 2:3]], dim=1)
        counters[:, :3] = torch.where(flags[:, None] > 0, idle, going_on)
