"""Weights read into MLX: from every format, and as packed as they are in the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.marvis_checkpoints import (
    Format,
    Weights,
    dequantized,
    quantized,
    random_weights,
    tiny_config,
    with_hf_names,
    write_checkpoint,
)
from voicegen.errors import ModelError
from voicegen.tts.marvis import Marvis, SpeechRequest
from voicegen.tts.marvis.config import read_config
from voicegen.tts.marvis.layout import Packing
from voicegen.tts.marvis.mlx.matrices import Packed, Stacked, Whole
from voicegen.tts.marvis.mlx.model import MLXModel, Product, Transformer
from voicegen.tts.marvis.mlx.weights import MLXWeights, load_weights

Checkpoints = Callable[..., Path]


def loaded(folder: Path, dtype: mx.Dtype = mx.float32) -> MLXWeights:
    return load_weights(folder, read_config(folder), dtype)


def logits(folder: Path) -> list[np.ndarray]:
    """Of codebook 0 after each token of a prompt, and of codebook 1 after the last."""
    model = MLXModel(read_config(folder), loaded(folder), mx.float32)

    def hidden_of(part: Transformer, x: mx.array) -> mx.array:
        def attend(_layer: int, qkv: Product) -> mx.array:
            return part.attention(*part.turned(qkv.numbers, len(qkv.numbers), 0), "causal")

        return part(x, attend)

    hidden = model.backbone.normed(hidden_of(model.backbone, model.embed(mx.array([256, 72, 101, 108, 257]), None)))
    deep = hidden_of(model.depth, model.depth_start(hidden[-1:], model.depth_input(mx.array([7]), 0)))
    second = model.depth.product(deep[-1:], model.depth.norm, model.heads[1], divide=True)
    vocab = model.config.audio_vocab
    return [np.array(model.heads[0](hidden))[..., :vocab], np.array(second.numbers)[0, :vocab]]


def codes(folder: Path, device: str) -> list[np.ndarray]:
    requests = [SpeechRequest("some words", seed=seed, max_frames=6) for seed in range(3)]
    return Marvis.load(folder, device, codec="none", slots=2).generate_codes(requests)


@pytest.mark.parametrize("fmt", ["native", "native-hf-names", "transformers"])
def test_every_format_of_the_same_model_gives_the_same_logits(fmt: Format, checkpoints: Checkpoints) -> None:
    for ours, expected in zip(logits(checkpoints(fmt)), logits(checkpoints("native")), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_packed_weights_give_the_logits_and_codes_of_the_unpacked(
    bits: int, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Logits are about 10; the sums are of float32 in another order, which measured at most 2e-5."""
    packed = checkpoints(f"mlx-{bits}bit")
    config = tiny_config()
    weights = dequantized(random_weights(config), bits)
    plain = write_checkpoint(tmp_path, config=config, weights=weights, codec_seed=None)
    for ours, expected in zip(logits(packed), logits(plain), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
    for ours, expected in zip(codes(packed, "mlx"), codes(plain, "cpu"), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_what_is_packed_stays_so(checkpoints: Checkpoints) -> None:
    weights = loaded(checkpoints("mlx-4bit"), mx.bfloat16)
    layer = weights.backbone[0]
    matrices = [weights.text_embeddings, weights.audio_embeddings, weights.first_head, layer.qkv, layer.gate_up]
    for matrix in matrices:
        assert isinstance(matrix, Packed)
        assert (matrix.packing.bits, matrix.packing.group, matrix.scales.dtype) == (4, 32, mx.bfloat16)
    assert all(isinstance(head, Whole) for head in weights.heads)
    assert layer.input_norm.dtype == mx.bfloat16


def test_norms_are_in_the_matrices_behind_them_but_in_float16(checkpoints: Checkpoints) -> None:
    folded, apart = (loaded(checkpoints("native"), dtype) for dtype in (mx.float32, mx.float16))
    pairs = [(folded.heads[3], apart.heads[3], apart.depth_norm)]
    for ours, plain in zip(folded.backbone + folded.depth, apart.backbone + apart.depth, strict=True):
        assert ours.input_norm is None
        assert ours.ffn_norm is None
        pairs += [(ours.qkv, plain.qkv, plain.input_norm), (ours.gate_up, plain.gate_up, plain.ffn_norm)]
    assert folded.depth_norm is None
    for matrix, alone, norm in pairs:
        assert norm is not None
        assert np.array(norm).std() > 0.01
        (expected,), (found,) = alone.arrays, matrix.arrays
        np.testing.assert_allclose(np.array(found), np.array(expected * norm), rtol=4e-3, atol=1e-4)


def mixed(weights: Weights) -> Weights:
    """As recipes of more bits for some matrices have it: 4 bits, values in 8 or, in the second layers, whole."""
    finer = {name: tensor for name, tensor in weights.items() if "layers.0.attn.v_proj" in name}
    whole = {name: tensor for name, tensor in weights.items() if "layers.1.attn.v_proj" in name}
    rest = {name: tensor for name, tensor in weights.items() if name not in finer | whole}
    return quantized(rest, 4) | quantized(finer, 8, 64) | with_hf_names(whole)


def test_each_matrix_has_bits_and_groups_of_its_own(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    save_file(mixed(random_weights(tiny_config())), folder / "model.safetensors")
    first, second = (layer.qkv for layer in loaded(folder).backbone)
    assert isinstance(first, Stacked)
    assert isinstance(second, Stacked)
    packings = [part.packing for part in first.parts if isinstance(part, Packed)]
    assert packings == [Packing(4, 32), Packing(4, 32), Packing(8, 64)]
    assert isinstance(second.parts[2], Whole)
    for ours, expected in zip(codes(folder, "mlx"), codes(folder, "cpu"), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_tied_embeddings_are_one_table_and_untied_ones_two(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fmt="transformers", codec_seed=None)
    tensors = load_file(folder / "model.safetensors")
    name = "depth_decoder.model.embed_tokens.weight"
    save_file({key: value for key, value in tensors.items() if key != name}, folder / "model.safetensors")
    tied = loaded(folder)
    assert tied.depth_embeddings is tied.audio_embeddings
    untied = loaded(changed(folder, **{name: tensors[name] + 1}))
    places = mx.arange(5)
    difference = untied.depth_embeddings.rows(places) - untied.audio_embeddings.rows(places)
    np.testing.assert_allclose(np.array(difference), 1, atol=1e-5)


def test_sharded_checkpoints_in_bfloat16_are_read(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, dtype=torch.bfloat16, codec_seed=None)
    expected = logits(folder)
    tensors = load_file(folder / "model.safetensors")
    names, index = sorted(tensors), {}
    for shard, part in enumerate((names[::2], names[1::2])):
        file = f"model-0000{shard + 1}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    for ours, before in zip(logits(folder), expected, strict=True):
        np.testing.assert_array_equal(ours, before)


def changed(folder: Path, **tensors: torch.Tensor) -> Path:
    save_file(load_file(folder / "model.safetensors") | tensors, folder / "model.safetensors")
    return folder


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    whole = write_checkpoint(tmp_path / "whole", codec_seed=None)
    with pytest.raises(ModelError, match=r"whole: the tensor audio_head holds NaN or infinity"):
        loaded(changed(whole, audio_head=torch.full((7, 64, 35), torch.nan)))
    packed = write_checkpoint(tmp_path / "packed", fmt="mlx-4bit", codec_seed=None)
    with pytest.raises(ModelError, match=r"packed: the tensor projection\.weight holds NaN or infinity"):
        loaded(changed(packed, **{"model.projection.scales": torch.full((64, 2), torch.inf)}))


def test_a_packing_that_mlx_cannot_multiply_by_is_named(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fmt="mlx-4bit", codec_seed=None)
    finer = {f"model.projection.{part}": torch.ones(64, 16) for part in ("scales", "biases")}
    with pytest.raises(ModelError, match=r"projection\.weight is packed to 4 bits in groups of 4, .* tts\.device=cpu"):
        loaded(changed(folder, **finer))


def test_a_file_that_is_cut_short_is_one_clear_error(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read as safetensors .*download it again"):
        loaded(folder)


def test_names_in_the_file_are_read_by_their_header(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    both = with_hf_names(random_weights(tiny_config()))
    with pytest.raises(ModelError, match="mixes two exports"):
        loaded(changed(folder, **{"model.projection.weight": both["model.projection.weight"]}))
