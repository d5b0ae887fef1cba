"""Mimi in MLX against Mimi in torch, which is held against transformers: the same audio, the same codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.marvis_checkpoints import random_weights, tiny_config, transformers_model
from tests.mimi_checkpoints import tiny_mimi, write_mimi, write_moshi_mimi
from voicegen.errors import ModelError
from voicegen.tts.marvis.codec import Codec
from voicegen.tts.marvis.codec_state import CodecState
from voicegen.tts.marvis.mlx.mimi import MLXMimi
from voicegen.tts.marvis.torch_mimi import TorchMimi

CODEBOOKS, CODES = 8, 32


def snr(found: np.ndarray, expected: np.ndarray) -> float:
    """Decibels of the expected over the difference."""
    noise = np.square(found.astype(np.float64) - expected).sum()
    return float(10 * np.log10(np.square(expected.astype(np.float64)).sum() / max(noise, 1e-30)))


def random_codes(frames: int, seed: int = 0, books: int = CODEBOOKS) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, CODES, (books, frames))


def speech_like(frames: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.1, frames * 1920)
    return (noise * np.abs(np.sin(np.arange(len(noise)) / 3000))).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mimi(tmp_path_factory.mktemp("mimi"), num_quantizers=CODEBOOKS, codebook_size=CODES)


@pytest.fixture(scope="module")
def codec(folder: Path) -> Codec:
    return Codec(MLXMimi.load(folder))


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Codec:
    return Codec(TorchMimi.load(folder))


def test_sizes_come_from_the_config(codec: Codec, theirs: Codec) -> None:
    names = ("sample_rate", "frame_rate", "frame_size", "codebooks", "codebook_size")
    assert [getattr(codec, name) for name in names] == [getattr(theirs, name) for name in names]


@pytest.mark.parametrize("frames", [1, 7, 80])  # 80 are beyond the attention's window of 64 positions
def test_decoding_is_torchs(codec: Codec, theirs: Codec, frames: int) -> None:
    codes = random_codes(frames)
    assert snr(codec.decode([codes])[0], theirs.decode([codes])[0]) > 110


def test_fewer_codebooks_can_be_decoded(codec: Codec, theirs: Codec) -> None:
    for books in (1, 4):
        codes = random_codes(5, books=books)
        assert snr(codec.decode([codes])[0], theirs.decode([codes])[0]) > 110


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6), frames_at_once=st.integers(1, 60))
def test_a_batch_equals_each_alone_however_it_is_cut(codec: Codec, lengths: list[int], frames_at_once: int) -> None:
    codes = [random_codes(length, seed) for seed, length in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec.mimi, "frames_at_once", frames_at_once)
        batched = codec.decode(codes)
    for one, samples in zip(codes, batched, strict=True):
        np.testing.assert_allclose(samples, codec.decode([one])[0], atol=1e-4)  # of samples up to 12


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_streamed_pieces_join_to_the_whole(codec: Codec, cuts: list[int]) -> None:
    codes = random_codes(sum(cuts))
    stream, ends = codec.stream_decoder(), np.cumsum(cuts)
    pieces = [stream.push(codes[:, end - cut : end]) for cut, end in zip(cuts, ends, strict=True)]
    assert [len(piece) for piece in pieces] == [cut * 1920 for cut in cuts]
    np.testing.assert_allclose(np.concatenate(pieces), codec.decode([codes])[0], atol=1e-4)


@pytest.mark.parametrize("frames", [1, 5, 80])
def test_codes_of_a_recording_are_torchs(codec: Codec, theirs: Codec, frames: int) -> None:
    samples = speech_like(frames)
    np.testing.assert_array_equal(codec.encode(samples, 24_000), theirs.encode(samples, 24_000))


def test_a_recording_is_encoded_the_same_however_it_is_cut(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = speech_like(80)
    whole = codec.encode(samples, 24_000)
    for frames in (1, 7, 64):
        monkeypatch.setattr(codec.mimi, "frames_at_once", frames)
        np.testing.assert_array_equal(codec.encode(samples, 24_000), whole)


def test_encoding_resamples_and_fills_the_last_frame(codec: Codec, theirs: Codec) -> None:
    samples = speech_like(3)[:5000]
    for rate in (24_000, 12_000):
        np.testing.assert_array_equal(codec.encode(samples, rate), theirs.encode(samples, rate))


def test_every_form_of_the_same_codec_is_read(tmp_path: Path) -> None:
    mimi = tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)
    expected, codes, samples = Codec(TorchMimi(mimi)), random_codes(10), speech_like(10)
    file = write_moshi_mimi(tmp_path / "moshi", mimi)
    mimi.config.save_pretrained(tmp_path / "moshi")
    for source in (tmp_path / "moshi", file):
        codec = Codec(MLXMimi.load(source))
        assert snr(codec.decode([codes])[0], expected.decode([codes])[0]) > 110
        np.testing.assert_array_equal(codec.encode(samples, 24_000), expected.encode(samples, 24_000))


def test_a_csm_folders_own_codec_is_read(tmp_path: Path) -> None:
    config = tiny_config()
    model = transformers_model(random_weights(config), config)
    model.save_pretrained(tmp_path)
    codes = random_codes(5)
    codec = Codec(MLXMimi.load(tmp_path))
    assert snr(codec.decode([codes])[0], Codec(TorchMimi(model.codec_model)).decode([codes])[0]) > 110


@pytest.mark.parametrize(
    "changes",
    [{"num_residual_layers": 2}, {"num_key_value_heads": 1}, {"use_conv_shortcut": True}, {"upsample_groups": 1}],
)
def test_codecs_of_other_sizes_are_read(changes: dict[str, Any], tmp_path: Path) -> None:
    """More residual layers, fewer key-value heads, a convolution beside them, an upsampling across channels."""
    model = tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES, **changes)
    model.save_pretrained(tmp_path)
    codec, expected, codes = Codec(MLXMimi.load(tmp_path)), Codec(TorchMimi(model)), random_codes(40)
    assert snr(codec.decode([codes])[0], expected.decode([codes])[0]) > 110
    samples = speech_like(20)
    np.testing.assert_array_equal(codec.encode(samples, 24_000), expected.encode(samples, 24_000))


def test_missing_and_broken_tensors_are_named(tmp_path: Path) -> None:
    folder = write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "decoder_transformer.layers.0.mlp.fc1.weight"
    save_file({key: value for key, value in weights.items() if key != name}, file)
    with pytest.raises(ModelError, match=r"mimi lacks the tensor decoder_transformer\.layers\.0\.mlp\.fc1\.weight"):
        MLXMimi.load(folder)
    save_file(weights | {name: torch.full_like(weights[name], torch.nan)}, file)
    with pytest.raises(ModelError, match=r"NaN or infinity in the tensor decoder_transformer\.layers\.0\.mlp\.fc1"):
        MLXMimi.load(folder)
    save_file(weights | {name: weights[name][:, :7].contiguous()}, file)
    with pytest.raises(ModelError, match=r"mimi cannot be loaded: its tensors do not fit its config\.json"):
        MLXMimi.load(folder)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("use_causal_conv", False, "use_causal_conv=False; only True"),
        ("hidden_act", "relu", "another activation than gelu"),
        ("num_quantizers", 0, "num_quantizers=0, which is no such number"),
    ],
)
def test_a_codec_that_is_another_kind_is_refused(field: str, value: object, said: str, tmp_path: Path) -> None:
    folder = write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(ModelError, match=said):
        MLXMimi.load(folder)


def test_mimi_at_its_true_sizes_is_torchs(tmp_path: Path) -> None:
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    model = MimiModel(MimiConfig()).eval()
    model.save_pretrained(tmp_path)
    codes = np.random.default_rng(0).integers(0, 2048, (32, 2))
    codec = Codec(MLXMimi.load(tmp_path))
    assert (codec.sample_rate, codec.frame_rate, codec.codebooks) == (24_000, 12.5, 32)
    assert snr(codec.decode([codes])[0], Codec(TorchMimi(model)).decode([codes])[0]) > 100


def test_a_gpu_decodes_takes_in_float16_and_in_few_shapes(folder: Path, codec: Codec) -> None:
    on_gpu = MLXMimi.load(folder, backend="metal")
    shapes: set[tuple[int, ...]] = set()
    halves = on_gpu.decode_half
    assert halves is not None

    def decode(codes: np.ndarray, state: CodecState) -> np.ndarray:
        shapes.add(codes.shape)
        return halves(codes, state)

    on_gpu.decode_half = decode
    for round in range(3):
        codes = [random_codes(1 + (17 * i + round) % 90, seed=i) for i in range(3 + 2 * round)]
        decoded, expected = Codec(on_gpu).decode(codes), codec.decode(codes)
        for ours, theirs in zip(decoded, expected, strict=True):
            assert ours.shape == theirs.shape
            assert snr(ours, theirs) > 50  # measured: 58 and more
    assert shapes <= {(rows, CODEBOOKS, min(32, 128 // rows)) for rows in (1, 2, 4, 8)}
