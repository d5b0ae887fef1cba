"""A Mimi codec in any of its forms: which files hold it, its sizes, and where each of its tensors is in them.

Forms, the weights told apart by the names in the files:

* transformers' (kyutai/mimi): `config.json` and `model.safetensors`;
* moshi's own (`tokenizer-e351c8d8-checkpoint125.safetensors`, by itself or in a folder): other names, RoPE over
  adjacent pairs, and no config, because it has the sizes of the published codec;
* a transformers CSM checkpoint: under `codec_model.`, with its sizes in the config's `codec_config`.

Reads no number: `codec_weights.py` does in torch, `mlx/mimi.py` in MLX.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from voicegen.errors import ModelError
from voicegen.model_files import find_model
from voicegen.tts.marvis.config import read_object
from voicegen.tts.marvis.tensor_files import CODEC_PREFIX, Header, moshi_codec, read_headers, weight_files


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor is: its name in the file; a third of its rows, where moshi keeps q, k and v in one.

    `is_adjacent` says that its rows pair adjacent elements in RoPE, where Mimi's here rotate halves.
    """

    name: str
    third: Literal[0, 1, 2] | None = None
    is_adjacent: bool = False


@dataclass(frozen=True, slots=True)
class CodecFiles:
    """A codec's files; `fields` are its config's as written, `tensors` by the names of kyutai/mimi."""

    source: str
    paths: tuple[Path, ...]
    fields: Mapping[str, Any]
    tensors: Mapping[str, Stored]


def find_codec(source: str | Path, revision: str | None = None) -> CodecFiles:
    """Finds a codec in a file, a folder or on the hub; safetensors only.

    Raises:
        ModelError: it cannot be found, or is no Mimi.
    """
    try:
        path = find_model(str(source), revision=revision).path
    except ModelError as error:
        raise ModelError(f"the codec: {error} (tts.codec=FOLDER names one that is here)") from None
    try:
        return _found(str(source), path)
    except ModelError as error:
        raise ModelError(f"the codec: {error}") from None


def brings_codec(folder: Path) -> bool:
    """Whether a checkpoint's folder holds a codec beside the model, in moshi's form or transformers' CSM's."""
    if moshi_codec(folder):
        return True
    has_sizes = "codec_config" in read_object(folder / "config.json")
    return has_sizes and any(name.startswith(CODEC_PREFIX) for name in read_headers(weight_files(folder)))


def codec_form(source: str | Path) -> str:
    """What a codec is, by its files' names alone; nothing is fetched.

    Raises:
        ModelError: a folder holds none.
    """
    path = Path(source).expanduser()
    if not path.exists():
        from huggingface_hub import try_to_load_from_cache

        here = isinstance(try_to_load_from_cache(str(source), "config.json"), str)
        return "in the hub's cache" if here else "not here: downloaded when it is asked for"
    folder = path if path.is_dir() else path.parent
    raw = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    if raw.get("model_type") == "mimi" and weight_files(folder):
        return "transformers' form"
    if moshi_codec(folder):
        return "moshi's own file"
    if "codec_config" in raw:
        return "among the checkpoint's tensors"
    raise ModelError(_no_codec(folder, raw, raw.get("model_type") == "mimi"))


def check_causal(value: Callable[[str], Any]) -> None:
    """Sees that a codec only looks backwards, so that it can be computed piece by piece; `value` gives its fields.

    Raises:
        ModelError: it does not.
    """
    for name, wanted in _CAUSAL:
        if value(name) != wanted:
            raise ModelError(f"the codec's config says {name}={value(name)!r}; only {wanted!r} can be decoded")


_CAUSAL = (("use_causal_conv", True), ("trim_right_ratio", 1.0), ("pad_mode", "constant"), ("audio_channels", 1))


def _found(source: str, path: Path) -> CodecFiles:
    folder = path if path.is_dir() else path.parent
    raw = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    is_mimi, sizes = raw.get("model_type") == "mimi", raw.get("codec_config")
    moshi = moshi_codec(folder) if path.is_dir() else path
    fields = raw if is_mimi else sizes if isinstance(sizes, dict) else {}
    if is_mimi and path.is_dir() and (files := weight_files(folder)):
        return CodecFiles(source, tuple(files), fields, {name: Stored(name) for name in read_headers(files)})
    if moshi:
        headers = read_headers([moshi])
        if any(name.startswith("quantizer.rvq_first.") for name in headers):
            return CodecFiles(source, (moshi,), fields, _moshis(headers, fields.get("head_dim") or _HEAD_DIM))
        return CodecFiles(source, (moshi,), fields, {name: Stored(name) for name in headers})
    if isinstance(sizes, dict):
        files = weight_files(folder)
        own = [name for name in read_headers(files) if name.startswith(CODEC_PREFIX)]
        return CodecFiles(source, tuple(files), fields, {name.removeprefix(CODEC_PREFIX): Stored(name) for name in own})
    raise ModelError(_no_codec(folder, raw, is_mimi))


def _no_codec(folder: Path, raw: Mapping[str, Any], is_mimi: bool) -> str:
    if is_mimi:
        return f"{folder} holds no .safetensors file: download it again"
    if not raw:
        return f"{folder} has no config.json and no file of moshi's: give a folder as kyutai/mimi's"
    kind = raw.get("model_type")
    return f"{folder / 'config.json'} is the config of a {kind!r}; the codec must be a 'mimi', such as kyutai/mimi"


_HEAD_DIM = 64  # of the published codec

_MOSHI_NAMES = (
    (r"^(en|de)coder\.model\.", r"\1coder.layers."),
    (r"(\.conv(tr)?)+\.(weight|bias)$", r".conv.\3"),
    (r"_transformer\.transformer\.", "_transformer."),
    (r"\.out_proj(s\.0)?\.", ".o_proj."),
    (r"\.norm1\.", ".input_layernorm."),
    (r"\.norm2\.", ".post_attention_layernorm."),
    (r"\.linear(1|2)\.", r".mlp.fc\1."),
    (r"\.layer_scale_1\.", ".self_attn_layer_scale."),
    (r"\.layer_scale_2\.", ".mlp_layer_scale."),
    (r"\.rvq_first\.", ".semantic_residual_vector_quantizer."),
    (r"\.rvq_rest\.", ".acoustic_residual_vector_quantizer."),
    (r"\.vq\.layers\.(\d+)\._codebook\._?", r".layers.\1.codebook."),
    (r"\.embedding_sum$", ".embed_sum"),
)
_IN_PROJECTION = re.compile(r"in_proj(s\.0\.|_)weight$")  # queries', keys' and values' rows in one


def _moshis(headers: Mapping[str, Header], head_dim: int) -> dict[str, Stored]:
    """Moshi's tensors by the names of kyutai/mimi.

    Raises:
        ModelError: the sizes are others than the config's.
    """
    tensors: dict[str, Stored] = {}
    for stored, header in headers.items():
        name = stored
        for old, new in _MOSHI_NAMES:
            name = re.sub(old, new, name)
        if not _IN_PROJECTION.search(name):
            tensors[name] = Stored(stored)
            continue
        if header.shape[0] % (3 * head_dim):
            raise ModelError(
                f"{name} has {header.shape[0]} rows, which are not heads of {head_dim} as the published codec has: "
                "put its config.json beside it"
            )
        for third, part in enumerate("qkv"):
            place = Stored(stored, third, is_adjacent=part != "v")  # type: ignore[arg-type]
            tensors[_IN_PROJECTION.sub(f"{part}_proj.weight", name)] = place
    return tensors
