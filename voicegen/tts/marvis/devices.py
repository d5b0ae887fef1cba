"""Where the model runs and in what: device, dtype, and how many slots its memory holds.

float32 on the CPU and on MPS, bfloat16 on CUDA. On MPS float32 is what is right: the model is small, bfloat16 needs a
recent macOS and gains little at these sizes, and float16 overflows in the feed-forward of Llama-style models.
"""

from __future__ import annotations

import torch

from voicegen.errors import ConfigError, ModelError
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.model import MarvisModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MOST_SLOTS = {"cuda": 1024, "mps": 32, "cpu": 8}


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes CUDA, else MPS, else the CPU.

    Raises:
        ModelError: There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"device is {name!r}; it may be auto, metal, mlx, cpu, mps, cuda or cuda:N") from None
    present = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
    }
    if not present.get(device.type, False):
        raise ModelError(f"device {name} is not there on this machine: use device=auto or device=cpu")
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of a name; `auto` is bfloat16 on CUDA and float32 elsewhere.

    Raises:
        ConfigError: The name is not one of a dtype.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise ConfigError(f"dtype is {name!r}; it may be auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def most_slots(model: MarvisModel) -> int:
    """Takes at a time: a power of two whose cache fits in half of the memory that is free."""
    most = MOST_SLOTS[model.device.type]
    if model.device.type != "cuda":
        return most
    free, _ = torch.cuda.mem_get_info(model.device)
    fitting = int(free * 0.5) // SlotState.bytes_a_slot(model, model.config.backbone.context)
    return max(1, min(most, 1 << max(fitting.bit_length() - 1, 0)))
