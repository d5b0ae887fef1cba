"""A Mimi codec from any of its forms, as a `transformers.MimiModel` in float32.

Forms, the weights told apart by the names in the files:

* transformers' (kyutai/mimi): `config.json` and `model.safetensors`;
* moshi's own (`tokenizer-e351c8d8-checkpoint125.safetensors`, by itself or in a folder): other names, RoPE over
  adjacent pairs, and no config, because it has the sizes of the published codec;
* a transformers CSM checkpoint: under `codec_model.`, with its sizes in the config's `codec_config`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from voicegen.errors import ModelError
from voicegen.model_files import find_model
from voicegen.tts.marvis.config import read_object
from voicegen.tts.marvis.tensor_files import CODEC_PREFIX, moshi_codec, read_headers, read_tensors, weight_files
from voicegen.tts.marvis.weights import adjacent_to_halves

if TYPE_CHECKING:
    from voicegen.tts.marvis.tensor_files import Tensors


def load_mimi(source: str | Path, revision: str | None = None) -> Any:
    """Loads a codec's `MimiModel` from a file, a folder or the hub; safetensors only.

    Raises:
        ModelError: it cannot be found, is no Mimi, or a tensor is missing or not finite.
    """
    try:
        path = find_model(str(source), revision=revision).path
    except ModelError as error:
        raise ModelError(f"the codec: {error} (tts.codec=FOLDER names one that is here)") from None
    try:
        config, tensors = _read(path)
    except ModelError as error:
        raise ModelError(f"the codec: {error}") from None
    return _built(source, config, tensors)


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


def _read(path: Path) -> tuple[Any, Tensors]:
    """A `MimiConfig`, and the tensors under the names of kyutai/mimi."""
    from transformers import MimiConfig

    folder = path if path.is_dir() else path.parent
    raw = read_object(folder / "config.json") if (folder / "config.json").is_file() else {}
    is_mimi, sizes = raw.get("model_type") == "mimi", raw.get("codec_config")
    moshi = moshi_codec(folder) if path.is_dir() else path
    config = MimiConfig.from_dict(raw if is_mimi else sizes if isinstance(sizes, dict) else {})
    if is_mimi and path.is_dir() and (files := weight_files(folder)):
        return config, read_tensors(files)
    if moshi:
        tensors = read_tensors([moshi])
        return config, from_moshi(tensors, config.head_dim) if _is_moshi(tensors) else tensors
    if isinstance(sizes, dict):
        tensors = read_tensors(weight_files(folder), lambda name: name.startswith(CODEC_PREFIX))
        return config, {name.removeprefix(CODEC_PREFIX): tensor for name, tensor in tensors.items()}
    raise ModelError(_no_codec(folder, raw, is_mimi))


def _no_codec(folder: Path, raw: dict[str, Any], is_mimi: bool) -> str:
    if is_mimi:
        return f"{folder} holds no .safetensors file: download it again"
    if not raw:
        return f"{folder} has no config.json and no file of moshi's: give a folder as kyutai/mimi's"
    kind = raw.get("model_type")
    return f"{folder / 'config.json'} is the config of a {kind!r}; the codec must be a 'mimi', such as kyutai/mimi"


def _built(source: str | Path, config: Any, tensors: Tensors) -> Any:
    from transformers import MimiModel

    try:
        with _no_loading_bar():
            model, loading = MimiModel.from_pretrained(
                None, config=config, state_dict=tensors, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"the codec {source} cannot be loaded: {str(error).splitlines()[0]}") from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise ModelError(f"the codec {source} lacks the tensor {missing[0]} ({len(missing)} in all)")
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"the codec {source} has NaN or infinity in the tensor {name}; download it again")
    return model


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


def _is_moshi(tensors: Tensors) -> bool:
    return any(name.startswith("quantizer.rvq_first.") for name in tensors)


def from_moshi(tensors: Tensors, head_dim: int) -> Tensors:
    """Moshi's tensors under the names of kyutai/mimi, with RoPE over halves.

    Raises:
        ModelError: the sizes are others than the config's.
    """
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        for old, new in _MOSHI_NAMES:
            name = re.sub(old, new, name)
        if not _IN_PROJECTION.search(name):
            renamed[name] = tensor
            continue
        if len(tensor) % (3 * head_dim):
            raise ModelError(
                f"{name} has {len(tensor)} rows, which are not heads of {head_dim} as the published codec has: "
                "put its config.json beside it"
            )
        for part, rows in zip("qkv", tensor.chunk(3), strict=True):
            turned = rows if part == "v" else adjacent_to_halves(rows, head_dim)
            renamed[_IN_PROJECTION.sub(f"{part}_proj.weight", name)] = turned
    return renamed


@contextmanager
def _no_loading_bar() -> Iterator[None]:
    """Keeps transformers' own progress bar from the terminal; its setting is put back."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
