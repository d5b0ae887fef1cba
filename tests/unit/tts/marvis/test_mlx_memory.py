"""What Marvis takes of memory in MLX: flat in a long run, by the size of the machine, wired while it speaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from tests.macs import M1_8GB, M1_RECOMMENDED, wired_limits
from tests.mimi_checkpoints import write_mimi
from voicegen.tts.marvis import Marvis, SpeechRequest
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import PendingFrame
from voicegen.tts.marvis.mlx import prefill
from voicegen.tts.marvis.mlx.frames import MLXFrames
from voicegen.tts.marvis.mlx.runners import dtype_of
from voicegen.tts.marvis.mlx.state import SlotState, slots_that_fit
from voicegen.tts.marvis.mlx.steps import PlainSteps

Checkpoints = Callable[..., Path]


@pytest.fixture
def engine(checkpoints: Checkpoints, tmp_path: Path) -> Marvis:
    codec = write_mimi(tmp_path / "mimi", num_quantizers=8)
    return Marvis.load(checkpoints(), "mlx", codec=str(codec), slots=4)


def requests(number: int, seed: int = 0) -> list[SpeechRequest]:
    """Prompts and takes of many lengths, so that arrays of many shapes come and go."""
    return [
        SpeechRequest("word " * (1 + (7 * i + seed) % 13), seed=seed + i, max_frames=1 + (5 * i + seed) % 33)
        for i in range(number)
    ]


def test_a_run_of_many_lengths_stays_flat(engine: Marvis) -> None:
    limit = 4 << 20
    before = mx.set_cache_limit(limit)

    def spoken(seed: int) -> tuple[int, int]:
        cached = 0
        for _ in engine.speak(requests(8, seed)):
            cached = max(cached, mx.get_cache_memory())
        return cached, mx.get_active_memory()

    rounds = [spoken(seed) for seed in range(3)]
    mx.set_cache_limit(before)
    assert max(cached for cached, _ in rounds) <= limit
    active = [active for _, active in rounds[1:]]
    assert max(active) - min(active) < 1 << 16  # other tests' arrays of this process may go meanwhile


def test_hundreds_of_frames_on_a_gpu_have_a_few_shapes_and_keep_memory_flat(
    engine: Marvis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU prepares kernels for each new shape, and keeps what it prepared."""
    runners: Any = engine.runners
    read: set[tuple[int, int]] = set()
    rooms: set[int] = set()
    state = SlotState(runners.model, 4, 8, span=32)

    shaped = prefill.shape_of

    def shape_of(rows: int, width: int) -> tuple[int, int]:
        shape = shaped(rows, width)
        read.add(shape)
        return shape

    class Frames(MLXFrames):
        def launch(self, slots: int) -> PendingFrame:
            pending = super().launch(slots)
            arrays = state.taken()
            rooms.add(arrays.layers[0][0].shape[2])
            state.put(arrays)
            return pending

    monkeypatch.setattr("voicegen.tts.marvis.mlx.prefill.shape_of", shape_of)
    monkeypatch.setattr(mx, "compile", lambda function: function)
    steps = PlainSteps(runners.model)
    monkeypatch.setattr(runners, "made", lambda _slots: Frames(runners.model, steps, state, Sampling(), on_gpu=True))
    active, known = [], []
    for seed in range(3):
        takes = engine.generate_takes(requests(20, seed))
        state.reach(0)  # as between two runs
        active.append(mx.get_active_memory())
        known.append((len(read), len(rooms)))
        assert sum(take.codes.shape[1] for take in takes) > 250
    assert max(active) - min(active) < 1 << 16
    assert known[0] == known[-1]
    assert read <= {(rows, width) for rows in (1, 2, 4) for width in (16, 32, 64, 128)}
    assert rooms <= {32, 64, 96, 128}


def test_slots_follow_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mx, "device_info", lambda: M1_8GB)
    assert slots_that_fit(16 << 20, 32) == 32  # of Marvis 100M: 16 MB a slot
    assert slots_that_fit(256 << 20, 32) == 4
    assert slots_that_fit(8 << 30, 32) == 1


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A Mac's wired limits, one after the other."""
    return wired_limits(monkeypatch)


def test_memory_is_wired_while_anything_is_spoken_and_not_after(engine: Marvis, wired: list[int]) -> None:
    most = M1_RECOMMENDED
    engine.generate_codes(requests(3))
    assert wired == [7, most, 7]
    streams = [engine.stream(request) for request in requests(3)[1:]]
    for stream in streams:
        next(stream)
    assert wired == [7, most, 7, most]
    streams[0].close()
    assert wired[-1] == most
    for _ in streams[1]:
        pass
    assert wired == [7, most, 7, most, 7]


def test_memory_is_not_left_wired_by_a_failure(
    engine: Marvis, wired: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("voicegen.tts.marvis.scheduler.Scheduler._step", fails)
    with pytest.raises(ValueError, match="broken"):
        engine.generate_codes(requests(1))
    assert wired[-1] == 7


@pytest.mark.parametrize(
    ("architecture", "dtype"),
    [("applegpu_g13s", mx.float16), ("applegpu_g14d", mx.float16), ("applegpu_g15s", mx.bfloat16)],
)
def test_macs_before_the_m3_compute_in_float16(
    architecture: str, dtype: mx.Dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mx.metal, "is_available", lambda: True)
    monkeypatch.setattr(mx, "default_device", lambda: mx.Device(mx.gpu))
    monkeypatch.setattr(mx, "device_info", lambda: {"architecture": architecture})
    assert dtype_of("metal", "auto") == dtype
    assert dtype_of("metal", "float32") == mx.float32
