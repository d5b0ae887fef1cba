"""Our own kernels for MLX: what they compute, run on a processor, and when a machine goes on without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from tests.kernels_on_a_processor import maker
from tests.unit.tts.marvis.test_mlx import many
from voicegen.tts.marvis import Marvis
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.mlx import kernel_texts, kernels
from voicegen.tts.marvis.mlx.frames import MLXFrames
from voicegen.tts.marvis.mlx.kernels import KernelSteps
from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.proving import differing, steps_for
from voicegen.tts.marvis.mlx.state import SlotState
from voicegen.tts.marvis.mlx.steps import PlainSteps

Checkpoints = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def processor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of Metal and CUDA run here."""

    def made(name: str, inputs: list[str], outputs: list[str], body: str, header: str = "") -> Any:
        return maker(folder)(name, inputs, outputs, body, f"#define GOLDEN {kernels.GOLDEN}u\n{header}")

    monkeypatch.setattr(kernels, "_made", made)


@pytest.fixture
def engine(checkpoints: Checkpoints) -> Marvis:
    return Marvis.load(checkpoints(), "mlx", "float32", codec="none", slots=4)


def model_of(engine: Marvis) -> MLXModel:
    model: MLXModel = engine.runners.model  # type: ignore[attr-defined]
    return model


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_kernels_attend_and_draw_as_mlxs_operators_do(dtype: str, checkpoints: Checkpoints) -> None:
    model = model_of(Marvis.load(checkpoints(), "mlx", dtype, codec="none", slots=4))
    assert differing(model, KernelSteps(model), PlainSteps(model)) is None
    assert isinstance(steps_for(model, on_gpu=True), KernelSteps)
    assert isinstance(steps_for(model, on_gpu=False), PlainSteps)


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize("fmt", ["native", "mlx-8bit"])
def test_takes_made_with_kernels_are_those_made_without(
    fmt: str, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where norms are in the matrices behind them, and where those are packed."""
    engine = Marvis.load(checkpoints(fmt), "mlx", "float32", codec="none", slots=4)
    assert (model_of(engine).depth.layers[0].input_norm is None) == (fmt == "native")
    plain = [request for request in many() if request.voice is None]
    requests = [replace(request, max_frames=2 + place) for place, request in enumerate(plain)]
    expected = engine.generate_codes(requests)
    model = model_of(engine)

    def made(slots: int) -> MLXFrames:
        return MLXFrames(model, KernelSteps(model), SlotState(model, slots, 8), Sampling(), on_gpu=False)

    monkeypatch.setattr(engine.runners, "made", made)
    engine.runners.clear()
    found = engine.generate_codes(requests)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("SQRT(float(DIM))", "float(DIM)", "attention of the backbone"),
        ("held = int(code)", "held = int(code) + 1", "draws with Sampling"),
        ("FACTOR(slot)", "FACTOR(0)", "draws with Sampling"),
        ("WARP_SUM(squares) / NORM + epsilons[0]", "WARP_SUM(squares) / NORM", "attention of the backbone"),
        ("(squares / NORM + epsilons[0])", "(squares / NORM)", "gates of the backbone"),
        ("BARRIER;", "NO SUCH THING;", "Command"),
    ],
)
def test_a_machine_on_which_kernels_do_something_else_goes_on_without_them(
    right: str,
    wrong: str,
    said: str,
    engine: Marvis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("ATTENTION", "DIVISOR", "DRAW"):
        monkeypatch.setattr(kernel_texts, name, getattr(kernel_texts, name).replace(right, wrong))
    assert isinstance(steps_for(model_of(engine), on_gpu=True), PlainSteps)
    (record,) = caplog.records
    assert record.getMessage().startswith("Marvis goes on without its own kernels, which do not work on this machine (")
    assert said in record.getMessage()


def test_both_languages_say_the_same_things() -> None:
    named = [
        {line.split()[1].split("(")[0] for line in text.splitlines() if line.startswith("#define")}
        for text in (kernel_texts.METAL, kernel_texts.CUDA + "#define WARP_SUM\n#define WARP_MAX\n")
    ]
    assert named[0] == named[1]
    assert mx.metal.is_available() or kernel_texts.METAL_PLACE.split("=")[0] == kernel_texts.CUDA_PLACE.split("=")[0]
