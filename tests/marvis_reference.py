"""A naive Marvis, written from the architecture: one utterance, no cache, every position recomputed for every frame.

It reads native (torchtune) weights as they are on disk, rotates adjacent pairs, and shares no code with the engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

Weights = Mapping[str, torch.Tensor]


def frequencies(sizes: Mapping[str, Any]) -> list[float]:
    """Radians a position for each pair of elements, with llama-3 scaling."""
    scaling, result = sizes["rope_scaling"], []
    low, high, context = (
        scaling[key] for key in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    )
    for pair in range(sizes["head_dim"] // 2):
        frequency = sizes["rope_theta"] ** (-2 * pair / sizes["head_dim"])
        turns = context * frequency / (2 * math.pi)  # over the original context
        if turns < low:
            frequency /= scaling["factor"]
        elif turns <= high:
            share = (turns - low) / (high - low)
            frequency = share * frequency + (1 - share) * frequency / scaling["factor"]
        result.append(frequency)
    return result


def rotate(x: torch.Tensor, sizes: Mapping[str, Any]) -> torch.Tensor:
    """Rotates adjacent pairs of x (T, H, D), each position by its place in the sequence."""
    angles = torch.outer(torch.arange(len(x)).float(), torch.tensor(frequencies(sizes)))[:, None]
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = (even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin())
    return torch.stack(turned, dim=-1).flatten(-2)


def rms_norm(x: torch.Tensor, scale: torch.Tensor, eps: float) -> torch.Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * scale


def transformer(part: str, x: torch.Tensor, weights: Weights, sizes: Mapping[str, Any]) -> torch.Tensor:
    """x (T, width) through all layers and the last norm."""
    eps, head_dim = sizes["rms_norm_eps"], sizes["head_dim"]
    groups = sizes["num_attention_heads"] // sizes["num_key_value_heads"]
    future = torch.ones(len(x), len(x)).triu(1).bool()
    for layer in range(sizes["num_hidden_layers"]):
        w = {name.removeprefix(f"{part}.layers.{layer}."): tensor for name, tensor in weights.items()}
        h = rms_norm(x, w["sa_norm.scale"], eps)
        q, k, v = ((h @ w[f"attn.{n}_proj.weight"].T).unflatten(1, (-1, head_dim)) for n in "qkv")
        q, k = rotate(q, sizes), rotate(k, sizes)
        heads = []
        for head in range(sizes["num_attention_heads"]):
            scores = q[:, head] @ k[:, head // groups].T / math.sqrt(head_dim)
            heads.append(scores.masked_fill(future, -math.inf).softmax(-1) @ v[:, head // groups])
        x = x + torch.cat(heads, dim=1) @ w["attn.output_proj.weight"].T
        h = rms_norm(x, w["mlp_norm.scale"], eps)
        gate = torch.nn.functional.silu(h @ w["mlp.w1.weight"].T)
        x = x + (gate * (h @ w["mlp.w3.weight"].T)) @ w["mlp.w2.weight"].T
    return rms_norm(x, weights[f"{part}.norm.scale"], eps)


def embed(segment: Sequence[int] | torch.Tensor, weights: Weights, config: Mapping[str, Any]) -> torch.Tensor:
    """Text ids, or codes (K, T), as embeddings (T, width)."""
    if not isinstance(segment, torch.Tensor):
        return weights["text_embeddings.weight"][torch.tensor(segment)]
    offsets = torch.arange(len(segment))[:, None] * config["vocab_size"]
    return weights["audio_embeddings.weight"][segment + offsets].sum(0)


def greedy_codes(
    prompt: Sequence[Sequence[int] | torch.Tensor], frames: int, weights: Weights, config: Mapping[str, Any]
) -> torch.Tensor:
    """Greedy codes (K, T) after a prompt of text ids and codes (K, T_i), ending before EOS or after `frames`."""
    sequence = torch.cat([embed(segment, weights, config) for segment in prompt])
    depth, vocab = config["depth_decoder_config"], config["vocab_size"]
    result: list[torch.Tensor] = []
    for _ in range(frames):
        hidden = transformer("backbone", sequence, weights, config)[-1]
        codes = [int((weights["codebook0_head.weight"] @ hidden).argmax())]
        inputs = [hidden]
        for book in range(1, config["num_codebooks"]):
            inputs.append(weights["audio_embeddings.weight"][codes[-1] + (book - 1) * vocab])
            projected = torch.stack(inputs) @ weights["projection.weight"].T
            state = transformer("decoder", projected, weights, depth)[-1]
            codes.append(int((state @ weights["audio_head"][book - 1]).argmax()))
        frame = torch.tensor(codes)
        if not frame.any():
            break
        result.append(frame)
        sequence = torch.cat([sequence, embed(frame[:, None], weights, config)])
    return torch.stack(result, dim=1) if result else torch.zeros(config["num_codebooks"], 0, dtype=torch.long)
