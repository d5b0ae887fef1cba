"""The layers of Mimi in MLX, each a causal function of its inputs (B, T, C) and of what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

from voicegen.tts.marvis.codec_state import CodecState


@dataclass(frozen=True, slots=True)
class Convolution:
    """A causal convolution, (B, T, C_in) -> (B, T / stride, C_out); T is a multiple of the stride.

    Attributes:
        number: its own among the layers with a state.
        weight: (C_out, taps, C_in).
        bias: (C_out,).
        stride: inputs an output.
        dilation: inputs from a tap to the next.
        repeats_first: whether the first input stands before itself too, where else zeros do.
    """

    number: int
    weight: mx.array
    bias: mx.array | None
    stride: int = 1
    dilation: int = 1
    repeats_first: bool = False

    def __call__(self, inputs: mx.array, state: CodecState) -> mx.array:
        """Advances its state."""
        reach = (self.weight.shape[1] - 1) * self.dilation + 1 - self.stride
        before = state.contexts.get(self.number)
        if before is None:
            first = inputs[:, :1] if self.repeats_first else mx.zeros_like(inputs[:, :1])
            before = mx.broadcast_to(first, (len(inputs), reach, inputs.shape[2]))
        extended = mx.concatenate([before, inputs], axis=1)
        state.contexts[self.number] = mx.contiguous(extended[:, extended.shape[1] - reach :])
        outputs = mx.conv1d(extended, self.weight, stride=self.stride, dilation=self.dilation)
        return outputs if self.bias is None else outputs + self.bias


@dataclass(frozen=True, slots=True)
class Upsampling:
    """A causal transposed convolution, (B, T, C_in) -> (B, T * stride, C_out), as a convolution of stride 1.

    Where its taps are a multiple of the stride, an input and the few before it give the `stride` outputs of its place.
    """

    inner: Convolution  # its outputs are (stride, C_out)
    stride: int

    @staticmethod
    def of(number: int, weight: mx.array, bias: mx.array | None, stride: int) -> Upsampling:
        """From a transposed convolution's weight (C_in, C_out, taps)."""
        taps = weight.reshape(*weight.shape[:2], -1, stride)[:, :, ::-1]  # (C_in, C_out, oldest first, stride)
        matrix = taps.transpose(3, 1, 2, 0).reshape(-1, taps.shape[2], taps.shape[0])
        return Upsampling(Convolution(number, matrix, None if bias is None else mx.tile(bias, stride)), stride)

    def __call__(self, inputs: mx.array, state: CodecState) -> mx.array:
        """Advances its state."""
        batch, length, _ = inputs.shape
        return self.inner(inputs, state).reshape(batch, length * self.stride, -1)


@dataclass(frozen=True, slots=True)
class ChannelUpsampling:
    """The same with a channel a group: (B, T, C) -> (B, T * stride, C)."""

    number: int
    taps: mx.array  # (taps / stride, stride, C), newest input first
    stride: int

    @staticmethod
    def of(number: int, weight: mx.array, stride: int) -> ChannelUpsampling:
        """From a transposed convolution's weight (C, 1, taps)."""
        return ChannelUpsampling(number, weight[:, 0].T.reshape(-1, stride, len(weight)), stride)

    def __call__(self, inputs: mx.array, state: CodecState) -> mx.array:
        """Advances its state."""
        batch, length, channels = inputs.shape
        reach = len(self.taps) - 1
        before = state.contexts.get(self.number)
        if before is None:
            before = mx.zeros((batch, reach, channels), inputs.dtype)
        extended = mx.concatenate([before, inputs], axis=1)
        state.contexts[self.number] = mx.contiguous(extended[:, length:])
        parts = [extended[:, reach - back : reach - back + length, None] * taps for back, taps in enumerate(self.taps)]
        return sum(parts[1:], parts[0]).reshape(batch, length * self.stride, channels)


@dataclass(frozen=True, slots=True)
class Residual:
    """Convolutions with a way around them, (B, T, C) -> (B, T, C)."""

    convolutions: tuple[Convolution, ...]
    shortcut: Convolution | None

    def __call__(self, inputs: mx.array, state: CodecState) -> mx.array:
        """Advances the state of its convolutions."""
        hidden = inputs
        for convolution in self.convolutions:
            hidden = convolution(elu(hidden), state)
        return (self.shortcut(inputs, state) if self.shortcut else inputs) + hidden


class Elu:
    """`elu` as a layer."""

    def __call__(self, inputs: mx.array, _state: CodecState) -> mx.array:
        """Has no state."""
        return elu(inputs)


Layer = Convolution | Upsampling | ChannelUpsampling | Residual | Elu


def run(layers: Sequence[Layer], inputs: mx.array, state: CodecState) -> mx.array:
    """One layer after the other."""
    for layer in layers:
        inputs = layer(inputs, state)
    return inputs


@dataclass(frozen=True, slots=True)
class TransformerLayer:
    """Attention over a window of positions and an MLP, each scaled, (B, T, C) -> (B, T, C)."""

    number: int
    projection: mx.array  # queries, keys and values together
    output: mx.array
    norms: tuple[tuple[mx.array, mx.array], tuple[mx.array, mx.array]]  # weight and bias, of attention and of the MLP
    scales: tuple[mx.array, mx.array]
    expand: mx.array
    contract: mx.array


@dataclass(frozen=True, slots=True)
class Transformer:
    """Layers that look back over the same window, (B, T, C) -> (B, T, C)."""

    layers: tuple[TransformerLayer, ...]
    heads: int
    kv_heads: int
    window: int
    waves: mx.array  # positions a radian (D / 2,)
    epsilon: float

    def __call__(self, inputs: mx.array, state: CodecState) -> mx.array:
        """Advances the state of the layers, and its position."""
        length = inputs.shape[1]
        past = min(state.position, self.window - 1)
        behind = mx.arange(past, past + length)[:, None] - mx.arange(past + length)
        mask = mx.logical_and(behind >= 0, behind < self.window)
        for layer in self.layers:
            inputs = inputs + layer.scales[0] * self._attended(layer, self._normed(inputs, layer, 0), mask, state)
            expanded = gelu(self._normed(inputs, layer, 1) @ layer.expand.T)
            inputs = inputs + layer.scales[1] * (expanded @ layer.contract.T)
        state.position += length
        return inputs

    def _attended(self, layer: TransformerLayer, inputs: mx.array, mask: mx.array, state: CodecState) -> mx.array:
        batch, length, _ = inputs.shape
        size = 2 * self.waves.size
        heads = (inputs @ layer.projection.T).reshape(batch, length, -1, size).transpose(0, 2, 1, 3)
        turning = self.heads + self.kv_heads
        turned = mx.fast.rope(
            heads[:, :turning], size, traditional=False, base=None, scale=1.0, offset=state.position, freqs=self.waves
        )
        keys, values = turned[:, self.heads :], heads[:, turning:]
        if layer.number in state.keys:
            keys = mx.concatenate([state.keys[layer.number], keys], axis=2)
            values = mx.concatenate([state.values[layer.number], values], axis=2)
        first = max(0, keys.shape[2] - (self.window - 1))
        state.keys[layer.number] = mx.contiguous(keys[:, :, first:])
        state.values[layer.number] = mx.contiguous(values[:, :, first:])
        seen = mx.fast.scaled_dot_product_attention(turned[:, : self.heads], keys, values, scale=size**-0.5, mask=mask)
        return seen.transpose(0, 2, 1, 3).reshape(batch, length, -1) @ layer.output.T

    def _normed(self, inputs: mx.array, layer: TransformerLayer, which: int) -> mx.array:
        weight, bias = layer.norms[which]
        return mx.fast.layer_norm(inputs, weight, bias, self.epsilon)


def elu(x: mx.array) -> mx.array:
    """The exponential linear unit."""
    return mx.where(x > 0, x, mx.expm1(mx.minimum(x, 0)))


def gelu(x: mx.array) -> mx.array:
    """The Gaussian error linear unit, exactly."""
    return x * (1 + mx.erf(x * 2**-0.5)) / 2
