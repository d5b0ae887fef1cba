"""Small Mimis, the codec of Marvis, as transformers and moshi write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

Weights = dict[str, torch.Tensor]


def tiny_mimi_config(*, num_quantizers: int = 32, codebook_size: int = 32) -> Any:
    """A Mimi of the real shape (24 kHz, 12.5 frames a second, causal) and few channels."""
    from transformers import MimiConfig

    return MimiConfig(
        hidden_size=32,
        num_filters=4,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=48,
        codebook_size=codebook_size,
        codebook_dim=16,
        vector_quantization_hidden_dimension=16,
        num_quantizers=num_quantizers,
        num_semantic_quantizers=1,
        upsample_groups=32,
        sliding_window=64,
    )


def tiny_mimi(seed: int = 0, **changes: Any) -> Any:
    """A small random `MimiModel` in float32, with codebooks that are told apart and a transformer that matters.

    Layer scales of the usual 0.01 would hide its mistakes. `changes` replace fields of its config.
    """
    from transformers import MimiModel

    torch.manual_seed(seed)
    sizes = {name: changes.pop(name) for name in ("num_quantizers", "codebook_size") if name in changes}
    config = tiny_mimi_config(**sizes)
    for name, value in changes.items():
        setattr(config, name, value)
    model = MimiModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_scale" in name:
                parameter.fill_(0.5)
        for name, buffer in model.named_buffers():
            if name.endswith("embed_sum"):
                buffer.copy_(torch.randn_like(buffer))
            elif name.endswith("cluster_usage"):
                buffer.fill_(1.0)
    return model


def write_mimi(folder: Path, seed: int = 0, **sizes: int) -> Path:
    """Writes a small random Mimi that `MimiModel.from_pretrained` and `Codec.load` read."""
    tiny_mimi(seed, **sizes).save_pretrained(folder)
    return folder


def write_moshi_mimi(folder: Path, mimi: Any, name: str = "tokenizer-e351c8d8-checkpoint125.safetensors") -> Path:
    """Writes a Mimi's weights as moshi publishes them: its names, and RoPE over adjacent pairs; returns the file."""
    moshi: Weights = {}
    for key, tensor in flat_mimi(mimi).items():
        if ".k_proj." in key or ".v_proj." in key:
            continue
        if ".q_proj." in key:
            parts = [flat_mimi(mimi)[key.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            size = mimi.config.head_dim
            tensor = torch.cat([adjacent(parts[0], size), adjacent(parts[1], size), parts[2]])
        moshi[moshi_name(key)] = tensor.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    save_file(moshi, folder / name)
    return folder / name


def flat_mimi(mimi: Any) -> Weights:
    """A Mimi's tensors under the names of kyutai/mimi, whatever transformers calls them in memory."""
    moved = {"encoder.encoder_seanet.": "encoder.", "decoder.decoder_seanet.": "decoder."}
    flat: Weights = {}
    for name, tensor in mimi.state_dict().items():
        for new, old in moved.items():
            name = name.replace(new, old)
        for half in ("encoder.", "decoder."):
            if name.startswith((f"{half}downsample", f"{half}upsample", f"{half}encoder_", f"{half}decoder_")):
                name = name.removeprefix(half)
        flat[name] = tensor
    return flat


def moshi_name(name: str) -> str:
    """A name of kyutai/mimi as moshi has it."""
    scaled = {"upsample.conv.": "upsample.convtr.convtr.convtr.", "downsample.conv.": "downsample.conv.conv.conv."}
    for old, new in scaled.items():
        if name.startswith(old):
            return name.replace(old, new)
    transposed = name.startswith("decoder.layers.") and ".block." not in name and int(name.split(".")[2]) % 3 == 2
    last = transposed and name.split(".")[2] == "14"
    renames = {
        ".conv.": ".convtr.convtr." if transposed and not last else ".conv.conv.",
        "coder.layers.": "coder.model.",
        "_transformer.layers.": "_transformer.transformer.layers.",
        "self_attn.q_proj.weight": "self_attn.in_proj_weight",
        "self_attn.o_proj.": "self_attn.out_proj.",
        "self_attn_layer_scale.": "layer_scale_1.",
        "mlp_layer_scale.": "layer_scale_2.",
        "input_layernorm.": "norm1.",
        "post_attention_layernorm.": "norm2.",
        "mlp.fc1.": "linear1.",
        "mlp.fc2.": "linear2.",
        "semantic_residual_vector_quantizer.": "rvq_first.",
        "acoustic_residual_vector_quantizer.": "rvq_rest.",
        ".codebook.initialized": "._codebook._initialized",
        ".codebook.embed_sum": "._codebook.embedding_sum",
        ".codebook.cluster_usage": "._codebook.cluster_usage",
    }
    for old, new in renames.items():
        name = name.replace(old, new)
    return name.replace("rvq_first.layers.", "rvq_first.vq.layers.").replace("rvq_rest.layers.", "rvq_rest.vq.layers.")


def adjacent(rows: torch.Tensor, head_dim: int) -> torch.Tensor:
    """q or k rows (H * D, in) from RoPE over halves to RoPE over adjacent pairs."""
    return rows.reshape(-1, 2, head_dim // 2, rows.shape[1]).transpose(1, 2).reshape(rows.shape)
