import json
from types import SimpleNamespace

import mlx.core as mx
import mlx.nn as nn
import psutil
import pytest
from mlx.utils import tree_flatten
from transformers import AutoTokenizer

from tests.chat_tokenizers import chatml_tokenizer
from tests.gpt_oss_checkpoint import gpt_oss_folder
from tests.mlx_models import SIZES, tiny_model
from voicegen.chat.mlx.gguf.model_folder import write_model_folder
from voicegen.chat.mlx.loading import CONVERSION, load, rope_settings
from voicegen.chat.mlx.model_cache import converted
from voicegen.errors import ModelError
from voicegen.model_files import find_model


@pytest.fixture
def folder(tmp_path):
    """A model folder as transformers 5 writes it: the rotary base is under `rope_parameters`."""
    folder = tmp_path / "model"
    chatml_tokenizer().save_pretrained(folder)
    weights = {name: weight.astype(mx.bfloat16) for name, weight in tree_flatten(tiny_model().model.parameters())}
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    config = {key: value for key, value in SIZES.items() if key != "rope_theta"}
    config |= {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}, "max_position_embeddings": 512,
               "vocab_size": len(chatml_tokenizer()), "tie_word_embeddings": True}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def change(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_a_folder_saved_by_transformers_5_keeps_its_rotary_base(folder):
    loaded = load(find_model(str(folder)))
    assert loaded.model.layers[0].self_attn.rope.base == 5e5
    assert loaded.context_length == 512
    assert loaded.info.revision.startswith("local-")


def assert_same_tokenizer(folder):
    ours, theirs = load(find_model(str(folder))).tokenizer, AutoTokenizer.from_pretrained(folder)
    text = "<|im_start|>user\nHow  many?\tÅ 👋 don't<|im_end|>\n<|start|>"
    assert type(ours._tokenizer) is type(theirs)
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.chat_template == theirs.chat_template
    assert ours.encode(text) == theirs.encode(text)
    assert ours.decode(ours.encode(text)) == theirs.decode(theirs.encode(text))


def test_the_tokenizer_is_the_one_that_transformers_finds_by_the_whole_config(folder):
    assert_same_tokenizer(folder)
    assert_same_tokenizer(gpt_oss_folder())
    starter = find_model("smollm2").path
    with converted(starter, CONVERSION, lambda made: write_model_folder(starter, made)) as made:
        assert_same_tokenizer(made)


def test_a_tokenizer_that_does_not_name_its_class_is_found_by_the_model(folder):
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["tokenizer_class"]
    path.write_text(json.dumps(settings))
    assert_same_tokenizer(folder)


def test_scaled_positions_are_handed_on():
    rope = {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}
    assert rope_settings({"rope_parameters": rope}) == {
        "rope_theta": 5e5,
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0},
    }
    assert rope_settings({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 5e5}}) == {}
    assert rope_settings({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}) == {}


@pytest.mark.skipif(mx.default_device() != mx.Device(mx.cpu), reason="a CPU's choice of precision")
def test_on_a_cpu_every_weight_is_float32(folder):
    loaded = load(find_model(str(folder)))
    assert {weight.dtype for _, weight in tree_flatten(loaded.model.parameters())} == {mx.float32}
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("Hello")) == "Hello"


@pytest.mark.skipif(mx.default_device() != mx.Device(mx.cpu), reason="a CPU's choice of precision")
def test_the_machines_memory_decides_the_precision_and_not_what_of_it_is_free(folder, monkeypatch):
    def precision(total, dtype="auto"):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total, available=0))
        return load(find_model(str(folder)), dtype).info.precision

    assert precision(2**30) == "float32"
    assert precision(2**19) == "bfloat16"
    assert precision(2**19, "float32") == "float32"
    assert precision(2**30, "stored") == "bfloat16"


def test_the_precision_of_quantized_weights_names_their_bits(folder):
    model = load(find_model(str(folder))).model
    nn.quantize(model, group_size=32, bits=4)
    config = json.loads((folder / "config.json").read_text())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())))
    change(folder, **config, quantization={"group_size": 32, "bits": 4})
    assert load(find_model(str(folder)), "stored").info.precision == "float32, 4 bits"


def test_a_model_that_brings_code_is_refused(folder):
    (folder / "evil.py").write_text("raise SystemExit('was run')")
    change(folder, model_file="evil.py")
    with pytest.raises(ModelError, match=r"brings code of its own \(evil.py\), which is never run"):
        load(find_model(str(folder)))


def test_a_tokenizer_that_brings_code_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "evil.py").write_text("raise SystemExit('was run')")
    settings = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}, "tokenizer_class": "Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="brings code of its own"):
        load(find_model(str(folder)))


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights"):
        load(find_model(str(folder)))


@pytest.mark.parametrize("settings", [{"model_type": "no_such_kind"}, {"hidden_size": 128}])
def test_a_model_that_does_not_fit_its_config_is_one_line(folder, settings):
    change(folder, **settings)
    with pytest.raises(ModelError, match="cannot be loaded from") as caught:
        load(find_model(str(folder)))
    assert "\n" not in str(caught.value)


def test_torn_weights_are_one_line(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(find_model(str(folder)))


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(ModelError, match="neither JSON files nor weights"):
        load(find_model(str(tmp_path)))
