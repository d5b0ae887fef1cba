from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.marvis_checkpoints import (
    FORMATS,
    Format,
    dequantized,
    random_weights,
    tiny_config,
    with_hf_names,
    write_checkpoint,
)
from voicegen.errors import ModelError
from voicegen.tts.marvis.config import parse_config, read_config
from voicegen.tts.marvis.weights import LayerWeights, MarvisWeights, load_weights


def loaded(folder: Path) -> MarvisWeights:
    return load_weights(folder, read_config(folder))


def flat(weights: MarvisWeights) -> dict[str, torch.Tensor]:
    result = {}
    for name in MarvisWeights.__slots__:
        value = getattr(weights, name)
        for index, part in enumerate(value if isinstance(value, tuple) else [value]):
            names = LayerWeights.__slots__ if isinstance(part, LayerWeights) else [""]
            result |= {f"{name}.{index}.{n}": getattr(part, n) if n else part for n in names}
    return result


def changed(folder: Path, **changes: torch.Tensor | None) -> Path:
    """The checkpoint with tensors replaced, added, or (None) taken out."""
    tensors = {**load_file(folder / "model.safetensors"), **{k: v for k, v in changes.items() if v is not None}}
    save_file({k: v for k, v in tensors.items() if changes.get(k, v) is not None}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_of_the_same_model_gives_the_same_weights(fmt: Format, tmp_path: Path) -> None:
    config, weights = tiny_config(), random_weights(tiny_config(), seed=1)
    folder = write_checkpoint(tmp_path / "a", fmt=fmt, config=config, weights=weights, codec_seed=None)
    expected = dequantized(weights, int(fmt[4])) if fmt.startswith("mlx") else weights
    plain = write_checkpoint(tmp_path / "b", config=config, weights=expected, codec_seed=None)
    for (name, left), right in zip(flat(loaded(folder)).items(), flat(loaded(plain)).values(), strict=True):
        torch.testing.assert_close(left, right, msg=name, rtol=0, atol=1e-6)


def test_configs_of_every_exporter_say_the_same(tmp_path: Path) -> None:
    native = write_checkpoint(tmp_path / "a", codec_seed=None)
    for fmt in ("mlx-4bit", "transformers"):
        assert read_config(write_checkpoint(tmp_path / fmt, fmt=fmt, codec_seed=None)) == read_config(native)  # type: ignore[arg-type]


def test_bfloat16_and_sharded_checkpoints_are_read(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, dtype=torch.bfloat16, codec_seed=None)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    index = {}
    for shard, part in enumerate((names[::2], names[1::2])):
        file = f"model-0000{shard + 1}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / file)
        index |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert loaded(folder).projection.dtype is torch.float32
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model-00002-of-00002\.safetensors"):
        loaded(folder)


def test_tied_embeddings_stay_one_tensor_and_untied_ones_two(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fmt="transformers", codec_seed=None)
    weights = loaded(folder).to(torch.device("cpu"), torch.float32)
    assert weights.depth_embeddings is weights.audio_embeddings
    name = "depth_decoder.model.embed_tokens.weight"
    changed(folder, **{name: None})
    assert loaded(folder).depth_embeddings.shape == weights.audio_embeddings.shape
    changed(folder, **{name: weights.audio_embeddings + 1})
    torch.testing.assert_close(loaded(folder).depth_embeddings, weights.audio_embeddings + 1)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    folder = changed(write_checkpoint(tmp_path, codec_seed=None), **{"decoder.layers.1.mlp.w3.weight": None})
    with pytest.raises(ModelError, match=r"lacks the tensor decoder\.layers\.1\.mlp\.up_proj\.weight"):
        loaded(folder)


def test_an_extra_tensor_is_named(tmp_path: Path) -> None:
    folder = changed(write_checkpoint(tmp_path, codec_seed=None), **{"backbone.layers.9.mlp.w1.weight": torch.ones(2)})
    with pytest.raises(ModelError, match=r"holds the tensor backbone\.layers\.9\.mlp\.gate_proj\.weight"):
        loaded(folder)


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    folder = changed(write_checkpoint(tmp_path, codec_seed=None), audio_head=torch.ones(7, 64, 34))
    with pytest.raises(ModelError, match=r"audio_head has shape \(7, 64, 34\), its config asks for \(7, 64, 35\)"):
        loaded(folder)


def test_nan_weights_are_named(tmp_path: Path) -> None:
    folder = changed(write_checkpoint(tmp_path, codec_seed=None), audio_head=torch.full((7, 64, 35), torch.nan))
    with pytest.raises(ModelError, match="audio_head holds NaN"):
        loaded(folder)


def test_packed_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fmt="mlx-4bit", codec_seed=None)
    changed(folder, **{"model.projection.weight": torch.zeros(64, 7, dtype=torch.uint32)})
    with pytest.raises(ModelError, match=r"projection\.weight holds \(64, 7\) packed words"):
        loaded(folder)


def test_a_folder_without_marvis_weights_says_so(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    save_file({"transformer.h.0": torch.ones(1)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="holds no Marvis weights"):
        loaded(folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        loaded(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no \.safetensors file"):
        loaded(folder)


@pytest.mark.parametrize("text", ["{nope", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}'])
def test_a_broken_index_of_the_weights_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json (is not valid|holds no|has no weight_map)"):
        load_weights(tmp_path, parse_config(tiny_config()))


@pytest.mark.parametrize("shape", [(4,), (2, 4, 8)])
def test_packed_tensors_that_are_no_matrices_are_named(shape: tuple[int, ...], tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, fmt="mlx-4bit", codec_seed=None)
    changed(folder, **{"model.projection.weight": torch.zeros(shape, dtype=torch.uint32)})
    with pytest.raises(ModelError, match=r"the tensor projection\.weight holds .* which do not unpack"):
        loaded(folder)


def test_two_namings_of_one_tensor_are_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, codec_seed=None)
    both = with_hf_names(random_weights(tiny_config()))
    changed(folder, **{"model.projection.weight": both["model.projection.weight"]})
    with pytest.raises(ModelError, match="mixes two exports"):
        loaded(folder)
