"""The fast path against the plain one. `test_fused.py` runs these checks in a process of their own.

On a machine without a GPU, Triton's interpreter runs the kernels; it must be asked for before Triton is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.mimi_checkpoints import tiny_mimi
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.config import read_config
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import prefill
from voicegen.tts.marvis.prompts import Admission, Prompt
from voicegen.tts.marvis.sampler import sample
from voicegen.tts.marvis.torch_mimi import TorchMimi
from voicegen.tts.marvis.weights import load_weights

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_of(folder: Path) -> MarvisModel:
    config = read_config(folder)
    model = MarvisModel(config, load_weights(folder, config), DEVICE, torch.float32)
    model.weights = load_weights(folder, config).to(DEVICE, torch.float32)  # as a GPU's
    return model


def states(model: MarvisModel, slots: int, books: int) -> tuple[SlotState, SlotState]:
    """Two states that hold the same prompts of different lengths."""
    rng = np.random.default_rng(0)
    pair = (SlotState(model, slots, books, 96), SlotState(model, slots, books, 96))
    for state in pair:
        rng = np.random.default_rng(0)
        prompts = [
            Prompt.text(rng.integers(0, 250, 3 + 34 * slot % 90).tolist(), model.config.codebooks)
            for slot in range(slots)
        ]
        prefill(model, state, [Admission(i, p, 3 + i, (7 * i, 2**32 - 5 * i - 1)) for i, p in enumerate(prompts)])
    return pair


@pytest.mark.parametrize(
    ("slots", "most_rows", "books", "frames", "sampling"),
    [
        pytest.param(1, 256, 3, 2, Sampling(0.0, 0), id="products of one row"),
        pytest.param(3, 256, 3, 1, Sampling(0.9, 5), id="our products, a cache of two blocks"),
        pytest.param(2, 1, 2, 1, Sampling(1.3, 0), id="the vendor's products, fewer codebooks"),
    ],
)
def test_the_fused_frame_equals_the_plain_one(
    slots: int,
    most_rows: int,
    books: int,
    frames: int,
    sampling: Sampling,
    checkpoints: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from voicegen.tts.marvis import fused as fused_frames
    from voicegen.tts.marvis.fused import FusedFrame

    monkeypatch.setattr(fused_frames, "MOST_ROWS", most_rows)
    model = model_of(checkpoints(seed=1, codebooks=3))
    plain, fused = states(model, slots + 1 if slots < 3 else slots, books)
    frame, runner = FusedFrame(model, fused), PlainFrames(model, plain, sampling)
    frame.controls.copy_(torch.tensor([sampling.temperature, float(sampling.top_k or 35)]))
    for _ in range(frames):
        runner.launch(slots)
        with torch.inference_mode():
            frame.launch(slots)
        # On the CPU the plain path computes idle rows too.
        torch.testing.assert_close(fused.output[:slots], plain.output[:slots])
        torch.testing.assert_close(fused.counters[:slots], plain.counters[:slots])
        torch.testing.assert_close(fused.hidden[:slots], plain.hidden[:slots], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fused.keys[:, :slots], plain.keys[:, :slots], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fused.values[:, :slots], plain.values[:, :slots], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("dtype", "top_k", "rows"),
    [
        (torch.float32, 7, 6),
        (torch.float32, 67, 6),
        (torch.float32, 50, 17),
        (torch.bfloat16, 1, 6),
        (torch.bfloat16, 50, 6),
    ],
)
def test_the_sampling_kernel_equals_plain_sampling(dtype: torch.dtype, top_k: int, rows: int) -> None:
    from voicegen.tts.marvis import kernels

    vocab, book = 67, 3
    generator = torch.Generator().manual_seed(top_k)
    logits = (torch.randn(rows, 128, generator=generator) * 3).to(DEVICE, dtype)
    logits[4, 11] = torch.nan
    logits[5, 66] = torch.inf
    counters = torch.randint(0, 2**31, (rows, 5), generator=generator).to(DEVICE)
    output = torch.full((rows, 9), -1, dtype=torch.int32, device=DEVICE)
    broken = torch.zeros(rows, dtype=torch.int32, device=DEVICE)
    controls = torch.tensor([0.9, float(top_k)], device=DEVICE)
    kernels.sample(logits, output, broken, counters, controls, book, vocab, None, kernels.Stream.of(rows, 8, logits))
    codes, finite = sample(logits[:, :vocab], counters[:, 3:], counters[:, 1], book, Sampling(0.9, top_k))
    torch.testing.assert_close(broken.bool(), ~finite)
    torch.testing.assert_close(output[:4, book].long(), codes[:4])
    assert (output[:, [0, 1, 2, 4, 5, 6, 7, 8]] == -1).all()


@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.parametrize(
    "tiles", [(16, 32, 16), (16, 64, 32, 2), (32, 32, 16, 4)], ids=["whole", "shared by two", "shared by four"]
)
def test_products_equal_the_plain_layers(rows: int, tiles: tuple[int, ...]) -> None:
    from voicegen.tts.marvis import kernels

    generator = torch.Generator().manual_seed(rows)
    products, shape = kernels.Products(DEVICE), kernels.Tiles(*tiles)
    width, inner = 96, 128
    x, gate_up, down = (
        (torch.randn(size, generator=generator) / 8).to(DEVICE)
        for size in ((rows, width), (2 * inner, width), (width, inner))
    )
    stream = kernels.Stream.of(rows, width, x)
    active = torch.full((rows, inner), torch.nan, device=DEVICE)

    products(x, torch.eye(width, device=DEVICE), stream, add=True)
    torch.testing.assert_close(stream.values, x)
    torch.testing.assert_close(stream.squares.sum(dim=1), x.square().sum(dim=1))
    products(stream, gate_up, active, gated=True, eps=1e-5, tiles=kernels.Tiles(*tiles[:3]))
    gate, up = F.linear(F.rms_norm(x, (width,), eps=1e-5), gate_up).chunk(2, dim=1)
    torch.testing.assert_close(active, F.silu(gate) * up, rtol=1e-4, atol=1e-5)
    products(active, down, stream, add=True, tiles=shape)
    expected = x + F.linear(F.silu(gate) * up, down)
    torch.testing.assert_close(stream.values, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stream.squares.sum(dim=1), expected.square().sum(dim=1), rtol=1e-4, atol=1e-5)


def test_a_slot_without_finite_logits_is_flagged_alone(checkpoints: Callable[..., Path]) -> None:
    from voicegen.tts.marvis.frame_runner import BROKEN
    from voicegen.tts.marvis.fused import FusedFrame

    model = model_of(checkpoints(seed=1, codebooks=3))
    clean, state = states(model, 2, 2)
    state.hidden[0] = torch.nan
    frame = FusedFrame(model, state)
    frame.controls.copy_(torch.tensor([0.0, 35.0]))
    with torch.inference_mode():
        frame.launch(2)
    PlainFrames(model, clean, Sampling(0.0, 0)).launch(2)
    assert (state.output[:2, -1] & BROKEN).tolist() == [BROKEN, 0]
    torch.testing.assert_close(state.output[1], clean.output[1])


@pytest.mark.parametrize(
    ("frames", "turns"),
    [
        (1, [[(0, 0, 0)], [(1, 1, 0), (0, 0, 1)], [(1, 1, 1), (0, 2, 0)], [(1, 1, 2)]]),
        (2, [[(0, 0, 0)], [(1, 1, 0), (0, 0, 1)], [(0, 2, 0), (1, 1, 1)]]),
    ],
)
def test_a_step_of_the_codec_equals_its_plain_decoder(frames: int, turns: list[list[tuple[int, int, int]]]) -> None:
    """Three streams that begin apart, one in the row of one that ended; a window of 5 positions, a frame has two."""
    from voicegen.tts.marvis.codec_step import CodecStep

    mimi = tiny_mimi(num_quantizers=4, num_filters=32, sliding_window=5, upsampling_ratios=[4])
    decoder = TorchMimi(mimi, DEVICE).exact
    assert CodecStep.is_for(decoder)
    step = CodecStep(decoder, codebooks=4, rows=2, frames=2)
    codes = torch.randint(0, 32, (3, 4, 3 * frames), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    with torch.inference_mode():
        expected = decoder(codes, CodecState()).unflatten(1, (3, -1))
        for turn in turns:
            source, samples = step.source(len(turn), frames), step.samples(len(turn), frames)
            for place, (row, stream, part) in enumerate(turn):
                if part == 0:
                    step.begin([row])
                own = codes[stream, :, part * frames : (part + 1) * frames]
                source[place, 0], source[place, 1:] = row, own.T.flatten()
            step.launch(len(turn), frames)
            for place, (_, stream, part) in enumerate(turn):
                torch.testing.assert_close(samples[place], expected[stream, part], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(DEVICE.type != "cuda", reason="graphs are captured on CUDA alone")
def test_captured_frames_equal_plain_ones(checkpoints: Callable[..., Path]) -> None:
    from voicegen.tts.marvis.capture import CapturedFrames

    model: Any = model_of(checkpoints(seed=1))
    plain, captured = states(model, 5, 8)
    sampling = Sampling(0.9, 5)
    slow, fast = PlainFrames(model, plain, sampling), CapturedFrames(model, captured, sampling)
    for slots in (5, 3, 5, 2):
        np.testing.assert_array_equal(fast.launch(slots).wait(), slow.launch(slots).wait())
