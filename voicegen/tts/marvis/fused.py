"""One frame as a fixed sequence of launches over static buffers: what `capture.py` captures.

The same computation as `frames.PlainFrames`, in matrix products of the vendor's library with Triton kernels between
them (`kernels.py`); for a few rows the products too are Triton's. Nothing is allocated and nothing waits for the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from voicegen.tts.marvis import kernels
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.config import TransformerConfig
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.weights import LayerWeights

HEAD_ALIGNMENT = 64
"""Rows of the heads are padded to a multiple: 2,051 is odd, and an unaligned product takes a slow kernel."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """Scratch of one transformer for R rows."""

    x: torch.Tensor  # (R, width), the residual stream
    normed: torch.Tensor  # (R, width)
    qkv: torch.Tensor  # (R, (H + 2 KV) D)
    mixed: torch.Tensor  # (R, H D)
    gate_up: torch.Tensor  # (R, 2 F)
    active: torch.Tensor  # (R, F)

    @staticmethod
    def of(sizes: TransformerConfig, rows: int, like: torch.Tensor) -> Buffers:
        """Buffers with the device and dtype of `like`."""
        query, both = sizes.heads * sizes.head_dim, 2 * sizes.kv_heads * sizes.head_dim
        widths = (sizes.width, sizes.width, query + both, query, 2 * sizes.ffn, sizes.ffn)
        return Buffers(*(like.new_zeros(rows, width) for width in widths))

    def rows(self, start: int, end: int) -> Buffers:
        """A view of some rows."""
        return Buffers(*(getattr(self, name)[start:end] for name in Buffers.__slots__))


def padded(head: torch.Tensor) -> torch.Tensor:
    """A head (V, width) with rows of zeros up to the alignment."""
    return F.pad(head, (0, 0, 0, -head.shape[0] % HEAD_ALIGNMENT))


class FusedFrame:
    """Launches frames for the first n slots of a state."""

    def __init__(self, model: MarvisModel, state: SlotState) -> None:
        weights, depth = model.weights, model.config.depth
        self.model = model
        self.state = state
        self.controls = torch.zeros(2, device=model.device)  # temperature, top-k
        self._hopper = model.device.type == "cuda" and torch.cuda.get_device_capability(model.device) >= (9, 0)
        self._dependent = False
        self._first_head = padded(weights.first_head)
        self._heads = [padded(head) for head in weights.heads[: state.codebooks - 1]]
        self._backbone = Buffers.of(model.config.backbone, state.slots, weights.first_head)
        self._depth = Buffers.of(depth, 2 * state.slots, weights.first_head)
        self._logits = weights.first_head.new_zeros(state.slots, self._first_head.shape[0])
        self._broken = torch.zeros(state.slots, device=model.device, dtype=torch.int32)
        shape = (depth.layers, state.slots, depth.kv_heads, state.codebooks, depth.head_dim)
        self._keys = weights.first_head.new_zeros(shape)
        self._values = weights.first_head.new_zeros(shape)

    def launch(self, slots: int) -> None:
        """Launches one frame of the first `slots` slots."""
        # Only in a frame whose kernels are all ours does each one wait for the one in front of it.
        self._dependent = self._hopper and 2 * slots <= kernels.NARROW
        self._first_codes(slots)
        for book in range(2, self.state.codebooks):
            self._depth_step(slots, book)
        self._advance(slots)
        kernels.finish(
            self.state.output[:slots],
            self._broken[:slots],
            self.state.counters[:slots],
            self.model.config.eos_code,
            dependent=self._dependent,
        )

    def _first_codes(self, slots: int) -> None:
        """Codebook 0 from the backbone, and 1 from the depth decoder's first two positions at once."""
        weights, sizes = self.model.weights, self.model.config.depth
        both = self._depth.rows(0, 2 * slots)
        hidden, second = self.state.hidden[:slots], both.rows(slots, 2 * slots)
        self._linear(hidden, self._first_head, self._logits[:slots])
        self._sample(slots, 0, second)
        start = both.rows(0, slots)
        self._linear(hidden, weights.projection, start.x)
        kernels.rms_norm(start.x, weights.depth[0].input_norm, sizes.norm_eps, start.normed, dependent=self._dependent)

        def attend(layer: int) -> None:
            for position, rows in enumerate((start, second)):
                self._attend(rows, layer, position, slots)

        self._layers(weights.depth, sizes, both, attend)
        self._draw(slots, 1, second)

    def _depth_step(self, slots: int, book: int) -> None:
        """Codebook `book` from the depth decoder's position of the same number."""
        rows = self._depth.rows(0, slots)

        def attend(layer: int) -> None:
            self._attend(rows, layer, book, slots)

        self._layers(self.model.weights.depth, self.model.config.depth, rows, attend)
        self._draw(slots, book, rows)

    def _draw(self, slots: int, book: int, rows: Buffers) -> None:
        """Last norm, head and code of a depth step; the next step's inputs go to the first rows."""
        weights, sizes = self.model.weights, self.model.config.depth
        if slots <= kernels.NARROW:
            head, logits = self._heads[book - 1], self._logits[:slots]
            kernels.narrow_linear(
                rows.x, head, logits, norm=weights.depth_norm, eps=sizes.norm_eps, dependent=self._dependent
            )
        else:
            kernels.rms_norm(rows.x, weights.depth_norm, sizes.norm_eps, rows.normed)
            torch.mm(rows.normed, self._heads[book - 1].t(), out=self._logits[:slots])
        self._sample(slots, book, self._depth.rows(0, slots))

    def _sample(self, slots: int, book: int, target: Buffers) -> None:
        config, weights = self.model.config, self.model.weights
        last = book == self.state.codebooks - 1
        norm = weights.depth[0].input_norm
        kernels.sample(
            self._logits[:slots],
            self.state.output[:slots],
            self._broken[:slots],
            self.state.counters[:slots],
            self.controls,
            book,
            config.audio_vocab,
            None if last else (self.model.depth_inputs, norm, target.x, target.normed, config.depth.norm_eps),
            dependent=self._dependent,
        )

    def _advance(self, slots: int) -> None:
        """Feeds the frame to the backbone."""
        config, weights, state = self.model.config, self.model.weights, self.state
        sizes, rows = config.backbone, self._backbone.rows(0, slots)
        norm = weights.backbone[0].input_norm
        embeddings = weights.audio_embeddings
        kernels.embed_frame(
            state.output[:slots],
            embeddings,
            norm,
            rows.x,
            rows.normed,
            config.audio_vocab,
            sizes.norm_eps,
            dependent=self._dependent,
        )

        def attend(layer: int) -> None:
            keys, values = state.keys[layer], state.values[layer]
            table, positions = self.model.backbone_rope, state.positions[:slots]
            kernels.attention(
                rows.qkv, keys, values, table, rows.mixed, positions, sizes.heads, dependent=self._dependent
            )

        self._layers(weights.backbone, sizes, rows, attend)
        kernels.rms_norm(rows.x, weights.backbone_norm, sizes.norm_eps, state.hidden[:slots], dependent=self._dependent)

    def _attend(self, rows: Buffers, layer: int, position: int, slots: int) -> None:
        keys, values = self._keys[layer, :slots], self._values[layer, :slots]
        heads, table = self.model.config.depth.heads, self.model.depth_rope
        # The kernel reads the cache before it waits; at position 1 the kernel in front has only just written it.
        early = self._dependent and position != 1
        kernels.attention(rows.qkv, keys, values, table, rows.mixed, position, heads, dependent=early)

    def _layers(
        self, layers: tuple[LayerWeights, ...], sizes: TransformerConfig, rows: Buffers, attend: Callable[[int], None]
    ) -> None:
        """All layers over rows whose x and first norm are there; leaves the residual stream in x."""
        if len(rows.x) <= kernels.NARROW:
            self._narrow_layers(layers, sizes, rows, attend)
            return
        for index, layer in enumerate(layers):
            if index:
                kernels.rms_norm(rows.x, layer.input_norm, sizes.norm_eps, rows.normed)
            torch.mm(rows.normed, layer.qkv.t(), out=rows.qkv)
            attend(index)
            rows.x.addmm_(rows.mixed, layer.out.t())
            kernels.rms_norm(rows.x, layer.ffn_norm, sizes.norm_eps, rows.normed)
            torch.mm(rows.normed, layer.gate_up.t(), out=rows.gate_up)
            kernels.silu_mul(rows.gate_up, rows.active)
            rows.x.addmm_(rows.active, layer.down.t())

    def _narrow_layers(
        self, layers: tuple[LayerWeights, ...], sizes: TransformerConfig, rows: Buffers, attend: Callable[[int], None]
    ) -> None:
        eps, early = sizes.norm_eps, self._dependent
        for index, layer in enumerate(layers):
            kernels.narrow_linear(rows.x, layer.qkv, rows.qkv, norm=layer.input_norm, eps=eps, dependent=early)
            attend(index)
            kernels.narrow_linear(rows.mixed, layer.out, rows.x, add=True, dependent=early)
            kernels.narrow_linear(
                rows.x, layer.gate_up, rows.active, norm=layer.ffn_norm, eps=eps, gated=True, dependent=early
            )
            kernels.narrow_linear(rows.active, layer.down, rows.x, add=True, dependent=early)

    def _linear(self, x: torch.Tensor, weight: torch.Tensor, out: torch.Tensor) -> None:
        if len(x) <= kernels.NARROW:
            kernels.narrow_linear(x, weight, out, dependent=self._dependent)
        else:
            torch.mm(x, weight.t(), out=out)
