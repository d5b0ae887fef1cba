"""The safetensors files in a folder, told apart by what they are for, and what their headers say.

Knows of no library that computes: `read_tensors` alone imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from safetensors import safe_open

from voicegen.errors import ModelError
from voicegen.tts.marvis.config import read_object

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_KINDS = MappingProxyType(
    {
        "F64": ("float64", 8),
        "F32": ("float32", 4),
        "F16": ("float16", 2),
        "BF16": ("bfloat16", 2),
        "I64": ("int64", 8),
        "I32": ("int32", 4),
        "U32": ("uint32", 4),
    }
)
"""What everybody else calls safetensors' types, and their bytes."""
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


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of a tensor beside its numbers; `kind` is safetensors' name for its type, such as `BF16`."""

    kind: str
    shape: tuple[int, ...]

    @property
    def precision(self) -> str:
        """The type as everybody else calls it, such as `bfloat16`."""
        return _KINDS.get(self.kind, (self.kind, 1))[0]

    @property
    def bytes(self) -> int:
        """What it takes in the file."""
        return math.prod(self.shape) * _KINDS.get(self.kind, (self.kind, 1))[1]

    @property
    def is_floating_point(self) -> bool:
        """Whether it holds fractions."""
        return self.precision.endswith(("float64", "float32", "float16"))


def read_headers(files: Iterable[Path]) -> dict[str, Header]:
    """All tensors by name, without their numbers.

    Raises:
        ModelError: a file is no safetensors file, or is cut short.
    """
    headers: dict[str, Header] = {}
    for file in _opened(files, "numpy"):
        for name in sorted(file.keys()):
            part = file.get_slice(name)
            headers[name] = Header(part.get_dtype(), tuple(part.get_shape()))
    return headers


def read_tensors(files: Iterable[Path], wanted: Callable[[str], bool] = lambda _name: True) -> Tensors:
    """The tensors whose names are wanted, as they are stored, in torch on the CPU.

    Raises:
        ModelError: a file is no safetensors file, or is cut short.
    """
    return {
        name: file.get_tensor(name) for file in _opened(files, "pt") for name in sorted(file.keys()) if wanted(name)
    }


def _opened(files: Iterable[Path], framework: Literal["pt", "numpy"]) -> Iterator[Any]:
    for path in files:
        try:
            with safe_open(path, framework=framework) as file:
                yield file
        except Exception as error:
            raise ModelError(f"{path} cannot be read as safetensors ({error}): download it again") from None
