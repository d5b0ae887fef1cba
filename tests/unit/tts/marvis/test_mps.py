from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import yaml
from torch.utils._python_dispatch import TorchDispatchMode

from tests.unit.tts.marvis.conftest import Loader
from voicegen.tts.marvis import SpeechRequest

NOT_KERNELS = {"detach", "lift_fresh", "_unsafe_view"}


class Operators(TorchDispatchMode):
    """Collects the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.name().removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def kernels() -> dict[str, set[str]]:
    """The backends of every operator, from torch's own list."""
    text = files("torchgen").joinpath("packaged/ATen/native/native_functions.yaml").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    entries = yaml.safe_load(text)
    structured = {}
    for entry in entries:
        name = entry["func"].split("(")[0]
        keys = {part.strip() for key in entry.get("dispatch", {"CompositeImplicit": ""}) for part in key.split(",")}
        found[name] = keys
        structured[name] = entry.get("structured_delegate")
    return {name: keys | found.get(structured[name] or "", set()) for name, keys in found.items()}


def runs_on_mps(backends: set[str]) -> bool:
    return any(key == "MPS" or key.startswith("Composite") for key in backends)


def test_every_operator_of_the_plain_path_has_a_kernel_on_mps(
    load: Loader, kernels: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)  # as off a CPU
    engine = load(slots=2, codec=_Encoder())
    voices = [_Voice("match"), _Voice("context"), None]
    with Operators() as seen:
        engine.generate_codes([SpeechRequest("Hello.", voice=voice, max_frames=3) for voice in voices])  # type: ignore[arg-type]
    names = {name for name in seen.names if name.split(".")[0] not in NOT_KERNELS}
    assert len(names) > 20
    missing = {name: kernels.get(name, set()) for name in names if not runs_on_mps(kernels.get(name, set()))}
    # On MPS attention is the operator's own `_scaled_dot_product_attention_math_for_mps`.
    missing = {name: keys for name, keys in missing.items() if "scaled_dot_product" not in name}
    assert not missing
    assert runs_on_mps(kernels["_scaled_dot_product_attention_math_for_mps"])


class _Encoder:
    """A codec that hears the same three frames in everything."""

    def encode(self, _samples: object, _rate: int) -> np.ndarray:
        return np.zeros((8, 3), np.int64)


class _Voice:
    transcript = "I said this."
    audio = None
    sampling_rate = 24_000

    def __init__(self, mode: str) -> None:
        self.mode = mode
