"""The decoder of the Mimi codec as one causal function of codes and a state: whole, in batches, or as a stream.

Mimi: A. Défossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024, arXiv 2410.00037. The
weights are those of `transformers.MimiModel`. Its own decoder keeps no state for its convolutions, and asks the GPU
for the sizes of their padding, which stalls it at every layer.

Every layer here looks only backwards. So a piece of audio depends on its codes and on what the layers remember: the
last few inputs of each convolution, the last keys and values of each attention. Decoding a whole is decoding one
piece from the empty state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from voicegen.errors import ModelError


@dataclass(slots=True)
class DecoderState:
    """What the layers remember of the frames before, for B streams at the same place."""

    contexts: dict[int, Tensor] = field(default_factory=dict)  # by layer: its last inputs (B, C, n)
    keys: dict[int, Tensor] = field(default_factory=dict)  # by layer (B, H, n, D), n below the attention's window
    values: dict[int, Tensor] = field(default_factory=dict)
    position: int = 0  # of the next input of the transformer

    def first(self, streams: int) -> DecoderState:
        """The state of the first so many streams alone."""
        return DecoderState(
            {layer: tensor[:streams] for layer, tensor in self.contexts.items()},
            {layer: tensor[:streams] for layer, tensor in self.keys.items()},
            {layer: tensor[:streams] for layer, tensor in self.values.items()},
            self.position,
        )


@dataclass(frozen=True, slots=True)
class _Convolution:
    number: int
    weight: Tensor  # (C_out, C_in, kernel)
    bias: Tensor | None
    dilation: int

    def __call__(self, inputs: Tensor, state: DecoderState) -> Tensor:
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
class _Upsampling:
    number: int
    weight: Tensor  # (C_in, C_out / groups, kernel)
    bias: Tensor | None
    stride: int
    groups: int

    def __call__(self, inputs: Tensor, state: DecoderState) -> Tensor:
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
class _Residual:
    convolutions: tuple[_Convolution, ...]
    shortcut: _Convolution | None

    def __call__(self, inputs: Tensor, state: DecoderState) -> Tensor:
        hidden = inputs
        for convolution in self.convolutions:
            hidden = convolution(functional.elu(hidden), state)
        return (self.shortcut(inputs, state) if self.shortcut else inputs) + hidden


@dataclass(frozen=True, slots=True)
class _Attention:
    number: int
    projection: Tensor  # queries, keys and values together
    projection_bias: Tensor | None
    output: Tensor
    output_bias: Tensor | None
    heads: int
    kv_heads: int
    head_size: int
    window: int

    def __call__(self, inputs: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, state: DecoderState) -> Tensor:
        """(B, T, C) to (B, T, C); `mask` (T, past + T) is true where a position sees another."""
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
class _TransformerLayer:
    attention: _Attention
    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # weight and bias, before attention and before the MLP
    scales: tuple[Tensor, Tensor]
    expand: Tensor
    contract: Tensor
    activation: Callable[[Tensor], Tensor]
    epsilon: float

    def __call__(self, inputs: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor, state: DecoderState) -> Tensor:
        hidden = inputs + self.scales[0] * self.attention(self._normed(inputs, 0), rotation, mask, state)
        expanded = self.activation(functional.linear(self._normed(hidden, 1), self.expand))
        return hidden + self.scales[1] * functional.linear(expanded, self.contract)

    def _normed(self, inputs: Tensor, which: int) -> Tensor:
        weight, bias = self.norms[which]
        return functional.layer_norm(inputs, weight.shape, weight, bias, self.epsilon)


class MimiDecoder:
    """Codes to audio; immutable after it is made.

    Attributes:
        frame_size: samples that a frame of codes becomes.
        codebooks: codebooks that there are; fewer may be decoded.
        codebook_size: codes in each.
    """

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        """Takes the weights of a `transformers.MimiModel`.

        Raises:
            ModelError: the codec is not the causal one that can be decoded as a stream.
        """
        config = model.config
        _check_causal(config)
        self.device = device
        self.dtype = dtype
        self.codebooks: int = config.num_quantizers
        self.codebook_size: int = config.codebook_size
        self._numbers = iter(range(1000))
        self._semantic = config.num_semantic_quantizers
        halves = (
            model.quantizer.semantic_residual_vector_quantizer,
            model.quantizer.acoustic_residual_vector_quantizer,
        )
        self._tables = [self._to(_codebook_table(half), torch.float32) for half in halves]
        self._projections = [
            None if half.output_proj is None else self._to(half.output_proj.weight[..., 0], torch.float32)
            for half in halves
        ]
        upsample, transformer, seanet = _parts(model)
        self._upsample = None if upsample is None else self._upsampling(upsample)
        self._transformer = [self._transformer_layer(layer, config) for layer in transformer.layers]
        self._window: int = config.sliding_window
        self._frequencies = transformer.rotary_emb.inv_freq.to(device, torch.float32)
        self._seanet = [self._seanet_layer(layer) for layer in seanet.layers]
        strides = [layer.stride for layer in (self._upsample, *self._seanet) if isinstance(layer, _Upsampling)]
        self.frame_size = int(torch.tensor(strides).prod())

    @torch.inference_mode()
    def __call__(self, codes: Tensor, state: DecoderState) -> Tensor:
        """Decodes the next frames of B streams.

        Args:
            codes: (B, K, T) int64, K at most `codebooks`.
            state: what came before; it is moved on.

        Returns:
            float32 samples (B, T * frame_size).
        """
        hidden = self._latents(codes).to(self.dtype)
        if self._upsample is not None:
            hidden = self._upsample(hidden, state)
        hidden = self._transformed(hidden.transpose(1, 2), state).transpose(1, 2)
        for layer in self._seanet:
            hidden = layer(hidden, state) if layer is not None else functional.elu(hidden)
        return hidden[:, 0].float()

    def _latents(self, codes: Tensor) -> Tensor:
        """(B, K, T) to (B, C, T): the codebooks' vectors added up, the semantic and the acoustic ones apart."""
        batch, _, length = codes.shape
        latents = None
        for part, table, projection in zip(
            codes.split([self._semantic, codes.shape[1] - self._semantic], dim=1),
            self._tables,
            self._projections,
            strict=True,
        ):
            if part.shape[1] == 0:
                continue
            rows = part + torch.arange(part.shape[1], device=codes.device)[:, None] * self.codebook_size
            added = functional.embedding_bag(rows.transpose(1, 2).reshape(batch * length, -1), table, mode="sum")
            if projection is not None:
                added = functional.linear(added, projection)
            latents = added if latents is None else latents + added
        assert latents is not None
        return latents.view(batch, length, -1).transpose(1, 2)

    def _transformed(self, hidden: Tensor, state: DecoderState) -> Tensor:
        """(B, T, C) to (B, T, C)."""
        length = hidden.shape[1]
        past = min(state.position, self._window - 1)
        positions = torch.arange(state.position - past, state.position + length, device=self.device)
        angles = positions[past:, None].float() * self._frequencies
        rotation = angles.cos().repeat(1, 2).to(self.dtype), angles.sin().repeat(1, 2).to(self.dtype)
        behind = positions[past:, None] - positions[None, :]
        mask = (behind >= 0) & (behind < self._window)
        for layer in self._transformer:
            hidden = layer(hidden, rotation, mask, state)
        state.position += length
        return hidden

    def _to(self, weight: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return weight.detach().to(self.device, dtype or self.dtype).contiguous()

    def _optional(self, weight: Tensor | None) -> Tensor | None:
        return None if weight is None else self._to(weight)

    def _seanet_layer(self, layer: Any) -> _Convolution | _Upsampling | _Residual | None:
        """One layer of the SEANet decoder; None stands for an ELU."""
        if hasattr(layer, "block"):
            convolutions = tuple(self._convolution(part) for part in layer.block if hasattr(part, "conv"))
            return _Residual(
                convolutions, self._convolution(layer.shortcut) if hasattr(layer.shortcut, "conv") else None
            )
        if not hasattr(layer, "conv"):
            return None
        return self._upsampling(layer) if isinstance(layer.conv, torch.nn.ConvTranspose1d) else self._convolution(layer)

    def _convolution(self, layer: Any) -> _Convolution:
        conv = layer.conv
        return _Convolution(next(self._numbers), self._to(conv.weight), self._optional(conv.bias), conv.dilation[0])

    def _upsampling(self, layer: Any) -> _Upsampling:
        conv = layer.conv
        return _Upsampling(
            next(self._numbers),
            self._to(conv.weight),
            self._optional(conv.bias),
            conv.stride[0],
            conv.groups,
        )

    def _transformer_layer(self, layer: Any, config: Any) -> _TransformerLayer:
        attention = layer.self_attn
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [projection.bias for projection in projections if projection.bias is not None]
        from transformers.activations import ACT2FN

        return _TransformerLayer(
            attention=_Attention(
                number=next(self._numbers),
                projection=self._to(torch.cat([projection.weight for projection in projections])),
                projection_bias=self._to(torch.cat(biases)) if biases else None,
                output=self._to(attention.o_proj.weight),
                output_bias=self._optional(attention.o_proj.bias),
                heads=config.num_attention_heads,
                kv_heads=config.num_key_value_heads,
                head_size=config.head_dim,
                window=config.sliding_window,
            ),
            norms=(
                (self._to(layer.input_layernorm.weight), self._to(layer.input_layernorm.bias)),
                (self._to(layer.post_attention_layernorm.weight), self._to(layer.post_attention_layernorm.bias)),
            ),
            scales=(self._to(layer.self_attn_layer_scale.scale), self._to(layer.mlp_layer_scale.scale)),
            expand=self._to(layer.mlp.fc1.weight),
            contract=self._to(layer.mlp.fc2.weight),
            activation=ACT2FN[config.hidden_act],
            epsilon=config.norm_eps,
        )


def _with_context(inputs: Tensor, number: int, reach: int, state: DecoderState) -> Tensor:
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
    outputs = None if bias is None else bias.expand(batch, length, -1).contiguous()
    for place, part in zip(places, parts, strict=True):
        inputs, part = turned[:, place : place + length], part.expand(batch, -1, -1)
        outputs = torch.bmm(inputs, part) if outputs is None else outputs.baddbmm_(inputs, part)
    assert outputs is not None
    return outputs


def _rotated(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions by halves (B, H, T, D)."""
    cosine, sine = rotation
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat([-second, first], dim=-1) * sine


def _parts(model: Any) -> tuple[Any, Any, Any]:
    """Upsampling, transformer and SEANet of a MimiModel: transformers 5.23 moved them into `model.decoder`."""
    half = model.decoder
    if hasattr(half, "decoder_seanet"):
        return half.upsample, half.decoder_transformer, half.decoder_seanet
    return model.upsample, model.decoder_transformer, half


def _codebook_table(quantizer: Any) -> Tensor:
    """The vectors of all the codebooks of a quantizer, one codebook after the other (K * codes, D)."""
    books = [layer.codebook for layer in quantizer.layers]
    return torch.cat([book.embed_sum / book.cluster_usage.clamp(min=book.epsilon)[:, None] for book in books])


def _check_causal(config: Any) -> None:
    wanted = {"use_causal_conv": True, "trim_right_ratio": 1.0, "pad_mode": "constant", "audio_channels": 1}
    for name, value in wanted.items():
        if getattr(config, name) != value:
            raise ModelError(f"the codec's config says {name}={getattr(config, name)!r}; only {value!r} can be decoded")
