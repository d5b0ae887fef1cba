"""The Mimi codec in MLX, for `Codec`: audio to codes and back, piece by piece with a state.

Mimi: A. Défossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024, arXiv 2410.00037. The
weights are those that `codec_files.py` finds, without torch. Every layer looks only backwards, so a whole is computed
as one piece after the other from the empty state, and equals what `mimi.py` and transformers compute. It works in
float32, and for takes that a GPU decodes many at once in float16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.tts.marvis.codec import PieceDecoder
from voicegen.tts.marvis.codec_config import CodecConfig
from voicegen.tts.marvis.codec_files import CodecFiles, Stored, find_codec
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.mlx.mimi_layers import (
    ChannelUpsampling,
    Convolution,
    Elu,
    Layer,
    Residual,
    Transformer,
    TransformerLayer,
    Upsampling,
    run,
)
from voicegen.tts.marvis.mlx.weights import adjacent_to_halves

FRAMES_AT_ONCE = {"cpu": 32, "metal": 128, "cuda": 1024}
"""Of all the rows of a batch together: a frame takes 11 MB at the most, in float16 half as much."""
FRAMES_ENCODED = 32
"""Of a voice, at once."""

Half = Literal["encoder", "decoder"]
DecoderHalf = tuple[Sequence[Layer], Transformer, Sequence[Layer]]
"""From frames to the transformer's positions, through it, and to samples."""


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Codebooks one after the other, each for what the ones before leave over."""

    books: mx.array  # (K, codes, D)
    inward: mx.array | None  # (D, C)
    outward: mx.array | None  # (C, D)

    def vectors(self, codes: mx.array) -> mx.array:
        """Codes (B, k, T) of the first k codebooks to (B, T, C)."""
        rows = codes.transpose(0, 2, 1)
        added = self.books[mx.arange(rows.shape[2]), rows].sum(axis=2)
        return added if self.outward is None else added @ self.outward.T

    def codes(self, vectors: mx.array) -> mx.array:
        """The nearest codes (K, T) of vectors (T, C)."""
        left, found = vectors if self.inward is None else vectors @ self.inward.T, []
        for book in self.books:
            nearest = mx.argmin(mx.square(book).sum(axis=1) - 2 * (left @ book.T), axis=1)
            left = left - book[nearest]
            found.append(nearest)
        return mx.stack(found)


class MLXMimi:
    """A codec's weights on MLX's device; a `codec.Mimi`."""

    def __init__(self, files: CodecFiles, backend: str = "cpu") -> None:
        """Reads a codec's tensors.

        Args:
            files: a codec's.
            backend: of MLX: `cpu`, `metal` or `cuda`.

        Raises:
            ModelError: one is missing or not finite, or they do not fit the config.
        """
        config = CodecConfig.parse(files.fields)
        builder = _Builder(files, config)
        self.frames_at_once = FRAMES_AT_ONCE[backend]
        self.keeps_shapes = backend != "cpu"
        self.decode_half: PieceDecoder | None = None if backend == "cpu" else self._decode_half
        self.sample_rate = config.sample_rate
        self.codebooks = config.codebooks
        self.codebook_size = config.codebook_size
        try:
            self._semantic = builder.quantizer("semantic", config.semantic)
            self._acoustic = builder.quantizer("acoustic", config.codebooks - config.semantic)
            self._upsample, stride = builder.upsampling()
            self._downsample = builder.downsampling(stride)
            self._into = builder.transformer("encoder"), builder.transformer("decoder")
            self._encoder, self._decoder = builder.encoder(), builder.decoder()
            self._whole = tuple(self._upsample), self._into[1], tuple(self._decoder)
            self._half: DecoderHalf = self._whole if backend == "cpu" else _halved(self._whole)
            self.frame_size = prod(config.ratios) * stride
            self.decode(np.zeros((1, self.codebooks, 1), np.int64), CodecState())
            self.encode(np.zeros(self.frame_size, np.float32))
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"the codec {files.source} cannot be loaded: its tensors do not fit its config.json ({error})"
            ) from None

    @classmethod
    def load(cls, source: str | Path = "kyutai/mimi", revision: str | None = None, backend: str = "cpu") -> MLXMimi:
        """Loads a codec in any of its forms from a file, a folder or the hub; safetensors only.

        Raises:
            ModelError: it cannot be found, is no Mimi, or a tensor is missing or not finite.
        """
        return cls(find_codec(source, revision), backend)

    def decode(self, codes: NDArray[np.int64], state: CodecState) -> NDArray[np.float32]:
        """The next frames (B, K, T) of B streams to float32 samples (B, T * frame_size)."""
        return self._samples(self._latents(codes), self._whole, state)

    def _decode_half(self, codes: NDArray[np.int64], state: CodecState) -> NDArray[np.float32]:
        """The same in float16."""
        return self._samples(self._latents(codes).astype(mx.float16), self._half, state)

    def _latents(self, codes: NDArray[np.int64]) -> mx.array:
        semantic = len(self._semantic.books)
        held = mx.array(codes.astype(np.int32))
        hidden = self._semantic.vectors(held[:, :semantic])
        if codes.shape[1] > semantic:
            hidden = hidden + self._acoustic.vectors(held[:, semantic:])
        return hidden

    @staticmethod
    def _samples(hidden: mx.array, half: DecoderHalf, state: CodecState) -> NDArray[np.float32]:
        upsample, transformer, decoder = half
        samples = run(decoder, transformer(run(upsample, hidden, state), state), state)[..., 0].astype(mx.float32)
        mx.eval(samples, *_arrays(state))
        return np.array(samples)

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.int64]:
        """Codes (K, T) of a waveform (T * frame_size,)."""
        state = CodecState()
        return np.concatenate([self._encoded(piece, state) for piece in self._pieces(waveform)], axis=1)

    def _pieces(self, waveform: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        size = FRAMES_ENCODED * self.frame_size
        for start in range(0, len(waveform), size):
            yield waveform[start : start + size]

    def _encoded(self, piece: NDArray[np.float32], state: CodecState) -> NDArray[np.int64]:
        hidden = run(self._encoder, mx.array(piece)[None, :, None], state)
        latents = run(self._downsample, self._into[0](hidden, state), state)[0]
        codes = mx.concatenate([self._semantic.codes(latents), self._acoustic.codes(latents)])
        mx.eval(codes, *_arrays(state))
        return np.array(codes).astype(np.int64)


def _halved(part: Any) -> Any:
    """Layers with their numbers in float16, but for the angles of a rotation."""
    if isinstance(part, mx.array):
        return part.astype(mx.float16)
    if isinstance(part, tuple):
        return tuple(map(_halved, part))
    if not is_dataclass(part) or isinstance(part, type):
        return part
    kept = ("waves",)
    return replace(part, **{one.name: _halved(getattr(part, one.name)) for one in fields(part) if one.name not in kept})


def _arrays(state: CodecState) -> Iterator[mx.array]:
    for kept in (state.contexts, state.keys, state.values):
        yield from kept.values()


class _Builder:
    """Makes layers of tensors by the names of kyutai/mimi."""

    def __init__(self, files: CodecFiles, config: CodecConfig) -> None:
        self._files = files
        self._config = config
        self._stored: dict[str, mx.array] = {}
        for path in files.paths:
            self._stored |= cast("dict[str, mx.array]", mx.load(str(path)))
        self._numbers = iter(range(1000))

    def quantizer(self, kind: str, codebooks: int) -> Quantizer:
        prefix = f"quantizer.{kind}_residual_vector_quantizer"
        books = [self._book(f"{prefix}.layers.{index}.codebook") for index in range(codebooks)]
        inward, outward = (self._optional(f"{prefix}.{way}_proj.weight") for way in ("input", "output"))
        return Quantizer(
            _evaluated(mx.stack(books)),
            None if inward is None else inward[..., 0],
            None if outward is None else outward[..., 0],
        )

    def _book(self, name: str) -> mx.array:
        usage = mx.maximum(self._get(f"{name}.cluster_usage"), 1e-5)
        return self._get(f"{name}.embed_sum") / usage[:, None]

    def upsampling(self) -> tuple[list[Layer], int]:
        """From frames to the transformer's positions, and how many those are a frame."""
        weight = self._optional("upsample.conv.weight")
        if weight is None:
            return [], 1
        stride = weight.shape[2] // 2
        if weight.shape[1] == 1:
            return [ChannelUpsampling.of(next(self._numbers), weight, stride)], stride
        return [Upsampling.of(next(self._numbers), weight, None, stride)], stride

    def downsampling(self, stride: int) -> list[Layer]:
        """The way back."""
        return [self._convolution("downsample", stride=stride, repeats_first=True)] if stride > 1 else []

    def encoder(self) -> list[Layer]:
        """From samples to the transformer's inputs."""
        layers: list[Layer] = [self._convolution("encoder.layers.0")]
        for ratio in reversed(self._config.ratios):
            layers += self._residuals("encoder", len(layers))
            layers += [Elu(), self._convolution(f"encoder.layers.{len(layers) + 1}", stride=ratio)]
        return [*layers, Elu(), self._convolution(f"encoder.layers.{len(layers) + 1}")]

    def decoder(self) -> list[Layer]:
        """From the transformer's outputs to samples."""
        layers: list[Layer] = [self._convolution("decoder.layers.0")]
        for ratio in self._config.ratios:
            name = f"decoder.layers.{len(layers) + 1}.conv"
            weight, bias = self._get(f"{name}.weight"), self._get(f"{name}.bias")
            layers += [Elu(), Upsampling.of(next(self._numbers), weight, bias, ratio)]
            layers += self._residuals("decoder", len(layers))
        return [*layers, Elu(), self._convolution(f"decoder.layers.{len(layers) + 1}")]

    def _residuals(self, half: Half, first: int) -> list[Layer]:
        return [
            self._residual(f"{half}.layers.{first + index}", index) for index in range(self._config.residual_layers)
        ]

    def _residual(self, name: str, index: int) -> Residual:
        dilation = self._config.dilation_growth**index
        shortcut = f"{name}.shortcut"
        return Residual(
            (self._convolution(f"{name}.block.1", dilation=dilation), self._convolution(f"{name}.block.3")),
            self._convolution(shortcut) if f"{shortcut}.conv.weight" in self._files.tensors else None,
        )

    def _convolution(
        self, name: str, *, stride: int = 1, dilation: int = 1, repeats_first: bool = False
    ) -> Convolution:
        weight = _evaluated(mx.contiguous(self._get(f"{name}.conv.weight").transpose(0, 2, 1)))
        bias = self._optional(f"{name}.conv.bias")
        return Convolution(next(self._numbers), weight, bias, stride, dilation, repeats_first)

    def transformer(self, half: Half) -> Transformer:
        config = self._config
        exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / np.float32(config.head_dim)
        waves = mx.array(np.float32(config.rope_theta) ** exponents)
        layers = tuple(self._transformer_layer(f"{half}_transformer.layers.{i}") for i in range(config.layers))
        return Transformer(layers, config.heads, config.kv_heads, config.window, waves, config.norm_eps)

    def _transformer_layer(self, name: str) -> TransformerLayer:
        def norm(which: str) -> tuple[mx.array, mx.array]:
            return self._get(f"{name}.{which}_layernorm.weight"), self._get(f"{name}.{which}_layernorm.bias")

        rows = [self._get(f"{name}.self_attn.{part}_proj.weight") for part in "qkv"]
        return TransformerLayer(
            number=next(self._numbers),
            projection=_evaluated(mx.concatenate(rows)),
            output=self._get(f"{name}.self_attn.o_proj.weight"),
            norms=(norm("input"), norm("post_attention")),
            scales=(self._get(f"{name}.self_attn_layer_scale.scale"), self._get(f"{name}.mlp_layer_scale.scale")),
            expand=self._get(f"{name}.mlp.fc1.weight"),
            contract=self._get(f"{name}.mlp.fc2.weight"),
        )

    def _optional(self, name: str) -> mx.array | None:
        return self._get(name) if name in self._files.tensors else None

    def _get(self, name: str) -> mx.array:
        """A tensor in float32.

        Raises:
            ModelError: it is missing, or holds what is no number.
        """
        tensors: Mapping[str, Stored] = self._files.tensors
        if name not in tensors:
            raise ModelError(f"the codec {self._files.source} lacks the tensor {name}")
        place = tensors[name]
        array = self._stored[place.name].astype(mx.float32)
        if place.third is not None:
            array = mx.split(array, 3)[place.third]
        if place.is_adjacent:
            array = adjacent_to_halves(array, self._config.head_dim)
        if not mx.isfinite(array).all().item():
            raise ModelError(
                f"the codec {self._files.source} has NaN or infinity in the tensor {name}; download it again"
            )
        return _evaluated(array)


def _evaluated(array: mx.array) -> mx.array:
    mx.eval(array)
    return array
