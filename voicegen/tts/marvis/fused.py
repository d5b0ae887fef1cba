"""One frame as a fixed sequence of launches over static buffers: what `capture.py` captures.

The same computation as `frames.PlainFrames`, in the kernels of `kernels`. Nothing is allocated and nothing waits for
the host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from voicegen.tts.marvis import kernels
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.config import TransformerConfig
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.weights import LayerWeights

HEAD_ALIGNMENT = 64
"""Rows of the heads are padded to a multiple: 2,051 is odd, and an unaligned product takes a slow kernel."""
MOST_ROWS = 256
"""Slots up to which our products are the faster ones; beyond, the vendor's: measured on an H200."""


@dataclass(frozen=True, slots=True)
class Buffers:
    """Scratch of one transformer for R rows."""

    x: kernels.Stream  # (R, width)
    qkv: torch.Tensor  # (R, (H + 2 KV) D)
    mixed: torch.Tensor  # (R, H D)
    active: torch.Tensor  # (R, F)

    @staticmethod
    def of(sizes: TransformerConfig, rows: int, like: torch.Tensor) -> Buffers:
        """Buffers with the device and dtype of `like`."""
        query, both = sizes.heads * sizes.head_dim, 2 * sizes.kv_heads * sizes.head_dim
        widths = (query + both, query, sizes.ffn)
        return Buffers(kernels.Stream.of(rows, sizes.width, like), *(like.new_zeros(rows, width) for width in widths))

    def rows(self, start: int, end: int) -> Buffers:
        """A view of some rows."""
        parts = (self.qkv, self.mixed, self.active)
        return Buffers(self.x.rows(start, end), *(part[start:end] for part in parts))


@dataclass(frozen=True, slots=True)
class FusedLayer:
    """Weights of a layer, those of its norms multiplied into the products behind them."""

    qkv: torch.Tensor
    out: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor

    @staticmethod
    def of(layer: LayerWeights) -> FusedLayer:
        """A layer's."""
        return FusedLayer(
            _scaled(layer.qkv, layer.input_norm), layer.out, _scaled(layer.gate_up, layer.ffn_norm), layer.down
        )


class FusedFrame:
    """Launches frames for the first n slots of a state."""

    def __init__(self, model: MarvisModel, state: SlotState) -> None:
        weights, depth = model.weights, model.config.depth
        like = weights.depth_norm
        self.model = model
        self.state = state
        self.controls = torch.zeros(2, device=model.device)  # temperature, top-k
        self._products = kernels.Products(model.device)
        self._vendor = kernels.VendorProducts(2 * state.slots, like)
        self._hopper = model.device.type == "cuda" and torch.cuda.get_device_capability(model.device) >= (9, 0)
        self._dependent = False
        self._linear: Callable[..., None] = self._products
        self._first_head = _padded(weights.first_head)
        self._backbone_layers = [FusedLayer.of(layer) for layer in weights.backbone]
        self._depth_layers = [FusedLayer.of(layer) for layer in weights.depth]
        self._heads = [_padded(_scaled(head, weights.depth_norm)) for head in weights.heads[: state.codebooks - 1]]
        self._backbone = Buffers.of(model.config.backbone, state.slots, like)
        self._depth = Buffers.of(depth, 2 * state.slots, like)
        self._logits = like.new_zeros(state.slots, len(self._first_head))
        self._broken = torch.zeros(state.slots, device=model.device, dtype=torch.int32)
        shape = (depth.layers, state.slots, depth.kv_heads, state.codebooks, depth.head_dim)
        self._keys, self._values = like.new_zeros(shape), like.new_zeros(shape)

    def launch(self, slots: int) -> None:
        """Launches one frame of the first `slots` slots."""
        product: Any = self._products if slots <= MOST_ROWS else self._vendor
        # The vendor's kernels start when all before them has ended, and so does what comes behind them.
        self._dependent = self._hopper and slots <= MOST_ROWS
        self._linear = partial(kernels.narrow_product if slots == 1 else product, dependent=self._dependent)
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
        both = self._depth.rows(0, 2 * slots)
        hidden, start, second = self.state.hidden[:slots], both.rows(0, slots), both.rows(slots, 2 * slots)
        self._linear(hidden, self._first_head, self._logits[:slots])
        self._sample(slots, 0, second)
        self._linear(hidden, self.model.weights.projection, start.x)

        def attend(layer: int) -> None:
            for position, rows in enumerate((start, second)):
                self._attend(rows, layer, position, slots)

        self._layers(self._depth_layers, self.model.config.depth, both, attend)
        self._draw(slots, 1, second)

    def _depth_step(self, slots: int, book: int) -> None:
        """Codebook `book` from the depth decoder's position of the same number."""
        rows = self._depth.rows(0, slots)

        def attend(layer: int) -> None:
            self._attend(rows, layer, book, slots)

        self._layers(self._depth_layers, self.model.config.depth, rows, attend)
        self._draw(slots, book, rows)

    def _draw(self, slots: int, book: int, rows: Buffers) -> None:
        """Last norm, head and code of a depth step; the next step's inputs go to the first rows."""
        self._linear(rows.x, self._heads[book - 1], self._logits[:slots], eps=self.model.config.depth.norm_eps)
        self._sample(slots, book, self._depth.rows(0, slots))

    def _sample(self, slots: int, book: int, target: Buffers) -> None:
        last = book == self.state.codebooks - 1
        kernels.sample(
            self._logits[:slots],
            self.state.output[:slots],
            self._broken[:slots],
            self.state.counters[:slots],
            self.controls,
            book,
            self.model.config.audio_vocab,
            None if last else self.model.depth_inputs,
            target.x,
            dependent=self._dependent,
        )

    def _advance(self, slots: int) -> None:
        """Feeds the frame to the backbone."""
        model, state, early = self.model, self.state, self._dependent
        sizes, rows = model.config.backbone, self._backbone.rows(0, slots)
        kernels.embed_frame(
            state.output[:slots], model.weights.audio_embeddings, rows.x, model.config.audio_vocab, dependent=early
        )

        def attend(layer: int) -> None:
            keys, values, positions = state.keys[layer], state.values[layer], state.positions[:slots]
            kernels.attention(
                rows.qkv, keys, values, model.backbone_rope, rows.mixed, positions, sizes.heads, dependent=early
            )

        self._layers(self._backbone_layers, sizes, rows, attend)
        norm, hidden = model.weights.backbone_norm, state.hidden[:slots]
        kernels.normed(rows.x.values, norm, sizes.norm_eps, hidden, dependent=early)

    def _attend(self, rows: Buffers, layer: int, position: int, slots: int) -> None:
        keys, values = self._keys[layer, :slots], self._values[layer, :slots]
        heads, table = self.model.config.depth.heads, self.model.depth_rope
        # At position 1 the kernel in front has only just written the cache, which this one reads early.
        early = self._dependent and position != 1
        kernels.short_attention(rows.qkv, keys, values, table, rows.mixed, position, heads, dependent=early)

    def _layers(
        self, layers: list[FusedLayer], sizes: TransformerConfig, rows: Buffers, attend: Callable[[int], None]
    ) -> None:
        """All layers, from the stream to the stream."""
        eps = sizes.norm_eps
        for index, layer in enumerate(layers):
            self._linear(rows.x, layer.qkv, rows.qkv, eps=eps)
            attend(index)
            self._linear(rows.mixed, layer.out, rows.x, add=True)
            self._linear(rows.x, layer.gate_up, rows.active, eps=eps, gated=True)
            self._linear(rows.active, layer.down, rows.x, add=True)


def _scaled(weight: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
    """A product's weight (out, in) with the weight (in,) of the norm in front of it."""
    return (weight.float() * norm.float()).to(weight.dtype)


def _padded(head: torch.Tensor) -> torch.Tensor:
    """A head (V, width) with rows of zeros up to the alignment."""
    return F.pad(head, (0, 0, 0, -head.shape[0] % HEAD_ALIGNMENT))
