"""An MLX chat model and its tokenizer, from a model folder or a GGUF file, in the precision that suits the device.

Only safetensors and GGUF are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
import psutil
from mlx.utils import tree_flatten, tree_map
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import dequantize_model, get_total_parameters, load_config, load_model, load_tokenizer
from transformers import PreTrainedConfig

from voicegen.chat.mlx.gguf.model_folder import write_model_folder
from voicegen.chat.mlx.model_cache import converted
from voicegen.errors import ModelError
from voicegen.mlx_device import backend, prepare
from voicegen.model_files import ModelFiles
from voicegen.records import ModelInfo

Precision = Literal["auto", "float32", "stored"]

CONVERSION = "mlx-1"
"""Raise this when the conversion of GGUF files changes what it writes."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to run; the weights are never changed after loading."""

    model: nn.Module
    tokenizer: TokenizerWrapper
    config: Mapping[str, Any]
    info: ModelInfo

    @property
    def context_length(self) -> int:
        """The most positions that the model was made for."""
        sizes = self.config.get("text_config") or self.config
        return int(sizes.get("max_position_embeddings") or 4096)


def load(files: ModelFiles, dtype: Precision = "auto", *, cache: Path | None = None) -> LoadedModel:
    """Loads the model that `find_model` found, after MLX was set up for this machine.

    Args:
        files: A folder as mlx-lm takes it, a folder that holds one GGUF file, or a GGUF file.
        dtype: `float32`, or `stored` for the weights as they are in the files. `auto` is float32 on a CPU, where it is
            several times faster than any smaller type, unless that takes over half of the machine's memory; else
            stored. Memory in use does not count, so that every session on a machine decides alike.
        cache: Where converted GGUF files are kept; by default in the user's cache folder.

    Raises:
        ModelError: The model is not whole, of an unknown kind, or would run code of its own.
    """
    prepare()
    gguf = _gguf_of(files.path)
    if gguf is None:
        return _load_folder(files.path, files, dtype)
    with converted(gguf, CONVERSION, lambda folder: write_model_folder(gguf, folder), cache) as folder:
        return _load_folder(folder, files, dtype)


def _gguf_of(path: Path) -> Path | None:
    if path.is_file():
        if path.suffix != ".gguf":
            raise ModelError(f"{path} is not a chat model: give a folder, or a .gguf file")
        return path
    if (path / "config.json").is_file():
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) == 1:
        return found[0]
    what = f"holds {len(found)} GGUF files: name one of them" if found else "holds neither config.json nor a GGUF file"
    raise ModelError(f"model folder {path} {what}")


def _load_folder(folder: Path, files: ModelFiles, dtype: Precision) -> LoadedModel:
    changes = _read_config(folder)
    try:
        model, config = load_model(folder, lazy=True, model_config=changes)
        tokenizer = load_tokenizer(
            folder, _tokenizer_settings(folder, config), eos_token_ids=config.get("eos_token_id") or None
        )
        if dtype == "float32" or (dtype == "auto" and _float32_suits(model)):
            _make_float32(model)
        mx.eval(model.parameters())
    except Exception as error:  # whatever a bad config, tokenizer or weight file makes the two libraries raise
        raise ModelError(f"model {files.id!r} cannot be loaded from {folder}: {_one_line(error)}") from error
    info = ModelInfo(files.id, "mlx", files.revision, files.licence, _precision(model))
    return LoadedModel(model, tokenizer, config, info)


def _read_config(folder: Path) -> dict[str, Any]:
    """What must be put right in a model's config.json; refuses models that bring code.

    transformers 5 writes the base of rotary embeddings into `rope_parameters`, where mlx-lm does not look for it.
    """
    try:
        config = load_config(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read: {_one_line(error)}") from error
    if config.get("model_file") is not None:
        raise ModelError(f"the model in {folder} brings code of its own ({config['model_file']}), which is never run")
    if not any(folder.glob("model*.safetensors")):
        raise ModelError(
            f"model folder {folder} holds no model*.safetensors; pickled weights (.bin, .pt) are never read"
        )
    _refuse_tokenizer_code(folder)
    return rope_settings(config)


def rope_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling` as mlx-lm reads them, from the `rope_parameters` of transformers 5."""
    rope = config.get("rope_parameters")
    if not isinstance(rope, Mapping) or "rope_theta" not in rope:
        return {}
    found: dict[str, Any] = {}
    if config.get("rope_theta") is None:
        found["rope_theta"] = rope["rope_theta"]
    if config.get("rope_scaling") is None and rope.get("rope_type", "default") != "default":
        found["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    return found


def _refuse_tokenizer_code(folder: Path) -> None:
    """A tokenizer whose class is in the repository cannot be used; one that has a tokenizer.json needs no class."""
    if not (folder / "tokenizer.json").is_file() and "AutoTokenizer" in _tokenizer_config(folder).get("auto_map", {}):
        raise ModelError(
            f"the tokenizer in {folder} brings code of its own, which is never run; it needs a tokenizer.json"
        )


def _tokenizer_settings(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What AutoTokenizer is told besides the folder.

    Where the tokenizer's own files name its class, the model's configuration serves for its type alone. Handing that
    over spares two seconds of each start: reading it, transformers imports the model's module, and torch's compiler.
    """
    settings: dict[str, Any] = {"trust_remote_code": False}
    named = _tokenizer_config(folder)
    if named.get("tokenizer_class") and "auto_map" not in named:
        settings["config"] = PreTrainedConfig(name_or_path=config.get("_name_or_path", ""))
        settings["config"].model_type = config["model_type"]
    return settings


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _float32_suits(model: nn.Module) -> bool:
    return backend() == "cpu" and 4 * get_total_parameters(model) <= psutil.virtual_memory().total // 2


def _make_float32(model: nn.Module) -> None:
    model.update(tree_map(_as_float32, model.parameters()))
    dequantize_model(model)
    model.update(tree_map(_as_float32, model.parameters()))


def _precision(model: nn.Module) -> str:
    """The weights' types, and the bits of the quantized ones: `float32`, or `bfloat16, 4 bits`."""
    types = {weight.dtype for _, weight in tree_flatten(model.parameters()) if mx.issubdtype(weight.dtype, mx.floating)}
    names = sorted(str(dtype).removeprefix("mlx.core.") for dtype in types)
    bits = sorted({int(module.bits) for module in model.modules() if "bits" in vars(module)})
    return ", ".join([*names, *(f"{count} bits" for count in bits)])


def _as_float32(parameter: mx.array) -> mx.array:
    return parameter.astype(mx.float32) if mx.issubdtype(parameter.dtype, mx.floating) else parameter


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
