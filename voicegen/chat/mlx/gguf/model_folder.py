"""A GGUF file made into a model folder that mlx-lm reads: config.json, model.safetensors and a tokenizer.

`mx.load` keeps the quantizations that MLX has too (Q4_0, Q4_1, Q8_0) and gives the others in half precision. Two things
differ from a Hugging Face checkpoint: the tensors' names, and the order of the rows of the query and key projections,
which llama.cpp permutes so that rotary embeddings turn adjacent pairs. Source: ggml's GGUF specification.

Knows nothing of caches, devices and precisions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx

from voicegen.chat.mlx.gguf.tokenizer import write_tokenizer
from voicegen.errors import ModelError

GROUP_SIZE = 32  # values that share a scale, in all of GGUF's quantizations that MLX keeps

_PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def write_model_folder(gguf: Path, folder: Path) -> None:
    """Converts `gguf` into an mlx-lm model in `folder`, which exists.

    Args:
        gguf: A Llama-like model (`general.architecture` = `llama`). Its quantization is kept, and its scales in half
            precision as they are: rounded to bfloat16 they change greedy answers.
        folder: Receives config.json, model.safetensors, tokenizer.json and tokenizer_config.json.

    Raises:
        ModelError: The file is not whole, or not of a kind that is read here.
    """
    weights, metadata = read_gguf(gguf)
    config = llama_config(metadata, weights)
    tensors = llama_weights(weights, heads=config["num_attention_heads"], kv_heads=config["num_key_value_heads"])
    tensors = {
        name: tensor if tensor.dtype == mx.uint32 else tensor.astype(mx.float16) for name, tensor in tensors.items()
    }
    if layers := _quantized_layers(tensors):
        config["quantization"] = {**next(iter(layers.values())), **layers}
    mx.save_safetensors(str(folder / "model.safetensors"), tensors, {"format": "mlx"})
    write_tokenizer(metadata, folder)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def read_gguf(gguf: Path) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """The tensors and metadata of a file.

    Raises:
        ModelError: The file cannot be read, or holds another architecture than Llama's.
    """
    try:
        loaded: Any = mx.load(str(gguf), return_metadata=True)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{gguf} is not a whole GGUF file ({error}); download or install it again") from error
    weights, metadata = loaded
    kind = metadata.get("general.architecture")
    if kind != "llama":
        raise ModelError(
            f"{gguf.name} holds a model of kind {kind!r}; GGUF files are read for Llama-like models only. "
            "Use a safetensors version of it"
        )
    return weights, metadata


def llama_config(metadata: Mapping[str, Any], weights: Mapping[str, mx.array]) -> dict[str, Any]:
    """config.json of the model, in the names of Hugging Face's Llama."""
    if "rope_freqs.weight" in weights or metadata.get("llama.rope.scaling.type", "none") not in ("none", ""):
        raise ModelError(
            "this GGUF stretches its positions (rope scaling), which is not read; use a safetensors version"
        )
    heads = _int(metadata, "llama.attention.head_count")
    hidden = _int(metadata, "llama.embedding_length")
    vocabulary = len(metadata["tokenizer.ggml.tokens"])
    config: dict[str, Any] = {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": _int(metadata, "llama.feed_forward_length"),
        "num_hidden_layers": _int(metadata, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": _int(metadata, "llama.attention.head_count_kv", heads),
        "head_dim": _int(metadata, "llama.attention.key_length", hidden // heads),
        "rms_norm_eps": float(metadata["llama.attention.layer_norm_rms_epsilon"]),
        "rope_theta": float(metadata.get("llama.rope.freq_base", 10000.0)),
        "max_position_embeddings": _int(metadata, "llama.context_length"),
        "vocab_size": weights["token_embd.weight"].shape[0] if "token_embd.weight" in weights else vocabulary,
        "tie_word_embeddings": "output.weight" not in weights,
        "attention_bias": "blk.0.attn_q.bias" in weights,
        "mlp_bias": "blk.0.ffn_up.bias" in weights,
        "bos_token_id": _int(metadata, "tokenizer.ggml.bos_token_id", 1),
        "eos_token_id": _int(metadata, "tokenizer.ggml.eos_token_id", 2),
    }
    return config


def llama_weights(weights: Mapping[str, mx.array], heads: int, kv_heads: int) -> dict[str, mx.array]:
    """The tensors under Hugging Face's names, with query and key rows in Hugging Face's order."""
    rows = {"attn_q": heads, "attn_k": kv_heads}
    renamed: dict[str, mx.array] = {}
    for name, tensor in weights.items():
        block, part, kind = _split_name(name)
        if part in rows:
            tensor = unpermute(tensor, rows[part])
        place = f"model.layers.{block}.{_PARTS[part]}" if block is not None else _ENDS[part]
        renamed[f"{place}.{kind}"] = tensor
    return renamed


def unpermute(tensor: mx.array, heads: int) -> mx.array:
    """Undoes llama.cpp's order of a projection's rows: from pairs `(0, 1), (2, 3) ...` back to two halves.

    Works on packed weights, scales and biases alike, because it moves whole rows. (rows, ...) to (rows, ...).
    """
    rows = tensor.shape[0]
    pairs = tensor.reshape(heads, rows // heads // 2, 2, *tensor.shape[1:])
    return pairs.swapaxes(1, 2).reshape(tensor.shape)


def _split_name(name: str) -> tuple[int | None, str, str]:
    """`blk.3.attn_q.scales` as block, part and kind of tensor."""
    fields = name.split(".")
    if fields[0] == "blk" and len(fields) == 4 and fields[2] in _PARTS:
        return int(fields[1]), fields[2], fields[3]
    if len(fields) == 2 and fields[0] in _ENDS:
        return None, fields[0], fields[1]
    raise ModelError(f"this GGUF has a tensor {name!r}, which a Llama has not; use a safetensors version of the model")


def _quantized_layers(tensors: Mapping[str, mx.array]) -> dict[str, dict[str, int]]:
    """How each layer's values are packed: its rows hold 32-bit words, its scales one entry per group."""
    layers = {}
    for layer in sorted(name.removesuffix(".scales") for name in tensors if name.endswith(".scales")):
        packed, scales = tensors[f"{layer}.weight"], tensors[f"{layer}.scales"]
        bits = packed.shape[-1] * 32 // (scales.shape[-1] * GROUP_SIZE)
        layers[layer] = {"group_size": GROUP_SIZE, "bits": int(bits)}
    return layers


def _int(metadata: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = metadata.get(key, default)
    if value is None:
        raise ModelError(f"this GGUF does not say its {key}; download or install it again")
    return int(value)
