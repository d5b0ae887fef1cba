"""Marvis in MLX against Marvis in torch, on the CPU in float32: the same takes, in any company."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import torch

from tests.marvis_checkpoints import Format
from tests.mimi_checkpoints import write_mimi
from tests.unit.tts.marvis.test_mlx_mimi import snr
from voicegen.errors import ConfigError, ModelError
from voicegen.records import Speech
from voicegen.tts.marvis import Marvis, SpeechRequest
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.mlx.frames import MLXFrames
from voicegen.tts.marvis.mlx.sampler import gumbel_noise, sample
from voicegen.tts.marvis.mlx.state import SlotState
from voicegen.tts.marvis.mlx.steps import PlainSteps
from voicegen.tts.marvis.sampler import gumbel_noise as torch_noise
from voicegen.tts.marvis.sampler import sample as torch_sample
from voicegen.tts.voices import VoicePrompt

Checkpoints = Callable[..., Path]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mimi(tmp_path_factory.mktemp("mimi"), num_quantizers=8, codebook_size=32)


@pytest.fixture
def engines(checkpoints: Checkpoints, codec: Path) -> Callable[..., tuple[Marvis, Marvis]]:
    """The same checkpoint and codec in MLX and in torch."""

    def both(fmt: Format = "native", seed: int = 0, slots: int = 4, **options: Any) -> tuple[Marvis, Marvis]:
        folder = checkpoints(fmt, seed)
        mlx, plain = (
            Marvis.load(folder, device, "float32", codec=str(codec), slots=slots, **options)
            for device in ("mlx", "cpu")
        )
        return mlx, plain

    return both


def many() -> list[SpeechRequest]:
    """Twelve of many lengths, without a voice and with voices of both kinds, more than there are slots."""
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 24_000 * 3)).astype(np.float32)
    voices = [
        None,
        VoicePrompt(noise[0], "some words that were said", name="one"),
        VoicePrompt(noise[1], "and more", mode="context", name="two"),
    ]
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    return [
        SpeechRequest(" ".join(words[: 1 + i % 8]), voice=voices[i % 3], seed=i, max_frames=3 + (5 * i) % 17)
        for i in range(12)
    ]


def equal(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return len(left) == len(right) and all(map(np.array_equal, left, right))


@pytest.mark.parametrize("fmt", ["native", "transformers"])
def test_takes_are_those_of_torch_with_voices_and_refills(fmt: Format, engines: Any) -> None:
    mlx, plain = engines(fmt)
    for temperature in (0.0, 0.9):
        assert equal(mlx.generate_codes(many(), temperature), plain.generate_codes(many(), temperature))


def test_a_take_is_the_same_alone_and_in_company(engines: Any) -> None:
    mlx, _ = engines()
    together = mlx.generate_codes(many())
    assert equal([mlx.generate_codes([request])[0] for request in many()[:6]], together[:6])
    assert equal(mlx.generate_codes(many()[::-1])[::-1], together)


def test_half_of_the_codebooks_are_those_of_torch(engines: Any) -> None:
    mlx, plain = engines(codebooks=4)
    assert equal(mlx.generate_codes(many()), plain.generate_codes(many()))


@pytest.mark.parametrize("seed", [1, 2])
def test_finish_reasons_are_those_of_torch(seed: int, engines: Any) -> None:
    mlx, plain = engines(seed=seed)
    requests = [SpeechRequest("Words.", seed=i) for i in range(6)]
    found, expected = (
        [(take.finish_reason, take.codes.shape, take.error) for take in engine.generate_takes(requests, 1.2, 0)]
        for engine in (mlx, plain)
    )
    assert found == expected


def test_speech_and_streams_are_those_of_torch(engines: Any) -> None:
    mlx, plain = engines()
    requests = many()[:6]

    def spoken(engine: Marvis) -> dict[int, np.ndarray]:
        records = list(engine.speak(iter(requests)))
        assert all(isinstance(record, Speech) for record in records)
        return {record.utterance.index: record.samples for record in records if isinstance(record, Speech)}

    ours, theirs = spoken(mlx), spoken(plain)
    for index, samples in theirs.items():
        assert snr(ours[index], samples) > 100
        assert snr(np.concatenate(list(mlx.stream(requests[index]))), samples) > 100


def test_weights_that_give_nan_break_one_take_and_no_other(engines: Any) -> None:
    mlx, _ = engines()
    good = SpeechRequest("Fine words here.", seed=3, max_frames=8)
    expected = mlx.generate_codes([good])[0]
    broken = VoicePrompt(np.random.default_rng(1).normal(0, 0.2, 72_000).astype(np.float32), "said", mode="context")
    prefix = mlx.orders.order(SpeechRequest("x", voice=broken), 5).prompt.prefix
    prefix.layers[0][0][:] = mx.array(float("nan"))
    takes = mlx.generate_takes([SpeechRequest("x", voice=broken, max_frames=5), good, good])
    assert takes[0].error == "the model gave no finite logits at frame 0"
    assert equal([take.codes for take in takes[1:]], [expected, expected])


def test_the_noise_of_a_draw_is_torchs() -> None:
    rng = np.random.default_rng(0)
    seeds, frames = rng.integers(0, 2**32, (64, 2)), rng.integers(0, 1125, 64)
    ours = gumbel_noise(mx.array(seeds.astype(np.uint32)), mx.array(frames.astype(np.uint32)), 7, 2051)
    theirs = torch_noise(torch.from_numpy(seeds), torch.from_numpy(frames), 7, 2051).numpy()
    np.testing.assert_allclose(np.array(ours), theirs, atol=2e-6)


@pytest.mark.parametrize(("temperature", "top_k"), [(0.0, 50), (0.9, 50), (0.7, 1), (1.1, 0)])
def test_draws_are_torchs_and_tell_what_is_not_finite(temperature: float, top_k: int) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (200, 301)).astype(np.float32)
    logits[5, 7], logits[9, 0], logits[11, :40] = np.nan, np.inf, 9.0  # the last are ties
    seeds, frames, how = rng.integers(0, 2**32, (200, 2)), np.arange(200), Sampling(temperature, top_k)
    ours = sample(mx.array(logits), mx.array(seeds.astype(np.uint32)), mx.array(frames.astype(np.uint32)), 3, how)
    theirs = torch_sample(torch.from_numpy(logits), torch.from_numpy(seeds), torch.from_numpy(frames), 3, how)
    fine = np.isfinite(logits).all(axis=1)
    np.testing.assert_array_equal(np.array(ours[1]), fine)
    np.testing.assert_array_equal(np.array(ours[0])[fine], theirs[0].numpy()[fine])


def test_a_frame_one_ahead_and_compiled_gives_the_same_takes(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the host reads one frame late, the cache grows and shrinks, prompts are read together."""
    mlx, _ = engines()
    expected = mlx.generate_codes(many())
    runners = mlx.runners
    model = runners.model

    def made(slots: int) -> MLXFrames:
        return MLXFrames(model, PlainSteps(model), SlotState(model, slots, 8, span=32), Sampling(), on_gpu=True)

    monkeypatch.setattr(runners, "made", made)
    runners.clear()
    assert equal(mlx.generate_codes(many()), expected)


def test_where_memory_runs_out_half_of_the_slots_go_on(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mlx, plain = engines(slots=4)
    made = mlx.runners.made

    def failing(slots: int) -> Any:
        if slots > 2:
            raise RuntimeError("[metal::malloc] Unable to allocate 123 bytes.")
        return made(slots)

    monkeypatch.setattr(mlx.runners, "made", failing)
    assert equal(mlx.generate_codes(many()), plain.generate_codes(many()))
    assert mlx.slots == 2


def test_what_is_not_there_is_refused(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mx.metal, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device metal is not there on this machine: use device=auto, mlx or cpu"):
        Marvis.load(checkpoints(), "metal")
    with pytest.raises(ConfigError, match="dtype is 'int8'; it may be auto, float32, bfloat16, float16"):
        Marvis.load(checkpoints(), "mlx", dtype="int8")


def test_on_apple_silicon_mlx_is_chosen(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    engine = Marvis.load(checkpoints())
    assert (engine.runners.device, engine.info.precision, engine.slots) == ("mlx (cpu)", "float32", 8)


def test_streams_in_threads_of_their_own_give_what_each_gives_alone(engines: Any) -> None:
    mlx, _ = engines()
    requests = many()[:3]
    alone = [np.concatenate(list(mlx.stream(request))) for request in requests]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda request: np.concatenate(list(mlx.stream(request))), requests))
    assert all(snr(ours, expected) > 100 for ours, expected in zip(together, alone, strict=True))
