import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.mimi_checkpoints import tiny_mimi, write_mimi, write_moshi_mimi
from voicegen.errors import ModelError
from voicegen.tts.marvis import codec as codec_module
from voicegen.tts.marvis.codec import Codec, SeparateStreams
from voicegen.tts.marvis.codec_streams import PlainRows, StreamBatch
from voicegen.tts.marvis.torch_mimi import TorchMimi

CODEBOOKS, CODES = 6, 32


@pytest.fixture(scope="module")
def mimi() -> Any:
    return tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)


@pytest.fixture(scope="module")
def codec(mimi: Any) -> Codec:
    return Codec(TorchMimi(mimi))


def random_codes(frames: int, seed: int = 0, codebooks: int = CODEBOOKS) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, CODES, (codebooks, frames))


def theirs(mimi: Any, codes: np.ndarray) -> np.ndarray:
    """What transformers decodes."""
    with torch.inference_mode():
        return mimi.decode(torch.from_numpy(codes)[None]).audio_values[0, 0].numpy()


def assert_same(ours: np.ndarray, expected: np.ndarray) -> None:
    assert ours.dtype == np.float32
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max(initial=0) <= 1e-5 * max(1.0, np.abs(expected).max(initial=0))


def test_sizes_come_from_the_config(codec: Codec) -> None:
    assert codec.sample_rate == 24_000
    assert codec.frame_size == 1920
    assert codec.frame_rate == 12.5
    assert codec.codebooks == CODEBOOKS


@pytest.mark.parametrize("frames", [1, 2, 31, 70])
def test_decoding_equals_transformers_beyond_the_attention_window_too(codec: Codec, mimi: Any, frames: int) -> None:
    """The window is 64 positions, which is 32 frames."""
    codes = random_codes(frames)
    (samples,) = codec.decode([codes])
    assert len(samples) == frames * 1920
    assert_same(samples, theirs(mimi, codes))


def test_fewer_codebooks_can_be_decoded(codec: Codec, mimi: Any) -> None:
    for codebooks in (1, 2, 5):
        codes = random_codes(9, codebooks=codebooks)
        assert_same(codec.decode([codes])[0], theirs(mimi, codes))


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 45), max_size=6), frames_at_once=st.integers(1, 60), rows=st.integers(1, 9))
def test_a_batch_equals_each_alone_however_it_is_cut(
    codec: Codec, mimi: Any, lengths: list[int], frames_at_once: int, rows: int
) -> None:
    codes = [random_codes(length, seed) for seed, length in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec.mimi, "frames_at_once", frames_at_once)
        patch.setattr(codec_module, "_ROWS_AT_ONCE", rows)
        batched = codec.decode(codes)
    for one, samples in zip(codes, batched, strict=True):
        assert_same(samples, codec.decode([one])[0])
        if one.shape[1]:
            assert_same(samples, theirs(mimi, one))


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 20), min_size=1, max_size=8))
def test_streamed_pieces_join_to_the_whole(codec: Codec, cuts: list[int]) -> None:
    codes = random_codes(sum(cuts))
    stream = codec.stream_decoder()
    ends = np.cumsum(cuts)
    pieces = [stream.push(codes[:, end - cut : end]) for cut, end in zip(cuts, ends, strict=True)]
    assert [len(piece) for piece in pieces] == [cut * 1920 for cut in cuts]
    assert_same(np.concatenate(pieces), codec.decode([codes])[0])


@pytest.mark.parametrize("kind", ["together", "apart", "two frames at once"])
def test_streams_of_one_batch_are_each_as_alone_wherever_they_begin_wait_and_end(codec: Codec, kind: str) -> None:
    """Longer than the window, of 64 positions or 32 frames; the last one has the row of one that ended."""
    plain = PlainRows(codec.mimi.exact, CODEBOOKS, rows=3)
    plain.frames = 2 if kind == "two frames at once" else 1
    decoders = SeparateStreams(codec) if kind == "apart" else StreamBatch(plain, codec)
    codes = [random_codes(frames, seed) for seed, frames in enumerate((40, 12, 35, 9))]
    rows, begins = (0, 1, 2, 1), (0, 3, 5, 30)
    pieces: list[list[np.ndarray]] = [[] for _ in codes]
    sent = [0] * len(codes)
    draw = np.random.default_rng(0)
    for turn in range(70):
        for one in np.flatnonzero(np.array(begins) == turn):
            decoders.begin(rows[one])
        counts = {one: int(draw.integers(0, 4)) for one, begin in enumerate(begins) if turn >= begin}
        new = {one: codes[one][:, sent[one] : sent[one] + count] for one, count in counts.items()}
        new = {one: part for one, part in new.items() if part.shape[1]}
        for row, samples in decoders.push({rows[one]: part for one, part in new.items()})().items():
            one = next(one for one in new if rows[one] == row)
            pieces[one].append(samples)
            sent[one] += new[one].shape[1]
    for one, parts in zip(codes, pieces, strict=True):
        assert_same(np.concatenate(parts), codec.decode([one])[0])


def test_a_stream_that_half_precision_cannot_hold_goes_on_in_full_and_the_others_as_they_are(mimi: Any) -> None:
    """Loud are frames whose first code is 0: what one leaves behind must not be heard after it."""
    loud = tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)
    loud.quantizer.semantic_residual_vector_quantizer.layers[0].codebook.embed_sum[0] *= 1e6
    codec = Codec(TorchMimi(loud, dtype=torch.float16))
    decoders = StreamBatch(PlainRows(codec.mimi.fast, CODEBOOKS, rows=2), codec)
    quiet, changing = random_codes(6, 1) % (CODES - 1) + 1, random_codes(6, 2) % (CODES - 1) + 1
    changing[0, 3] = 0
    for row in range(2):
        decoders.begin(row)
    turns = [decoders.push({0: quiet[:, turn : turn + 1], 1: changing[:, turn : turn + 1]})() for turn in range(6)]
    first, second = (np.concatenate([turn[row] for turn in turns]) for row in range(2))
    exact = Codec(TorchMimi(loud))
    noise = first - exact.decode([quiet])[0]
    assert 0 < np.abs(noise).max() < 0.05
    assert_same(second[3 * 1920 :], exact.decode([changing])[0][3 * 1920 :])


def test_what_follows_never_changes_what_came_before(codec: Codec) -> None:
    codes = random_codes(20)
    assert_same(codec.decode([codes])[0][: 7 * 1920], codec.decode([codes[:, :7]])[0])


def test_encoding_resamples_and_fills_the_last_frame(codec: Codec, mimi: Any) -> None:
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 5000).astype(np.float32)
    codes = codec.encode(samples, 24_000)
    assert codes.shape == (CODEBOOKS, 3)
    assert codes.dtype == np.int64
    padded = np.pad(samples, (0, 3 * 1920 - 5000))
    with torch.inference_mode():
        expected = mimi.encode(torch.from_numpy(padded)[None, None]).audio_codes[0].numpy()
    assert np.array_equal(codes, expected)
    assert codec.encode(samples, 12_000).shape == (CODEBOOKS, 6)
    with pytest.raises(ValueError, match="mono"):
        codec.encode(samples[:0], 24_000)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_close_and_streams_stay_exact(codec: Codec, mimi: Any, dtype: torch.dtype) -> None:
    half = Codec(TorchMimi(mimi, dtype=dtype))
    codes = random_codes(20)
    exact = codec.decode([codes])[0]
    noise = half.decode([codes])[0] - exact
    assert 10 * np.log10(np.square(noise).mean() / np.square(exact).mean()) < -50
    assert_same(half.stream_decoder().push(codes), exact)


def test_what_half_precision_cannot_hold_is_decoded_in_full(mimi: Any) -> None:
    loud = tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)
    with torch.no_grad():
        seanet = loud.decoder.decoder_seanet if hasattr(loud.decoder, "decoder_seanet") else loud.decoder
        seanet.layers[0].conv.weight.mul_(1e6)
    samples = Codec(TorchMimi(loud, dtype=torch.float16)).decode([random_codes(4)])[0]
    assert np.isfinite(samples).all()


@pytest.mark.parametrize(
    "codes", [np.zeros(3, np.int64), np.zeros((9, 3), np.int64), np.full((2, 3), CODES), np.full((2, 3), -1)]
)
def test_codes_that_cannot_be_decoded_are_refused(codec: Codec, codes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="codes must"):
        codec.decode([codes])
    with pytest.raises(ValueError, match="codes must"):
        codec.stream_decoder().push(codes)


def test_a_saved_codec_loads_and_decodes_the_same(tmp_path: Path) -> None:
    folder = write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)
    loaded, codes = Codec(TorchMimi.load(folder)), random_codes(5)
    original = Codec(TorchMimi(tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)))
    assert np.array_equal(loaded.decode([codes])[0], original.decode([codes])[0])


def test_a_folder_that_is_no_mimi_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ModelError, match="neither JSON files nor weights"):
        Codec(TorchMimi.load(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match="config of a 'llama'"):
        Codec(TorchMimi.load(tmp_path))


def test_missing_and_broken_tensors_are_named(tmp_path: Path) -> None:
    folder = write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in sorted(weights) if name.endswith("fc1.weight"))
    save_file({key: value for key, value in weights.items() if key != name}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the tensor .*fc1"):
        Codec(TorchMimi.load(folder))
    save_file(weights | {name: torch.full_like(weights[name], torch.nan)}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"NaN or infinity in the tensor .*fc1"):
        Codec(TorchMimi.load(folder))
    file.unlink()
    with pytest.raises(ModelError, match=r"mimi holds no \.safetensors file: download it again"):
        Codec(TorchMimi.load(folder))


def test_moshis_own_file_is_the_same_codec(mimi: Any, tmp_path: Path) -> None:
    file = write_moshi_mimi(tmp_path, mimi)
    mimi.config.save_pretrained(tmp_path)
    codes = random_codes(40)
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, 24_000).astype(np.float32)
    for source in (tmp_path, file):
        codec = Codec(TorchMimi.load(source))
        assert_same(codec.decode([codes])[0], theirs(mimi, codes))
        assert np.array_equal(codec.encode(samples, 24_000), Codec(TorchMimi(mimi)).encode(samples, 24_000))


def test_moshis_file_needs_no_config_and_must_have_the_published_sizes(mimi: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"96 rows, which are not heads of 64 as the published .* put its config\.json beside it"
    ):
        Codec(TorchMimi.load(write_moshi_mimi(tmp_path, mimi)))


@pytest.mark.parametrize("kept", [0, 20, -100])
def test_weights_that_are_cut_short_are_one_clear_error(tmp_path: Path, kept: int) -> None:
    folder = write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"the codec: .*model\.safetensors cannot be read .*download it again"):
        Codec(TorchMimi.load(folder))


def test_loading_a_codec_shows_no_bar_and_leaves_the_bars_of_others_on(tmp_path: Path, capfd: Any) -> None:
    from transformers.utils import logging

    Codec(TorchMimi.load(write_mimi(tmp_path / "mimi", num_quantizers=CODEBOOKS, codebook_size=CODES)))
    assert "Loading weights" not in capfd.readouterr().err
    assert logging.is_progress_bar_enabled()


def test_a_codec_that_looks_ahead_is_refused() -> None:
    mimi = tiny_mimi(num_quantizers=CODEBOOKS, codebook_size=CODES)
    mimi.config.use_causal_conv = False
    with pytest.raises(ModelError, match="use_causal_conv"):
        Codec(TorchMimi(mimi))


def test_mimi_at_its_true_sizes_decodes_as_transformers_does() -> None:
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    mimi = MimiModel(MimiConfig()).eval()
    codes = np.random.default_rng(0).integers(0, 2048, (32, 3))
    codec = Codec(TorchMimi(mimi))
    assert (codec.sample_rate, codec.frame_rate, codec.codebooks) == (24_000, 12.5, 32)
    whole = codec.decode([codes])[0]
    assert_same(whole, theirs(mimi, codes))
    stream = codec.stream_decoder()
    assert_same(np.concatenate([stream.push(codes[:, i : i + 1]) for i in range(3)]), whole)
