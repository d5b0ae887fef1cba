from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import SafetensorsFileMetadata, SafetensorsRepoMetadata, TensorInfo
from safetensors.torch import load_file, save_file

from tests.marvis_checkpoints import random_weights, tiny_config, transformers_model, write_checkpoint, write_tokenizer
from tests.unit.tts.marvis.conftest import downloaded
from tests.unit.tts.test_voices import recording, write
from voicegen.commands.doctor import main
from voicegen.errors import ModelError
from voicegen.tts.marvis import Marvis
from voicegen.tts.marvis.examination import examine


def said(folder: Path | str) -> dict[str, str]:
    """What is said of each part; several findings of one part are lines."""
    parts: dict[str, str] = {}
    for name, what in examine(str(folder)):
        parts[name] = f"{parts[name]}\n{what}" if name in parts else what
    return parts


def test_a_checkpoints_parts_are_said_without_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_checkpoint(tmp_path / "m", fmt="mlx-6bit")
    write(folder / "prompts", "reader", recording(3.0), "Once upon a time.")
    write(folder / "prompts", "short", recording(1.0), "Once.")
    monkeypatch.setattr("safetensors.torch.load_file", None)
    found = said(folder)
    assert found["backbone"].startswith("2 layers, 64 wide, 4 heads of 32, 2 key-value heads, feed-forward 128")
    assert found["vocabulary"] == "8 codebooks of 35 codes; 264 text tokens"
    assert found["format"] == "native, Hugging Face's names"
    assert "uint32 in 32 tensors; quantized to 6 bits in groups of 32" in found["precision"]
    assert found["tensors"] == "all 43 that the config asks for, and no other"
    assert found["codec"].endswith("mimi: transformers' form")
    assert found["tokenizer"].startswith("its own; 'Hello.' is 256 ")
    assert found["voices"] == "2; where none is named reader speaks"
    assert found["voice reader"] == "3.0 s, 4 words (1.3 a second), used as match"
    assert found["voice short"].startswith("not usable: voice prompt 'short': its audio is 1.0 s, too short")
    assert found["unknown fields"] == "none"


def test_parameters_are_those_that_the_model_has(tmp_path: Path) -> None:
    config = tiny_config()
    count = sum(tensor.numel() for tensor in random_weights(config).values())
    for fmt in ("native", "mlx-4bit", "transformers"):
        assert said(write_checkpoint(tmp_path / fmt, fmt=fmt))["needs"].startswith(f"{count:,} parameters")  # type: ignore[arg-type]


def test_a_csm_folders_own_codec_is_seen(tmp_path: Path) -> None:
    config = tiny_config()
    transformers_model(random_weights(config), config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    found = said(tmp_path)
    assert found["codec"].endswith("among the checkpoint's tensors")
    assert found["unknown fields"] == "none"


def test_what_transformers_writes_of_every_model_is_no_unknown_field(tmp_path: Path) -> None:
    assert said(write_checkpoint(tmp_path, fmt="transformers", codec_seed=None))["unknown fields"] == "none"


def test_what_is_not_known_of_a_checkpoint_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_checkpoint(tmp_path, config=tiny_config(zeta=3))
    config = json.loads((folder / "config.json").read_text())
    config["depth_decoder_config"]["eta"] = 4
    (folder / "config.json").write_text(json.dumps(config))
    assert said(folder)["unknown fields"] == "zeta, depth_decoder_config.eta"
    Marvis.load(folder, "cpu")
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: its config.json has zeta, depth_decoder_config.eta, of which nothing is known here"
    ]
    weights = load_file(folder / "model.safetensors")
    weights["surprise"] = weights.pop("projection.weight")
    save_file(weights, folder / "model.safetensors")
    assert "lacks the tensor projection.weight" in said(folder)["tensors"]
    assert "holds the tensor surprise" in said(folder)["tensors"]
    (folder / "model.safetensors").write_bytes(b"no header")
    assert "cannot be read as safetensors" in said(folder)["weights"]


def test_of_a_checkpoint_on_the_hub_only_the_headers_are_asked_for(
    tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = write_checkpoint(tmp_path / "local", codec_seed=None)
    folder = downloaded(hub, "org/model")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((local / name).read_bytes())
    tensors = {
        name: TensorInfo("F32", list(tensor.shape), (0, 0))
        for name, tensor in load_file(local / "model.safetensors").items()
    }

    def headers(repository: str, **_: Any) -> SafetensorsRepoMetadata:
        assert repository == "org/model"
        return SafetensorsRepoMetadata(None, False, {}, {"model.safetensors": SafetensorsFileMetadata({}, tensors)})

    monkeypatch.setattr("huggingface_hub.get_safetensors_metadata", headers)
    found = said("org/model")
    assert found["checkpoint"] == f"org/model, hub, {'1f' * 20}"
    assert found["tensors"].startswith("all 43")
    assert found["codec"] == "kyutai/mimi: not here: downloaded when it is asked for"


def test_doctor_reads_a_checkpoint_and_refuses_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_checkpoint(tmp_path / "m")
    for words in ([f"--model=tts={folder}"], ["--model", f"tts={folder}"], ["--model", str(folder)]):
        assert main(words) == 0
        assert "  format               native, torchtune's\n" in capsys.readouterr().out
    with pytest.raises(ModelError, match="no such folder or file"):
        main(["--model", str(tmp_path / "nowhere")])
