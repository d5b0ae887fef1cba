"""Frames of many streams through Mimi's decoder as a fixed sequence of launches, each stream at a place of its own.

The same computation as `MimiDecoder.each`, in the kernels of `kernels`. What the layers remember of a stream lies in
rows that never move: the inputs of each convolution with their context in front, and rings of keys and values. Only
the streams that have a frame are computed, and nothing waits for the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from voicegen.tts.marvis import kernels
from voicegen.tts.marvis.mimi import MimiDecoder
from voicegen.tts.marvis.mimi_layers import Convolution, Residual, TransformerLayer, Upsampling

_LEAST_CHANNELS = 16
"""What a tile of a product needs."""


@dataclass(frozen=True, slots=True)
class _Product:
    """A convolution of the SEANet decoder, and what becomes of its outputs."""

    window: kernels.Window
    length: int  # places a frame
    adds: bool  # the residual stream to them
    keeps: bool  # them, as the residual stream or as samples


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of the transformer, its scales multiplied into the products before them."""

    layer: TransformerLayer
    output: Tensor
    output_bias: Tensor | None
    contract: Tensor


class CodecStep:
    """Rows of memory for streams, and the launches of a step."""

    def __init__(self, decoder: MimiDecoder, codebooks: int, rows: int, frames: int = 1) -> None:
        """Makes room.

        Args:
            decoder: One that `is_for` this.
            codebooks: Of each frame.
            frames: Of each stream in a step, at most.
            rows: Streams; each takes some 5 MB at Mimi's sizes in half precision. One more takes what is not wanted.
        """
        assert decoder.upsample is not None
        self.rows = rows
        self._decoder = decoder
        device, kind = decoder.device, decoder.dtype
        self._codebooks = codebooks
        self._tables = _projected(decoder, codebooks)
        self._taps = _upsampling_taps(decoder.upsample)
        self._layers = [_scaled(layer) for layer in decoder.transformer]
        self._products = _products(decoder)
        shapes = [(each.window.reach + frames * each.length, each.window.channels) for each in self._products]
        starts = [0]
        for length, channels in shapes:
            starts.append(starts[-1] + -(-length * channels // 16) * 16)
        self._memory = torch.zeros(rows + 1, starts[-1], device=device, dtype=kind)
        self._inputs = [
            self._memory[:, start : start + length * channels].view(-1, length, channels)
            for start, (length, channels) in zip(starts, shapes, strict=False)
        ]
        moved = [
            (start, each.length * each.window.channels, each.window.reach * each.window.channels)
            for start, each in zip(starts, self._products, strict=False)
            if each.window.reach
        ]
        self._moved = torch.tensor(moved, device=device).T.contiguous()
        self._most_moved = max(size for *_, size in moved)
        attention, steps = self._layers[0].layer.attention, frames * decoder.steps
        ring = 1 << (decoder.window + steps - 2).bit_length()  # what is written over is seen no more
        shape = (len(self._layers), rows + 1, attention.kv_heads, ring, attention.head_size)
        self._keys, self._values = (torch.zeros(shape, device=device, dtype=kind) for _ in range(2))
        self._before = torch.zeros(rows + 1, self._tables.shape[2], device=device)
        self._positions = torch.zeros(rows + 1, dtype=torch.int64, device=device)
        self._steps = torch.arange(steps, device=device)
        self._source = torch.zeros(rows * (1 + frames * codebooks), dtype=torch.int32, device=device)
        self._samples = torch.zeros(rows * frames * decoder.frame_size, device=device)

    @staticmethod
    def is_for(decoder: MimiDecoder) -> bool:
        """Whether the decoder is built as Mimi is published, and wide enough for the kernels."""
        up = decoder.upsample
        if up is None or up.bias is not None or up.weight.shape[1] != 1 or up.weight.shape[2] != 2 * up.stride:
            return False
        layers = decoder.seanet
        residuals = [layer for layer in layers if isinstance(layer, Residual)]
        transposed = [layer for layer in layers if isinstance(layer, Upsampling)]
        narrowest = min(convolution.weight.shape[0] for layer in residuals for convolution in layer.convolutions)
        return (
            narrowest >= _LEAST_CHANNELS
            and all(layer.shortcut is None for layer in residuals)
            and all(layer.groups == 1 and layer.weight.shape[2] % layer.stride == 0 for layer in transposed)
            and all(after is None or isinstance(after, Residual) for layer, after in pairwise(layers) if layer)
        )

    def begin(self, rows: Sequence[int]) -> None:
        """Makes rows ready for new streams."""
        places = torch.tensor(list(rows), device=self._memory.device)
        for memory in (self._memory, self._before, self._positions):
            memory.index_fill_(0, places, 0)

    def source(self, count: int, frames: int) -> Tensor:
        """What a step of so many streams and frames reads (count, 1 + frames * K): whose they are, and their codes."""
        width = 1 + frames * self._codebooks
        return self._source[: count * width].view(count, width)

    def samples(self, count: int, frames: int) -> Tensor:
        """What it writes (count, frames * frame_size)."""
        size = frames * self._decoder.frame_size
        return self._samples[: count * size].view(count, size)

    def launch(self, count: int, frames: int) -> None:
        """Decodes the next frames of some streams."""
        source = self.source(count, frames)
        index, steps = source[:, 0], frames * self._decoder.steps
        width = self._tables.shape[2]
        hidden = self._memory.new_empty(count, steps, width)
        kernels.latents(source, self._tables, self._taps, self._before, hidden)
        hidden = hidden.view(count * steps, width)
        angles = self._angles(index, steps)
        for place, layer in enumerate(self._layers):
            self._transform(hidden, layer, angles, index, self._keys[place], self._values[place])
        self._new(0, frames).index_copy_(0, index.long(), hidden.view(count, steps, width))
        self._seanet(index, frames)
        kernels.remember(self._memory, self._moved, self._positions, index, steps, frames, self._most_moved)

    def _angles(self, index: Tensor, steps: int) -> Tensor:
        """Cosines and sines (n, steps, 2, D / 2) of the new positions."""
        positions = self._positions[index.long()][:, None] + self._steps[:steps]
        angles = positions[..., None].float() * self._decoder.frequencies
        return torch.stack([angles.cos(), angles.sin()], dim=2)

    def _new(self, place: int, frames: int) -> Tensor:
        """The new places of a convolution's inputs."""
        product = self._products[place]
        return self._inputs[place][:, product.window.reach :][:, : frames * product.length]

    def _transform(
        self, hidden: Tensor, scaled: _Layer, angles: Tensor, index: Tensor, keys: Tensor, values: Tensor
    ) -> None:
        """A layer, from the stream (n * steps, width) to the stream."""
        layer, count = scaled.layer, len(index)
        attention = layer.attention
        qkv = F.linear(layer.normed(hidden, 0), attention.projection, attention.projection_bias)
        mixed = hidden.new_empty(count, len(hidden) // count, attention.heads * attention.head_size)
        qkv = qkv.view(count, mixed.shape[1], -1)
        kernels.ring_attention(qkv, angles, keys, values, self._positions, index, mixed, attention.window)
        hidden.addmm_(mixed.flatten(0, 1), scaled.output.T)
        if scaled.output_bias is not None:
            hidden += scaled.output_bias
        expanded = layer.activation(F.linear(layer.normed(hidden, 1), layer.expand))
        hidden.addmm_(expanded, scaled.contract.T)

    def _seanet(self, index: Tensor, frames: int) -> None:
        samples = trunk = self.samples(len(index), frames)
        for place, product in enumerate(self._products):
            is_last, length = place == len(self._products) - 1, frames * product.length
            if is_last:
                trunk = samples
            elif product.keeps and not product.adds:
                trunk = self._memory.new_empty(len(index), length, product.window.outputs)
            kernels.window_product(
                product.window,
                self._inputs[place][:, : product.window.reach + length],
                index,
                trunk=trunk,
                add=product.adds,
                keep=product.keeps,
                active=None if is_last else self._new(place + 1, frames),
            )


def _products(decoder: MimiDecoder) -> list[_Product]:
    """The convolutions in order; each writes the next one's inputs."""
    found: list[_Product] = []
    length = decoder.steps
    layers = decoder.seanet
    for place, layer in enumerate(layers):
        if layer is None:  # an ELU, which whoever writes its inputs applies
            continue
        is_last = place == len(layers) - 1
        keeps = is_last or isinstance(layers[place + 1], Residual)
        if isinstance(layer, Residual):
            *inner, outer = (_convolution(part) for part in layer.convolutions)
            found += [_Product(window, length, adds=False, keeps=False) for window in inner]
            found.append(_Product(outer, length, adds=True, keeps=keeps))
        elif isinstance(layer, Upsampling):
            found.append(_Product(_transposed(layer), length, adds=False, keeps=keeps))
            length *= layer.stride
        else:
            found.append(_Product(_convolution(layer), length, adds=False, keeps=keeps))
    return found


def _convolution(layer: Convolution) -> kernels.Window:
    _, channels, taps = layer.weight.shape
    weight = layer.weight.permute(0, 2, 1).flatten(1).contiguous()
    return kernels.Window(weight, layer.bias, channels, taps, layer.dilation)


def _transposed(layer: Upsampling) -> kernels.Window:
    """An input and those before it give the outputs of a stride."""
    channels, _, kernel = layer.weight.shape
    taps = kernel // layer.stride
    parts = layer.weight.unflatten(2, (taps, layer.stride)).flip(2)  # (C_in, C_out, oldest first, stride)
    weight = parts.permute(3, 1, 2, 0).reshape(-1, taps * channels).contiguous()
    return kernels.Window(weight, None if layer.bias is None else layer.bias.repeat(layer.stride), channels, taps)


def _projected(decoder: MimiDecoder, codebooks: int) -> Tensor:
    """The vectors (K, codes, width) of each codebook as they are added up, behind their half's projection."""
    parts = []
    for table, projection in zip(decoder.tables, decoder.projections, strict=True):
        vectors = table if projection is None else F.linear(table, projection)
        parts.append(vectors.unflatten(0, (-1, decoder.codebook_size)))
    return torch.cat(parts)[:codebooks].contiguous()


def _upsampling_taps(layer: Upsampling) -> Tensor:
    """(2, stride, width): for a frame itself and for the one before it."""
    taps = layer.weight[:, 0].float().T
    return taps.unflatten(0, (-1, layer.stride)).contiguous()


def _scaled(layer: TransformerLayer) -> _Layer:
    attention, (first, second) = layer.attention, (scale.float() for scale in layer.scales)
    bias = (
        None
        if attention.output_bias is None
        else (attention.output_bias.float() * first).to(attention.output_bias.dtype)
    )
    return _Layer(layer, _rows(attention.output, first), bias, _rows(layer.contract, second))


def _rows(weight: Tensor, scale: Tensor) -> Tensor:
    """A weight (out, in) whose outputs are multiplied by `scale` (out,)."""
    return (weight.float() * scale[:, None]).to(weight.dtype)
