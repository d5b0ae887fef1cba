"""How a checkpoint's tensors are named, shaped and packed, by the headers of its files: it reads no number.

Formats, told apart by the names in the files:

* native: torchtune names (`backbone.layers.0.attn.q_proj.weight`, `attn.output_proj`, `mlp.w1`, `sa_norm.scale`), or
  the same parts with Hugging Face's names, under `model.` or not; RoPE pairs adjacent elements;
* the native format quantized by MLX (`.weight` of packed uint32 with `.scales` and `.biases`; 2 to 8 bits, any group);
* transformers' `CsmForConditionalGeneration`; RoPE rotates halves.

Every tensor is accounted for. `weights.py` reads by it in torch, `mlx/weights.py` in MLX.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.tensor_files import CODEC_PREFIX, Header, read_headers, weight_files

Format = Literal["native", "transformers"]
Headers = Mapping[str, Header]
Shape = tuple[int, ...]
Part = Literal["text", "audio", "depth_audio", "projection", "first_head", "heads", "backbone", "depth"]
Rows = Literal["q", "k", "v", "out", "gate", "up", "down", "input_norm", "ffn_norm"]


@dataclass(frozen=True, slots=True)
class Packing:
    """MLX's affine quantization of a matrix: bits a value, and values of a row that share a scale and a bias.

    Source: MLX's `quantize`, which packs the values of a row as one little-endian stream of bits in uint32 words.
    """

    bits: int
    group: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a model's matrices are in a checkpoint's files.

    Attributes:
        fmt: Of the names; native q and k rows pair adjacent elements in RoPE.
        shapes: What the config asks for, by the format's name of each tensor.
        found: What the files hold under those names, unpacked.
        packings: Of the ones that are packed.
        stored: The name in the files of each name here, those of scales and biases too.
    """

    fmt: Format
    shapes: Mapping[str, Shape]
    found: Headers
    packings: Mapping[str, Packing]
    stored: Mapping[str, str]

    def name(self, part: Part) -> str:
        """Of a tensor outside the layers; of the last norm for `backbone` and `depth`."""
        name = _PARTS[part][self.fmt == "native"]
        return f"{name}.norm.weight" if part in ("backbone", "depth") else name

    def layer(self, part: Literal["backbone", "depth"], index: int, rows: Rows) -> str:
        """The name of a layer's tensor."""
        return f"{_PARTS[part][self.fmt == 'native']}.layers.{index}.{_rows(rows, self.fmt)}.weight"

    @property
    def is_tied(self) -> bool:
        """Whether the depth decoder's embeddings are stored once, with the backbone's."""
        return self.stored[self.name("depth_audio")] == self.stored[self.name("audio")]

    def pieces(self, name: str) -> list[str]:
        """What the files hold of a packed tensor: words, scales and biases."""
        return [self.stored[each] for each in (name, *_beside(name))]

    def parameters(self) -> int:
        """How many numbers the model has; tied embeddings count once."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if name != _TIED)

    def problems(self) -> Iterator[str]:
        """What is missing, of another shape or too much, each as the end of a sentence that begins with the folder."""
        advice = "the checkpoint is incomplete, or of another model than its config.json says"
        for name, shape in self.shapes.items():
            header = self.found.get(name)
            if header is None:
                yield f" lacks the tensor {name}: {advice}"
            elif header.shape != shape:
                yield f": the tensor {name} has shape {header.shape}, its config asks for {shape}: {advice}"
            elif not header.is_floating_point:
                yield f": the tensor {name} holds {header.precision}, not floating-point numbers"
        for name in sorted(set(self.found) - set(self.shapes)):
            yield f" holds the tensor {name}, which a Marvis model has not: {advice}"


def read_layout(folder: Path, config: MarvisConfig) -> tuple[list[Path], Layout]:
    """The files with a checkpoint's weights, and where everything is in them.

    Raises:
        ModelError: No weights are found; a tensor is missing, extra, or of another shape; each by its name.
    """
    files = weight_files(folder)
    if not files:
        raise ModelError(f"{folder} holds no .safetensors file: give the folder or repository of a Marvis checkpoint")
    layout = layout_of(read_headers(files), config, folder)
    for problem in layout.problems():
        raise ModelError(f"{folder}{problem}")
    return files, layout


def layout_of(headers: Headers, config: MarvisConfig, where: Path | str) -> Layout:
    """Tells the format of a checkpoint's tensors, and their packing; whether they are all there, `problems` says.

    Raises:
        ModelError: They are no Marvis model's, are named in two ways, or are packed as nothing unpacks them.
    """
    own = {name: header for name, header in headers.items() if is_models(name)}
    fmt = _format(own, where)
    stored = _native_names(own) if fmt == "native" else _tied({name: name for name in own})
    shapes = _shapes(config, fmt)
    named = {name: own[source] for name, source in stored.items()}
    packings = {name: _packing(name, named, shapes[name]) for name in named if _is_packed(name, named, shapes)}
    beside = {each for name in shapes for each in _beside(name)}
    found = {name: header for name, header in named.items() if name not in beside}
    found |= {name: Header("F32", shapes[name]) for name in packings}
    return Layout(fmt, shapes, found, packings, stored)


def is_models(name: str) -> bool:
    """Whether a tensor is none of the codec's, which the codec loads itself, and no table computed from the config."""
    return not name.startswith(_OTHER_PARTS) and not name.endswith(_OTHER_ENDINGS)


_OTHER_PARTS = (CODEC_PREFIX, "_audio_tokenizer.", "model._audio_tokenizer.")
_OTHER_ENDINGS = ("rotary_emb.inv_freq", "audio_tokens_offsets", "rope._cos_f32", "rope._sin_f32")


def _format(headers: Headers, where: Path | str) -> Format:
    if any(name.startswith(("backbone_model.", "depth_decoder.")) for name in headers):
        return "transformers"
    if any(re.match(r"(model\.)?(backbone|decoder)\.layers\.", name) for name in headers):
        return "native"
    first = next(iter(sorted(headers)), "nothing")
    raise ModelError(f"{where} holds no Marvis weights (its first tensor is {first}): give a Marvis (CSM) checkpoint")


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


def _native_names(headers: Headers) -> dict[str, str]:
    """Both native namings as one (no `model.`, Hugging Face's names for the parts, `.attn.`): new name, old name."""
    renamed: dict[str, str] = {}
    for name in headers:
        new = name.removeprefix("model.")
        for old, part in _NATIVE_PARTS:
            new = new.replace(old, part)
        if new in renamed:
            raise ModelError(f"the checkpoint holds {name} twice, under two namings: it mixes two exports")
        renamed[new] = name
    return renamed


_PARTS: Mapping[Part, tuple[str, str]] = {
    # part: (transformers' name, native name)
    "text": ("embed_text_tokens.weight", "text_embeddings.weight"),
    "audio": ("backbone_model.embed_tokens.embed_audio_tokens.weight", "audio_embeddings.weight"),
    "depth_audio": ("depth_decoder.model.embed_tokens.weight", "audio_embeddings.weight"),
    "projection": ("depth_decoder.model.inputs_embeds_projector.weight", "projection.weight"),
    "first_head": ("lm_head.weight", "codebook0_head.weight"),
    "heads": ("depth_decoder.codebooks_head.weight", "audio_head"),
    "backbone": ("backbone_model", "backbone"),
    "depth": ("depth_decoder.model", "decoder"),
}
_TIED = _PARTS["depth_audio"][0]

_ROWS: Mapping[Rows, str] = {
    "input_norm": "input_layernorm",
    "q": "attn.q_proj",
    "k": "attn.k_proj",
    "v": "attn.v_proj",
    "out": "attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def _rows(rows: Rows, fmt: Format) -> str:
    return _ROWS[rows] if fmt == "native" else _ROWS[rows].replace("attn.", "self_attn.")


def _shapes(config: MarvisConfig, fmt: Format) -> dict[str, Shape]:
    """Every tensor that a checkpoint of this format holds, with its shape."""
    backbone, depth = config.backbone, config.depth
    audio = (config.codebooks * config.audio_vocab, backbone.width)
    native = fmt == "native"
    shapes: dict[str, Shape] = {
        _PARTS["text"][native]: (config.text_vocab, backbone.width),
        _PARTS["audio"][native]: audio,
        _PARTS["projection"][native]: (depth.width, backbone.width),
        _PARTS["first_head"][native]: (config.audio_vocab, backbone.width),
        _PARTS["heads"][native]: (config.codebooks - 1, depth.width, config.audio_vocab),
        _PARTS["depth_audio"][native]: audio,
    }
    for prefix, sizes in ((_PARTS["backbone"][native], backbone), (_PARTS["depth"][native], depth)):
        shapes[f"{prefix}.norm.weight"] = (sizes.width,)
        for layer in range(sizes.layers):
            for rows, shape in _layer_shapes(sizes).items():
                shapes[f"{prefix}.layers.{layer}.{_rows(rows, fmt)}.weight"] = shape
    return shapes


def _layer_shapes(sizes: TransformerConfig) -> dict[Rows, Shape]:
    query, key = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    return {
        "input_norm": (sizes.width,),
        "q": (query, sizes.width),
        "k": (key, sizes.width),
        "v": (key, sizes.width),
        "out": (sizes.width, query),
        "ffn_norm": (sizes.width,),
        "gate": (sizes.ffn, sizes.width),
        "up": (sizes.ffn, sizes.width),
        "down": (sizes.width, sizes.ffn),
    }


def _tied(stored: dict[str, str]) -> dict[str, str]:
    """Transformers' tied embeddings are saved once, under either name, or twice."""
    names = [(name, *_beside(name)) for name in (_PARTS["audio"][0], _TIED)]
    for present, absent in (names, names[::-1]):
        if present[0] in stored and absent[0] not in stored:
            twins = dict(zip(absent, present, strict=True))
            return stored | {name: stored[twin] for name, twin in twins.items() if twin in stored}
    return stored


def _beside(name: str) -> tuple[str, str]:
    """The names of a packed matrix's scales and biases."""
    stem = name.removesuffix("weight")
    return f"{stem}scales", f"{stem}biases"


def _is_packed(name: str, headers: Headers, shapes: Mapping[str, Shape]) -> bool:
    return name in shapes and headers[name].kind == "U32"


def _packing(name: str, headers: Headers, shape: Shape) -> Packing:
    words, (scales, biases) = headers[name].shape, (headers.get(each) for each in _beside(name))
    if scales is None or biases is None:
        raise ModelError(f"the tensor {name} is packed without scales and biases; only MLX's affine mode is read")
    columns, flat = shape[-1], len(shape) == len(words) == len(scales.shape) == 2 and scales.shape[-1] > 0
    bits, rest = divmod(words[-1] * 32, columns)
    fits = flat and rest == 0 and 2 <= bits <= 8 and columns % scales.shape[-1] == 0
    if not fits or words[0] != shape[0] or scales.shape != biases.shape or scales.shape[0] != shape[0]:
        found = f"{words} packed words and {scales.shape} scales"
        raise ModelError(f"the tensor {name} holds {found}, which do not unpack to {shape}")
    return Packing(bits, columns // scales.shape[-1])
