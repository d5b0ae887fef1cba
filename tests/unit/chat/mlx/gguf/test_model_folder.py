import itertools
import json
import re

import mlx.core as mx
import numpy as np
import pytest

from tests.mlx_models import starter_model, write_tiny_gguf
from voicegen.chat.mlx.gguf.model_folder import read_gguf, unpermute, write_model_folder
from voicegen.chat.mlx.gguf.tokenizer import build_tokenizer
from voicegen.chat.mlx.loading import load
from voicegen.errors import ModelError
from voicegen.model_files import ModelFiles, find_model


@pytest.fixture
def gguf(tmp_path):
    return tmp_path / "tiny.gguf"


def test_a_gguf_gives_the_weights_under_hugging_faces_names_and_order(gguf, tmp_path):
    expected = write_tiny_gguf(gguf)
    folder = tmp_path / "model"
    folder.mkdir()
    write_model_folder(gguf, folder)
    found = mx.load(str(folder / "model.safetensors"))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(np.array(found[name].astype(mx.float32)), values, err_msg=name)


def test_the_config_keeps_the_settings_of_the_file(gguf, tmp_path):
    write_tiny_gguf(gguf, **{"llama.rope.freq_base": 123456.0, "llama.context_length": 77})
    write_model_folder(gguf, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["rope_theta"] == 123456.0
    assert config["max_position_embeddings"] == 77
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]) == (4, 2, 8)
    assert config["tie_word_embeddings"]
    assert "quantization" not in config


def test_unpermuting_moves_whole_rows_so_that_packed_weights_follow():
    rows = mx.arange(8)[:, None] * mx.ones((1, 3), dtype=mx.int32)
    assert unpermute(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_tiny_gguf_loads_and_renders_with_its_own_template(gguf, tmp_path):
    write_tiny_gguf(gguf)
    loaded = load(ModelFiles(gguf, "folder", "tiny"), cache=tmp_path / "cache")
    assert loaded.context_length == 128
    text = loaded.tokenizer.apply_chat_template([{"role": "user", "content": "the"}], tokenize=False)
    assert text == "<|im_start|>user\nthe<|im_end|>\n"
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("the 42")) == "the 42"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "qwen2"}, "kind 'qwen2'"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer of kind 'llama'"),
        ({"tokenizer.ggml.pre": "strange"}, "'strange'; known are smollm"),
        ({"llama.rope.scaling.type": "linear"}, "rope scaling"),
    ],
)
def test_a_gguf_of_another_kind_is_refused_in_one_line(gguf, tmp_path, changes, message):
    write_tiny_gguf(gguf, **changes)
    with pytest.raises(ModelError, match=message):
        write_model_folder(gguf, tmp_path)


def test_a_torn_gguf_is_refused_in_one_line(gguf, tmp_path):
    write_tiny_gguf(gguf)
    gguf.write_bytes(b"not a gguf" + gguf.read_bytes()[10:200])
    with pytest.raises(ModelError, match=r"tiny.gguf is not a whole GGUF file"):
        write_model_folder(gguf, tmp_path)


def naive_tokens(text, metadata):
    """Byte-pair encoding by the book: cut into words, digits alone, then merge the best-ranked pair again and again."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = bytes_to_unicode()
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(metadata["tokenizer.ggml.merges"])}
    numbers = {token: number for number, token in enumerate(metadata["tokenizer.ggml.tokens"])}
    word = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d| ?[^\s\w]+|\s+(?!\S)|\s+")
    found = []
    for stretch in re.findall(r"\d|\D+", text):
        for piece in word.findall(stretch):
            parts = [letters[byte] for byte in piece.encode()]
            while len(parts) > 1:
                best = min(itertools.pairwise(parts), key=lambda pair: ranks.get(pair, 1 << 30))
                if best not in ranks:
                    break
                place = next(i for i in range(len(parts) - 1) if (parts[i], parts[i + 1]) == best)
                parts[place : place + 2] = ["".join(best)]
            found += [numbers[part] for part in parts]
    return found


def test_the_starter_tokenizer_agrees_with_byte_pair_encoding_by_the_book():
    _, metadata = read_gguf(find_model("smollm2").path)
    tokenizer = build_tokenizer(metadata)
    for text in (
        "The capital of France is Paris.",
        "In 1984, 12345 people paid $3.50 each!",
        "Don't they'll we've",
        "  two  spaces\n\nand lines",
        "naïve café, 東京 and 🙂",
    ):
        assert tokenizer.encode(text).ids == naive_tokens(text, metadata), text
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_starter_model_knows_the_capital_of_france():
    from mlx_lm import generate

    loaded = starter_model()
    assert loaded.info.licence == "apache-2.0"
    prompt = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], add_generation_prompt=True
    )
    assert generate(loaded.model, loaded.tokenizer, prompt, max_tokens=12) == "The capital of France is Paris."
