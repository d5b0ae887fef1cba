"""Small random Marvis checkpoints in every format that the loader reads, and the conversions between them.

Random weights are drawn under the native (torchtune) names; every other format is made from those, so that two folders
written from the same seed must speak the same codes. Weights are scaled so that greedy choices are clear-cut.

    folder = write_checkpoint(tmp_path / "marvis", fmt="transformers", seed=1)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

from tests.mimi_checkpoints import tiny_mimi_config, write_mimi

Format = Literal["native", "native-hf-names", "mlx-4bit", "mlx-6bit", "mlx-8bit", "transformers"]
FORMATS: tuple[Format, ...] = ("native", "native-hf-names", "mlx-4bit", "mlx-6bit", "mlx-8bit", "transformers")
Weights = dict[str, torch.Tensor]

AUDIO_TOKEN_ID = 258
AUDIO_EOS_TOKEN_ID = 259
TEXT_VOCAB_SIZE = 264


def rope(original: int = 16, factor: float = 4.0) -> dict[str, Any]:
    """A llama-3 scaling whose three bands all fall inside a small head."""
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": original,
    }


def tiny_config(*, codebooks: int = 8, audio_vocab: int = 35, context: int = 256, **changes: Any) -> dict[str, Any]:
    """A native `config.json` of a model with about 0.2 million weights; `changes` replace top-level keys."""
    shared = {
        "attention_bias": False,
        "mlp_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 500.0,
    }
    depth = {
        **shared,
        "model_type": "csm_depth_decoder_model",
        "backbone_hidden_size": 64,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": codebooks + 1,
        "num_codebooks": codebooks,
        "vocab_size": audio_vocab,
        "rope_scaling": rope(),
    }
    config = {
        **shared,
        "model_type": "marvis",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": context,
        "num_codebooks": codebooks,
        "audio_num_codebooks": codebooks,
        "vocab_size": audio_vocab,
        "audio_vocab_size": audio_vocab,
        "text_vocab_size": TEXT_VOCAB_SIZE,
        "rope_scaling": rope(),
        "codebook_eos_token_id": 0,
        "codebook_pad_token_id": audio_vocab - 1,
        "audio_token_id": AUDIO_TOKEN_ID,
        "audio_eos_token_id": AUDIO_EOS_TOKEN_ID,
        "bos_token_id": 256,
        "pad_token_id": 257,
        "tie_codebooks_embeddings": True,
        "depth_decoder_config": depth,
    }
    return {**config, **changes}


def random_weights(config: Mapping[str, Any], seed: int = 0) -> Weights:
    """Native float32 weights: torchtune names, RoPE over adjacent pairs."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, gain: float = 1.0, fan_in: int | None = None) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * (gain / math.sqrt(fan_in or shape[-1]))

    def norm(size: int) -> torch.Tensor:
        return 1.0 + 0.1 * torch.randn(size, generator=generator)

    depth = config["depth_decoder_config"]
    books, vocab = config["num_codebooks"], config["vocab_size"]
    width, depth_width = config["hidden_size"], depth["hidden_size"]
    weights = {
        "text_embeddings.weight": normal(config["text_vocab_size"], width, fan_in=1),
        "audio_embeddings.weight": normal(books * vocab, width, fan_in=1),
        "projection.weight": normal(depth_width, width),
        "codebook0_head.weight": normal(vocab, width, gain=4.0),
        "audio_head": normal(books - 1, depth_width, vocab, gain=4.0, fan_in=depth_width),
    }
    for part, sizes in (("backbone", config), ("decoder", depth)):
        hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
        query, key = (sizes[name] * sizes["head_dim"] for name in ("num_attention_heads", "num_key_value_heads"))
        for layer in range(sizes["num_hidden_layers"]):
            prefix = f"{part}.layers.{layer}."
            weights |= {
                prefix + "attn.q_proj.weight": normal(query, hidden, gain=2.0),
                prefix + "attn.k_proj.weight": normal(key, hidden, gain=2.0),
                prefix + "attn.v_proj.weight": normal(key, hidden),
                prefix + "attn.output_proj.weight": normal(hidden, query),
                prefix + "mlp.w1.weight": normal(inner, hidden),
                prefix + "mlp.w2.weight": normal(hidden, inner),
                prefix + "mlp.w3.weight": normal(inner, hidden),
                prefix + "sa_norm.scale": norm(hidden),
                prefix + "mlp_norm.scale": norm(hidden),
            }
        weights[f"{part}.norm.scale"] = norm(hidden)
    return weights


HF_NAMES = {
    "attn.q_proj": "self_attn.q_proj",
    "attn.k_proj": "self_attn.k_proj",
    "attn.v_proj": "self_attn.v_proj",
    "attn.output_proj": "self_attn.o_proj",
    "mlp.w1": "mlp.gate_proj",
    "mlp.w2": "mlp.down_proj",
    "mlp.w3": "mlp.up_proj",
    "sa_norm.scale": "input_layernorm.weight",
    "mlp_norm.scale": "post_attention_layernorm.weight",
    "norm.scale": "norm.weight",
}


def hf_name(name: str) -> str:
    """A native name with Hugging Face's names for the parts of a layer."""
    for native, other in HF_NAMES.items():
        if name.endswith((native, native + ".weight")):
            return name[: name.rindex(native)] + other + (".weight" if name.endswith(native + ".weight") else "")
    return name


def with_hf_names(weights: Weights) -> Weights:
    """The native weights under `model.` with Hugging Face's names, as the MLX repositories ship them."""
    return {"model." + hf_name(name): tensor for name, tensor in weights.items()}


def quantized(weights: Weights, bits: int, group_size: int = 32) -> Weights:
    """MLX's affine quantization of every matrix under a `.weight` name, as `mlx_audio.convert` writes it."""
    import mlx.core as mx
    import numpy as np

    result: Weights = {}
    for name, tensor in with_hf_names(weights).items():
        if tensor.dim() != 2 or not name.endswith(".weight"):
            result[name] = tensor
            continue
        packed, scales, biases = mx.quantize(mx.array(tensor.numpy()), group_size=group_size, bits=bits)
        stem = name.removesuffix("weight")
        result[stem + "weight"] = torch.from_numpy(np.array(packed))
        result[stem + "scales"] = torch.from_numpy(np.array(scales))
        result[stem + "biases"] = torch.from_numpy(np.array(biases))
    return result


def dequantized(weights: Weights, bits: int, group_size: int = 32) -> Weights:
    """The native weights after a round trip through MLX's quantization, by MLX's own dequantize."""
    import mlx.core as mx
    import numpy as np

    result: Weights = {}
    for name, tensor in weights.items():
        if tensor.dim() != 2 or not name.endswith(".weight"):
            result[name] = tensor
            continue
        parts = mx.quantize(mx.array(tensor.numpy()), group_size=group_size, bits=bits)
        result[name] = torch.from_numpy(np.array(mx.dequantize(*parts, group_size=group_size, bits=bits)))
    return result


def halves(rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    """q or k rows (H * D, in) from RoPE over adjacent pairs to RoPE over halves."""
    return rows.reshape(-1, head_dim // 2, 2, rows.shape[1]).transpose(1, 2).reshape(rows.shape)


def to_transformers(weights: Weights, config: Mapping[str, Any]) -> Weights:
    """The same model under the names and the RoPE convention of `CsmForConditionalGeneration` (without the codec)."""
    top = {
        "text_embeddings.weight": "embed_text_tokens.weight",
        "audio_embeddings.weight": "backbone_model.embed_tokens.embed_audio_tokens.weight",
        "projection.weight": "depth_decoder.model.inputs_embeds_projector.weight",
        "codebook0_head.weight": "lm_head.weight",
        "audio_head": "depth_decoder.codebooks_head.weight",
    }
    result: Weights = {}
    for name, tensor in weights.items():
        sizes = config["depth_decoder_config"] if name.startswith("decoder.") else config
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            tensor = halves(tensor, sizes["head_dim"])
        new = top.get(name) or hf_name(name).replace("backbone.", "backbone_model.").replace(
            "decoder.", "depth_decoder.model."
        )
        result[new] = tensor.clone()
    result["depth_decoder.model.embed_tokens.weight"] = weights["audio_embeddings.weight"].clone()
    return result


def transformers_config(config: Mapping[str, Any], mimi: Any = None) -> Any:
    """The `CsmConfig` of a native config, with `rope_parameters` as transformers 5 writes them."""
    from transformers import CsmConfig

    def part(sizes: Mapping[str, Any]) -> dict[str, Any]:
        dropped = {
            "model_type",
            "rope_scaling",
            "rope_theta",
            "audio_num_codebooks",
            "audio_vocab_size",
            "depth_decoder_config",
        }
        kept = {name: value for name, value in sizes.items() if name not in dropped}
        return {**kept, "rope_parameters": {**sizes["rope_scaling"], "rope_theta": sizes["rope_theta"]}}

    depth = part(config["depth_decoder_config"])
    codec = (mimi or tiny_mimi_config(num_quantizers=config["num_codebooks"])).to_dict()
    return CsmConfig(**part(config), depth_decoder_config=depth, codec_config=codec)


def transformers_model(weights: Weights, config: Mapping[str, Any], seed: int = 0) -> Any:
    """A `CsmForConditionalGeneration` in float32 with these weights and a small random Mimi."""
    from transformers import CsmForConditionalGeneration

    torch.manual_seed(seed)
    model = CsmForConditionalGeneration(transformers_config(config)).eval()
    missing, unexpected = model.load_state_dict(to_transformers(weights, config), strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith("codec_model.") for name in missing), missing
    model.generation_config.pad_token_id = config["codebook_pad_token_id"]
    return model


def write_tokenizer(folder: Path) -> Path:
    """A byte-level tokenizer without merges: one token a byte, wrapped in its begin and end tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_eos|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A <|im_end|>", special_tokens=[("<|im_start|>", 256), ("<|im_end|>", 257)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def weights_as(weights: Weights, config: Mapping[str, Any], fmt: Format) -> Weights:
    """The tensors that a checkpoint of this format holds."""
    if fmt == "native":
        return weights
    if fmt == "native-hf-names":
        return with_hf_names(weights)
    if fmt == "transformers":
        return to_transformers(weights, config)
    return quantized(weights, bits=int(fmt[4]))


def config_as(config: Mapping[str, Any], fmt: Format) -> dict[str, Any]:
    """The `config.json` that goes with a format."""
    if fmt == "transformers":
        return {**transformers_config(config).to_dict(), "architectures": ["CsmForConditionalGeneration"]}
    if fmt.startswith("mlx"):
        return {**config, "quantization": {"group_size": 32, "bits": int(fmt[4])}}
    return dict(config)


def write_checkpoint(
    folder: Path,
    *,
    fmt: Format = "native",
    config: Mapping[str, Any] | None = None,
    weights: Weights | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    codec_seed: int | None = 0,
) -> Path:
    """Writes a checkpoint folder: `config.json`, `model.safetensors`, a tokenizer and, in `mimi/`, a small codec.

    Args:
        folder: Made if it is not there.
        fmt: Names and RoPE convention of the tensors, see `FORMATS`.
        config: A native config; `tiny_config()` if not given.
        weights: Native weights; drawn from `seed` if not given.
        seed: Of the random weights.
        dtype: Of the tensors on disk that are not packed integers.
        codec_seed: Of the codec's weights; None leaves the codec out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = config or tiny_config()
    weights = weights_as(weights or random_weights(config, seed), config, fmt)
    tensors = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config_as(config, fmt)), encoding="utf-8")
    write_tokenizer(folder)
    if codec_seed is not None:
        write_mimi(folder / "mimi", codec_seed, num_quantizers=config["num_codebooks"])
    return folder
