"""A Mimi codec from any of its forms (`codec_files.py`), as a `transformers.MimiModel` in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from voicegen.errors import ModelError
from voicegen.tts.marvis.codec_files import CodecFiles, Stored, find_codec
from voicegen.tts.marvis.tensor_files import read_tensors
from voicegen.tts.marvis.weights import adjacent_to_halves

if TYPE_CHECKING:
    from voicegen.tts.marvis.tensor_files import Tensors


def load_mimi(source: str | Path, revision: str | None = None) -> Any:
    """Loads a codec's `MimiModel` from a file, a folder or the hub; safetensors only.

    Raises:
        ModelError: it cannot be found, is no Mimi, or a tensor is missing or not finite.
    """
    from transformers import MimiConfig

    files = find_codec(source, revision)
    config = MimiConfig.from_dict(dict(files.fields))
    return _built(source, config, _tensors(files, config.head_dim))


def _tensors(files: CodecFiles, head_dim: int) -> Tensors:
    """All of them by the names of kyutai/mimi, with RoPE over halves."""
    stored = read_tensors(files.paths, {place.name for place in files.tensors.values()}.__contains__)
    return {name: _tensor(place, stored, head_dim) for name, place in files.tensors.items()}


def _tensor(place: Stored, stored: Tensors, head_dim: int) -> torch.Tensor:
    tensor = stored[place.name]
    rows = tensor if place.third is None else tensor.chunk(3)[place.third]
    return adjacent_to_halves(rows, head_dim) if place.is_adjacent else rows


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
