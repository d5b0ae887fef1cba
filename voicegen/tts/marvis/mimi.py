"""The decoder of the Mimi codec as one causal function of codes and a state: whole, in batches, or as a stream.

Mimi: A. Défossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024, arXiv 2410.00037. The
weights are those of `transformers.MimiModel`. Its own decoder keeps no state for its convolutions, and asks the GPU
for the sizes of their padding, which stalls it at every layer.

Every layer here looks only backwards. So a piece of audio depends on its codes and on what the layers remember: the
last few inputs of each convolution, the last keys and values of each attention. Decoding a whole is decoding one
piece from the empty state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from voicegen.tts.marvis.codec_files import check_causal
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.mimi_layers import (
    Attention,
    Convolution,
    Residual,
    TransformerLayer,
    Upsampling,
)


class MimiDecoder:
    """Codes to audio; immutable after it is made.

    Attributes:
        frame_size: samples that a frame of codes becomes.
        codebooks: codebooks that there are; fewer may be decoded.
        codebook_size: codes in each.
        steps: positions of the transformer a frame.
        tables: the codebooks' vectors, of the semantic half and of the acoustic one; `projections` follow their sums.
        upsample: from frames to positions, if there are more of those.
        transformer: its layers, over `window` positions; RoPE turns by `frequencies`.
        seanet: the layers that make samples; None stands for an ELU.
    """

    def __init__(self, model: Any, device: torch.device, dtype: torch.dtype) -> None:
        """Takes the weights of a `transformers.MimiModel`.

        Raises:
            ModelError: the codec is not the causal one that can be decoded as a stream.
        """
        config = model.config
        check_causal(lambda name: getattr(config, name))
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
        self.tables = [self._to(_codebook_table(half), torch.float32) for half in halves]
        self.projections = [
            None if half.output_proj is None else self._to(half.output_proj.weight[..., 0], torch.float32)
            for half in halves
        ]
        upsample, transformer, seanet = _parts(model)
        self.upsample = None if upsample is None else self._upsampling(upsample)
        self.transformer = [self._transformer_layer(layer, config) for layer in transformer.layers]
        self.window: int = config.sliding_window
        self.frequencies = transformer.rotary_emb.inv_freq.to(device, torch.float32)
        self.seanet = [self._seanet_layer(layer) for layer in seanet.layers]
        strides = [layer.stride for layer in (self.upsample, *self.seanet) if isinstance(layer, Upsampling)]
        self.frame_size = int(torch.tensor(strides).prod())
        self.steps = 1 if self.upsample is None else self.upsample.stride

    @torch.inference_mode()
    def __call__(self, codes: Tensor, state: CodecState) -> Tensor:
        """Decodes the next frames of B streams that are at the same place.

        Args:
            codes: (B, K, T) int64, K at most `codebooks`.
            state: what came before; it is moved on.

        Returns:
            float32 samples (B, T * frame_size).
        """
        length, past = codes.shape[2] * self.steps, min(state.position, self.window - 1)
        keys = torch.arange(state.position - past, state.position + length, device=self.device)
        samples = self._decoded(codes, state, self._rotation(keys[past:]), self._sees(keys[past:], keys))
        state.position += length
        return samples

    @torch.inference_mode()
    def each(self, codes: Tensor, state: CodecState, positions: Tensor) -> Tensor:
        """Decodes the next frames of B streams, each at a place of its own.

        Args:
            codes: (B, K, T) int64, K at most `codebooks`.
            state: as `standing_state` makes it; it is moved on, but for `position`.
            positions: (B,) int64, of each stream's next input of the transformer.

        Returns:
            float32 samples (B, T * frame_size).
        """
        past, length = self.window - 1, codes.shape[2] * self.steps
        keys = positions[:, None] + torch.arange(-past, length, device=self.device)
        cosine, sine = self._rotation(keys[:, past:])
        return self._decoded(codes, state, (cosine[:, None], sine[:, None]), self._sees(keys[:, past:], keys)[:, None])

    def standing_state(self, codes: Tensor) -> CodecState:
        """A state for `each` of streams of such `codes` (B, K, T), whose arrays keep their shapes: full windows."""
        state = CodecState()
        self(codes, state)
        for arrays in (state.keys, state.values):
            for layer, array in arrays.items():
                batch, heads, _, size = array.shape
                arrays[layer] = array.new_zeros(batch, heads, self.window - 1, size)
        return CodecState(
            {layer: torch.zeros_like(array) for layer, array in state.contexts.items()}, state.keys, state.values
        )

    def _decoded(self, codes: Tensor, state: CodecState, rotation: tuple[Tensor, Tensor], sees: Tensor) -> Tensor:
        hidden = self._latents(codes).to(self.dtype)
        if self.upsample is not None:
            hidden = self.upsample(hidden, state)
        hidden = hidden.transpose(1, 2)
        for block in self.transformer:
            hidden = block(hidden, rotation, sees, state)
        hidden = hidden.transpose(1, 2)
        for layer in self.seanet:
            hidden = layer(hidden, state) if layer is not None else functional.elu(hidden)
        return hidden[:, 0].float()

    def _latents(self, codes: Tensor) -> Tensor:
        """(B, K, T) to (B, C, T): the codebooks' vectors added up, the semantic and the acoustic ones apart."""
        batch, _, length = codes.shape
        latents = None
        for part, table, projection in zip(
            codes.split([self._semantic, codes.shape[1] - self._semantic], dim=1),
            self.tables,
            self.projections,
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

    def _rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine (..., D) of positions (...)."""
        angles = positions[..., None].float() * self.frequencies
        return tuple(torch.cat([part, part], dim=-1).to(self.dtype) for part in (angles.cos(), angles.sin()))

    def _sees(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Which of `keys` (..., S) each of `queries` (..., T) sees (..., T, S); none lies before the beginning."""
        behind = queries[..., :, None] - keys[..., None, :]
        return (behind >= 0) & (behind < self.window) & (keys[..., None, :] >= 0)

    def _to(self, weight: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return weight.detach().to(self.device, dtype or self.dtype).contiguous()

    def _optional(self, weight: Tensor | None) -> Tensor | None:
        return None if weight is None else self._to(weight)

    def _seanet_layer(self, layer: Any) -> Convolution | Upsampling | Residual | None:
        """One layer of the SEANet decoder; None stands for an ELU."""
        if hasattr(layer, "block"):
            convolutions = tuple(self._convolution(part) for part in layer.block if hasattr(part, "conv"))
            return Residual(
                convolutions, self._convolution(layer.shortcut) if hasattr(layer.shortcut, "conv") else None
            )
        if not hasattr(layer, "conv"):
            return None
        return self._upsampling(layer) if isinstance(layer.conv, torch.nn.ConvTranspose1d) else self._convolution(layer)

    def _convolution(self, layer: Any) -> Convolution:
        conv = layer.conv
        return Convolution(next(self._numbers), self._to(conv.weight), self._optional(conv.bias), conv.dilation[0])

    def _upsampling(self, layer: Any) -> Upsampling:
        conv = layer.conv
        return Upsampling(
            next(self._numbers),
            self._to(conv.weight),
            self._optional(conv.bias),
            conv.stride[0],
            conv.groups,
        )

    def _transformer_layer(self, layer: Any, config: Any) -> TransformerLayer:
        attention = layer.self_attn
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [projection.bias for projection in projections if projection.bias is not None]
        from transformers.activations import ACT2FN

        return TransformerLayer(
            attention=Attention(
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
