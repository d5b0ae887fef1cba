"""The layers of Mimi's decoder, each a causal function of its inputs and of what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from voicegen.tts.marvis.codec_state import CodecState

_FEW = 64
"""Places of a product at a time that are gathered rather than multiplied a stream after the other."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A causal convolution, (B, C_in, T) -> (B, C_out, T)."""

    number: int
    weight: Tensor  # (C_out, C_in, kernel)
    bias: Tensor | None
    dilation: int

    def __call__(self, inputs: Tensor, state: CodecState) -> Tensor:
        """(B, C_in, T) to (B, C_out, T)."""
        taps = self.weight.shape[2]
        reach = (taps - 1) * self.dilation
        extended = _with_context(inputs, self.number, reach, state)
        if not inputs.is_cuda:
            return functional.conv1d(extended, self.weight, self.bias, dilation=self.dilation)
        matrix = self.weight.permute(2, 1, 0).flatten(0, 1)  # (taps * C_in, C_out)
        places = [tap * self.dilation for tap in range(taps)]
        return _product(extended, places, inputs.shape[2], matrix, self.bias).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Upsampling:
    """A causal transposed convolution, (B, C_in, T) -> (B, C_out, T * stride)."""

    number: int
    weight: Tensor  # (C_in, C_out / groups, kernel)
    bias: Tensor | None
    stride: int
    groups: int

    def __call__(self, inputs: Tensor, state: CodecState) -> Tensor:
        """(B, C_in, T) to (B, C_out, T * stride): each input reaches its own outputs and those of a few after it."""
        reach = -(-self.weight.shape[2] // self.stride) - 1
        extended = _with_context(inputs, self.number, reach, state)
        if self.weight.shape[2] % self.stride == 0:
            if self.groups == inputs.shape[1] and self.weight.shape[1] == 1:
                return self._by_channel(extended, inputs.shape[2], reach)
            if inputs.is_cuda and self.groups == 1:
                return self._as_product(extended, inputs.shape[2], reach)
        outputs = functional.conv_transpose1d(extended, self.weight, self.bias, self.stride, groups=self.groups)
        start = reach * self.stride
        return outputs[..., start : start + inputs.shape[2] * self.stride]

    def _as_product(self, extended: Tensor, length: int, reach: int) -> Tensor:
        """A matrix product a tap: an input and those before it give the `stride` outputs of its place."""
        taps = self.weight.unflatten(2, (reach + 1, self.stride)).flip(2)  # (C_in, C_out, oldest first, stride)
        matrix = taps.permute(2, 0, 3, 1).flatten(2, 3).flatten(0, 1)  # (taps * C_in, stride * C_out)
        bias = None if self.bias is None else self.bias.repeat(self.stride)
        outputs = _product(extended, list(range(reach + 1)), length, matrix, bias)
        return outputs.unflatten(2, (self.stride, -1)).flatten(1, 2).transpose(1, 2)

    def _by_channel(self, extended: Tensor, length: int, reach: int) -> Tensor:
        """With a channel a group it is a few products of numbers."""
        taps = self.weight[:, 0].T.view(reach + 1, 1, 1, self.stride, -1)
        earlier = extended.transpose(1, 2)[:, :, None]  # (B, reach + T, 1, C)
        outputs = earlier[:, reach : reach + length] * taps[0]
        for back in range(1, reach + 1):
            outputs = outputs + earlier[:, reach - back : reach - back + length] * taps[back]
        outputs = outputs.flatten(1, 2)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs.transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Residual:
    """Convolutions with a way around them, (B, C, T) -> (B, C, T)."""

    convolutions: tuple[Convolution, ...]
    shortcut: Convolution | None

    def __call__(self, inputs: Tensor, state: CodecState) -> Tensor:
        """Advances the state of its convolutions."""
        hidden = inputs
        for convolution in self.convolutions:
            hidden = convolution(functional.elu(hidden), state)
        return (self.shortcut(inputs, state) if self.shortcut else inputs) + hidden


@dataclass(frozen=True, slots=True)
class Attention:
    """Self-attention over a window of positions before, (B, T, width) -> (B, T, width)."""

    number: int
    projection: Tensor  # queries, keys and values together
    projection_bias: Tensor | None
    output: Tensor
    output_bias: Tensor | None
    heads: int
    kv_heads: int
    head_size: int
    window: int

    def __call__(self, inputs: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, state: CodecState) -> Tensor:
        """(B, T, C) to (B, T, C); `mask` (T, past + T), or (B, 1, ...), is true where a position sees another."""
        batch, length, _ = inputs.shape
        projected = functional.linear(inputs, self.projection, self.projection_bias)
        heads = projected.view(batch, length, -1, self.head_size).transpose(1, 2)
        queries, keys, values = heads.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        queries, keys = _rotated(queries, rotation), _rotated(keys, rotation)
        if self.number in state.keys:
            keys = torch.cat([state.keys[self.number], keys], dim=2)
            values = torch.cat([state.values[self.number], values], dim=2)
        kept = self.window - 1
        state.keys[self.number], state.values[self.number] = keys[:, :, -kept:], values[:, :, -kept:]
        seen = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, enable_gqa=self.heads != self.kv_heads
        )
        return functional.linear(seen.transpose(1, 2).reshape(batch, length, -1), self.output, self.output_bias)


@dataclass(frozen=True, slots=True)
class TransformerLayer:
    """Attention and an MLP, each scaled, (B, T, width) -> (B, T, width)."""

    attention: Attention
    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # weight and bias, before attention and before the MLP
    scales: tuple[Tensor, Tensor]
    expand: Tensor
    contract: Tensor
    activation: Callable[[Tensor], Tensor]
    epsilon: float

    def __call__(self, inputs: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, state: CodecState) -> Tensor:
        """Advances the state of its attention."""
        hidden = inputs + self.scales[0] * self.attention(self.normed(inputs, 0), rotation, mask, state)
        expanded = self.activation(functional.linear(self.normed(hidden, 1), self.expand))
        return hidden + self.scales[1] * functional.linear(expanded, self.contract)

    def normed(self, inputs: Tensor, which: int) -> Tensor:
        """The norm before attention (0) or before the MLP (1)."""
        weight, bias = self.norms[which]
        return functional.layer_norm(inputs, weight.shape, weight, bias, self.epsilon)


def _with_context(inputs: Tensor, number: int, reach: int, state: CodecState) -> Tensor:
    """`inputs` (B, C, T) with the `reach` inputs before them, zeros at the beginning; remembers the last ones."""
    if reach == 0:
        return inputs
    context = state.contexts.get(number)
    if inputs.is_cuda:  # channels lie innermost in memory there, and stay so
        turned = inputs.transpose(1, 2)
        before = functional.pad(turned[:, :0], (0, 0, reach, 0)) if context is None else context.transpose(1, 2)
        joined = torch.cat([before, turned], dim=1)
        state.contexts[number] = joined[:, -reach:].contiguous().transpose(1, 2)
        return joined.transpose(1, 2)
    extended = functional.pad(inputs, (reach, 0)) if context is None else torch.cat([context, inputs], dim=2)
    state.contexts[number] = extended[..., -reach:].clone()
    return extended


def _product(extended: Tensor, places: list[int], length: int, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution as a matrix product a tap, for CUDA: cuDNN's half precision took several times as long here.

    Args:
        extended: (B, C, reach + T), channels innermost in memory.
        places: Where each tap's first input lies.
        length: T.
        matrix: (taps * C, N).
        bias: (N,).

    Returns:
        (B, T, N).
    """
    turned = extended.transpose(1, 2)
    batch, parts = len(turned), matrix.unflatten(0, (len(places), -1))
    if length <= _FEW:  # of streams: gathered, a tap is one product, and its weights are read once for all of them
        gathered = torch.cat([turned[:, place : place + length] for place in places], dim=2).flatten(0, 1)
        product = gathered @ matrix if bias is None else torch.addmm(bias, gathered, matrix)
        return product.unflatten(0, (batch, length))
    outputs = None if bias is None else bias.expand(batch, length, -1).contiguous()
    for place, part in zip(places, parts, strict=True):
        inputs, part = turned[:, place : place + length], part.expand(batch, -1, -1)
        outputs = torch.bmm(inputs, part) if outputs is None else outputs.baddbmm_(inputs, part)
    assert outputs is not None
    return outputs


def _rotated(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions by halves (B, H, T, D); cosine and sine are (T, D) or (B, 1, T, D)."""
    cosine, sine = rotation
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat([-second, first], dim=-1) * sine
