"""A checkpoint's tensors, from any of its formats, as one immutable set with one RoPE convention.

Formats, told apart by the names in the files:

* native: torchtune names (`backbone.layers.0.attn.q_proj.weight`, `attn.output_proj`, `mlp.w1`, `sa_norm.scale`), or
  the same parts with Hugging Face's names, under `model.` or not; RoPE pairs adjacent elements;
* the native format quantized by MLX (`.weight` of packed uint32 with `.scales` and `.biases`; 2 to 8 bits, any group);
* transformers' `CsmForConditionalGeneration`; RoPE rotates halves.

Inside, q and k always rotate halves: native rows are permuted on loading. Every tensor is accounted for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import torch

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.quantization import dequantize
from voicegen.tts.marvis.tensor_files import CODEC_PREFIX, Tensors, read_tensors, weight_files

Format = Literal["native", "transformers"]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer. Matrices are (out, in): `qkv` stacks q, k and v rows, `gate_up` gate and up rows."""

    input_norm: torch.Tensor
    qkv: torch.Tensor
    out: torch.Tensor
    ffn_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True, slots=True)
class MarvisWeights:
    """A whole model's tensors.

    Embeddings of codebook i begin at row `i * audio_vocab`. `heads[i]` (V, width) gives codebook i: heads[0] reads the
    backbone, the others the depth decoder.
    """

    text_embeddings: torch.Tensor  # (text_vocab, backbone width)
    audio_embeddings: torch.Tensor  # (K * V, backbone width)
    depth_embeddings: torch.Tensor  # the same tensor, unless a checkpoint unties them
    projection: torch.Tensor  # (depth width, backbone width)
    first_head: torch.Tensor  # (V, backbone width)
    heads: torch.Tensor  # (K - 1, V, depth width)
    backbone: tuple[LayerWeights, ...]
    backbone_norm: torch.Tensor
    depth: tuple[LayerWeights, ...]
    depth_norm: torch.Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> MarvisWeights:
        """The same weights elsewhere; tied embeddings stay one tensor."""

        def move(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device=device, dtype=dtype).contiguous()

        def layer(weights: LayerWeights) -> LayerWeights:
            return LayerWeights(*(move(getattr(weights, name)) for name in LayerWeights.__slots__))

        audio = move(self.audio_embeddings)
        tied = self.depth_embeddings is self.audio_embeddings
        return replace(
            self,
            text_embeddings=move(self.text_embeddings),
            audio_embeddings=audio,
            depth_embeddings=audio if tied else move(self.depth_embeddings),
            projection=move(self.projection),
            first_head=move(self.first_head),
            heads=move(self.heads),
            backbone=tuple(layer(weights) for weights in self.backbone),
            backbone_norm=move(self.backbone_norm),
            depth=tuple(layer(weights) for weights in self.depth),
            depth_norm=move(self.depth_norm),
        )


def load_weights(folder: Path, config: MarvisConfig) -> MarvisWeights:
    """Reads a checkpoint's weights in float32, on the CPU.

    Raises:
        ModelError: No weights are found; a tensor is missing, extra, of another shape, or holds NaN; each by its name.
    """
    files = weight_files(folder)
    if not files:
        raise ModelError(f"{folder} holds no .safetensors file: give the folder or repository of a Marvis checkpoint")
    read = unpacked(read_tensors(files, is_models), config, folder)
    for problem in chain(problems(read), _not_finite(read.tensors)):
        raise ModelError(f"{folder}{problem}")
    return _assemble(read.tensors, config, read.fmt)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A checkpoint's tensors as matrices, under one naming a format, beside those that its config asks for."""

    fmt: Format
    tensors: Tensors
    expected: Mapping[str, tuple[int, ...]]


def unpacked(tensors: Tensors, config: MarvisConfig, where: Path | str) -> Unpacked:
    """Tells the format of a checkpoint's tensors, renames and unpacks them; they may be without numbers.

    Raises:
        ModelError: They are no Marvis model's, are named in two ways, or are packed as nothing unpacks them.
    """
    fmt = detect_format(tensors, where)
    expected = _expected(config, fmt)
    matrices = dequantize(_native_names(tensors) if fmt == "native" else tensors, expected)
    _tie(matrices, expected)
    return Unpacked(fmt, matrices, expected)


def detect_format(tensors: Mapping[str, torch.Tensor], where: Path | str) -> Format:
    """Tells the format by the names of the tensors."""
    if any(name.startswith(("backbone_model.", "depth_decoder.")) for name in tensors):
        return "transformers"
    if any(re.match(r"(model\.)?(backbone|decoder)\.layers\.", name) for name in tensors):
        return "native"
    first = next(iter(sorted(tensors)), "nothing")
    raise ModelError(f"{where} holds no Marvis weights (its first tensor is {first}): give a Marvis (CSM) checkpoint")


OTHER_PARTS = (CODEC_PREFIX, "_audio_tokenizer.", "model._audio_tokenizer.")
OTHER_ENDINGS = ("rotary_emb.inv_freq", "audio_tokens_offsets", "rope._cos_f32", "rope._sin_f32")


def is_models(name: str) -> bool:
    """Whether a tensor is none of the codec's, which the codec loads itself, and no table computed from the config."""
    return not name.startswith(OTHER_PARTS) and not name.endswith(OTHER_ENDINGS)


_NATIVE_PARTS = (
    (".self_attn.", ".attn."),
    (".attn.output_proj.", ".attn.o_proj."),
    (".mlp.w1.", ".mlp.gate_proj."),
    (".mlp.w2.", ".mlp.down_proj."),
    (".mlp.w3.", ".mlp.up_proj."),
    (".sa_norm.scale", ".input_layernorm.weight"),
    (".mlp_norm.scale", ".post_attention_layernorm.weight"),
    (".norm.scale", ".norm.weight"),
)


def _native_names(tensors: Tensors) -> Tensors:
    """Both native namings as one: no `model.`, Hugging Face's names for the parts, `.attn.`."""
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        new = name.removeprefix("model.")
        for old, part in _NATIVE_PARTS:
            new = new.replace(old, part)
        if new in renamed:
            raise ModelError(f"the checkpoint holds {name} twice, under two namings: it mixes two exports")
        renamed[new] = tensor
    return renamed


def _expected(config: MarvisConfig, fmt: Format) -> dict[str, tuple[int, ...]]:
    """Every tensor that a checkpoint of this format holds, with its shape."""
    backbone, depth = config.backbone, config.depth
    rows = config.codebooks * config.audio_vocab
    native = fmt == "native"
    shapes: dict[str, tuple[int, ...]] = {
        _TOP["text"][native]: (config.text_vocab, backbone.width),
        _TOP["audio"][native]: (rows, backbone.width),
        _TOP["projection"][native]: (depth.width, backbone.width),
        _TOP["first_head"][native]: (config.audio_vocab, backbone.width),
        _TOP["heads"][native]: (config.codebooks - 1, depth.width, config.audio_vocab),
    }
    if not native:
        shapes[_TIED] = (rows, backbone.width)
    for part, sizes in (("backbone", backbone), ("depth", depth)):
        prefix = _TOP[part][native]
        shapes[f"{prefix}.norm.weight"] = (sizes.width,)
        for layer in range(sizes.layers):
            for name, shape in _layer_shapes(sizes).items():
                shapes[f"{prefix}.layers.{layer}.{_layer_part(name, fmt)}.weight"] = shape
    return shapes


_TOP = {
    # part: (transformers' name, native name)
    "text": ("embed_text_tokens.weight", "text_embeddings.weight"),
    "audio": ("backbone_model.embed_tokens.embed_audio_tokens.weight", "audio_embeddings.weight"),
    "projection": ("depth_decoder.model.inputs_embeds_projector.weight", "projection.weight"),
    "first_head": ("lm_head.weight", "codebook0_head.weight"),
    "heads": ("depth_decoder.codebooks_head.weight", "audio_head"),
    "backbone": ("backbone_model", "backbone"),
    "depth": ("depth_decoder.model", "decoder"),
}
_TIED = "depth_decoder.model.embed_tokens.weight"


def _layer_part(name: str, fmt: Format) -> str:
    return name if fmt == "native" else name.replace("attn.", "self_attn.")


def _layer_shapes(sizes: TransformerConfig) -> dict[str, tuple[int, ...]]:
    query, key = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    return {
        "input_layernorm": (sizes.width,),
        "attn.q_proj": (query, sizes.width),
        "attn.k_proj": (key, sizes.width),
        "attn.v_proj": (key, sizes.width),
        "attn.o_proj": (sizes.width, query),
        "post_attention_layernorm": (sizes.width,),
        "mlp.gate_proj": (sizes.ffn, sizes.width),
        "mlp.up_proj": (sizes.ffn, sizes.width),
        "mlp.down_proj": (sizes.width, sizes.ffn),
    }


def _tie(tensors: Tensors, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Tied embeddings are saved once, under either name, or twice."""
    audio = _TOP["audio"][0]
    if _TIED in expected:
        for present, absent in ((audio, _TIED), (_TIED, audio)):
            if present in tensors and absent not in tensors:
                tensors[absent] = tensors[present]


def problems(read: Unpacked) -> Iterator[str]:
    """What is missing, of another shape or too much, each as the end of a sentence that begins with the checkpoint."""
    advice = "the checkpoint is incomplete, or of another model than its config.json says"
    tensors, expected = read.tensors, read.expected
    for name, shape in expected.items():
        if name not in tensors:
            yield f" lacks the tensor {name}: {advice}"
        elif tuple(tensors[name].shape) != shape:
            found = tuple(tensors[name].shape)
            yield f": the tensor {name} has shape {found}, its config asks for {shape}: {advice}"
        elif not tensors[name].is_floating_point():
            yield f": the tensor {name} holds {tensors[name].dtype}, not floating-point numbers"
    for name in sorted(set(tensors) - set(expected)):
        yield f" holds the tensor {name}, which a Marvis model has not: {advice}"


def parameters(read: Unpacked) -> int:
    """How many numbers the model has; tied embeddings count once."""
    return sum(math.prod(shape) for name, shape in read.expected.items() if name != _TIED)


def _not_finite(tensors: Tensors) -> Iterator[str]:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            yield f": the tensor {name} holds NaN or infinity: download the checkpoint again"


def _assemble(tensors: Tensors, config: MarvisConfig, fmt: Format) -> MarvisWeights:
    native = fmt == "native"

    def top(part: str) -> torch.Tensor:
        return tensors[_TOP[part][native]].float()

    audio = top("audio")
    untied = not native and not torch.equal(tensors[_TIED], tensors[_TOP["audio"][0]])
    return MarvisWeights(
        text_embeddings=top("text"),
        audio_embeddings=audio,
        depth_embeddings=tensors[_TIED].float() if untied else audio,
        projection=top("projection"),
        first_head=top("first_head"),
        heads=top("heads").transpose(1, 2).contiguous(),
        backbone=_layers(tensors, _TOP["backbone"][native], config.backbone, fmt),
        backbone_norm=tensors[f"{_TOP['backbone'][native]}.norm.weight"].float(),
        depth=_layers(tensors, _TOP["depth"][native], config.depth, fmt),
        depth_norm=tensors[f"{_TOP['depth'][native]}.norm.weight"].float(),
    )


def _layers(tensors: Tensors, prefix: str, sizes: TransformerConfig, fmt: Format) -> tuple[LayerWeights, ...]:
    def layer(index: int) -> LayerWeights:
        def get(name: str) -> torch.Tensor:
            tensor = tensors[f"{prefix}.layers.{index}.{_layer_part(name, fmt)}.weight"].float()
            rotated = fmt == "native" and name in ("attn.q_proj", "attn.k_proj")
            return adjacent_to_halves(tensor, sizes.head_dim) if rotated else tensor

        return LayerWeights(
            input_norm=get("input_layernorm"),
            qkv=torch.cat([get("attn.q_proj"), get("attn.k_proj"), get("attn.v_proj")]),
            out=get("attn.o_proj"),
            ffn_norm=get("post_attention_layernorm"),
            gate_up=torch.cat([get("mlp.gate_proj"), get("mlp.up_proj")]),
            down=get("mlp.down_proj"),
        )

    return tuple(layer(index) for index in range(sizes.layers))


def adjacent_to_halves(rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Reorders the rows (H * D, in) of q or k from RoPE over adjacent pairs to RoPE over halves."""
    heads = rows.shape[0] // head_dim
    return rows.view(heads, head_dim // 2, 2, -1).transpose(1, 2).reshape(rows.shape)
