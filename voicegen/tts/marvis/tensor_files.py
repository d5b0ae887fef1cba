"""The safetensors files in a folder, told apart by what they are for: a model's weights, or moshi's codec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import read_object

Tensors = dict[str, torch.Tensor]

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U32": torch.uint32,
}
CODEC_PREFIX = "codec_model."  # of a codec's tensors within a transformers CSM checkpoint
_MOSHI_CODECS = "tokenizer*.safetensors"  # `tokenizer-e351c8d8-checkpoint125.safetensors`, as kyutai publishes Mimi


def weight_files(folder: Path) -> list[Path]:
    """The files with a model's weights, none of them moshi's codec; empty if there are none.

    Raises:
        ModelError: an index is damaged, or names a file that is not there.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = read_object(index).get("weight_map")
        if not isinstance(named, dict) or not all(isinstance(name, str) for name in named.values()):
            raise ModelError(f"{index} has no weight_map from tensors to files: download it again")
        names = sorted(set(named.values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{folder} lacks {missing[0]}, which its index names: download the checkpoint again")
        return [folder / name for name in names]
    others = set(folder.glob(_MOSHI_CODECS))
    return sorted(folder.glob("model*.safetensors")) or sorted(set(folder.glob("*.safetensors")) - others)


def moshi_codec(folder: Path) -> Path | None:
    """The codec's file under moshi's name for it, where there is one."""
    return next(iter(sorted(folder.glob(_MOSHI_CODECS))), None)


def read_tensors(files: Iterable[Path], wanted: Callable[[str], bool] = lambda _name: True) -> Tensors:
    """The tensors whose names are wanted, as they are stored, on the CPU.

    Raises:
        ModelError: a file is no safetensors file, or is cut short.
    """
    return {name: file.get_tensor(name) for file in _opened(files) for name in sorted(file.keys()) if wanted(name)}


def read_headers(files: Iterable[Path]) -> Tensors:
    """All tensors with their types and shapes, and without their numbers (on torch's `meta` device).

    Raises:
        ModelError: a file is no safetensors file, or is cut short.
    """
    tensors: Tensors = {}
    for file in _opened(files):
        for name in sorted(file.keys()):
            part = file.get_slice(name)
            tensors[name] = without_numbers(part.get_shape(), part.get_dtype())
    return tensors


def without_numbers(shape: Sequence[int], kind: str) -> torch.Tensor:
    """A tensor of which a header says this shape and type, such as `BF16`."""
    return torch.empty(tuple(shape), dtype=_TYPES.get(kind, torch.uint8), device="meta")


def tensor_names(files: Iterable[Path]) -> list[str]:
    """The names of the tensors in the files, by their headers alone.

    Raises:
        ModelError: a file is no safetensors file, or is cut short.
    """
    return [name for file in _opened(files) for name in sorted(file.keys())]


def _opened(files: Iterable[Path]) -> Iterator[Any]:
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                yield file
        except Exception as error:
            raise ModelError(f"{path} cannot be read as safetensors ({error}): download it again") from None
