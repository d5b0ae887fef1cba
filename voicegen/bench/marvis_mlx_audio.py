"""mlx-audio, which speaks one utterance at a time on a Mac, as the peer of a bench: a model of the same sizes.

It names one version of mlx exactly, so it is no group of this project's: `uv run --with mlx-audio` lays it over the
environment for a command, and on Linux with its own MLX.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import mlx.core as mx

from voicegen.bench.marvis_table import Measured
from voicegen.tts.marvis.config import MarvisConfig, TransformerConfig
from voicegen.tts.marvis.orders import FRAME_RATE

INSTALL = "uv run --with mlx-audio" + (" --with 'mlx[cpu]'" if sys.platform == "linux" else "")


def mlx_audio_frames(fields: dict[str, Any], dtype: mx.Dtype) -> Callable[[int], None] | None:
    """What makes so many frames of a take as it speaks: its loop with its own sampler, without its codec.

    Args:
        fields: The model's `config.json`; the weights are random.
        dtype: Of its weights.

    Returns:
        None where it is not installed, which is then said.
    """
    if find_spec("mlx_audio") is None:
        print(f"mlx-audio is not installed: `{INSTALL} voicegen bench ...` times it beside this")
        return None
    import mlx.nn as nn
    from mlx_audio.tts.models.sesame.sesame import SesameModel
    from mlx_lm.sample_utils import make_sampler

    model = SesameModel(fields)
    model.audio_head = mx.random.normal(model.audio_head.shape)
    model.set_dtype(dtype)
    if packing := fields.get("quantization"):
        nn.quantize(model, group_size=packing["group_size"], bits=packing["bits"])
    mx.eval(model.parameters())
    sampler = make_sampler(temp=0.9, top_k=50)

    def speak(count: int) -> None:
        model.setup_caches(1)
        books = model.args.audio_num_codebooks
        tokens = mx.zeros((1, 20, books + 1), mx.int32)
        mask = mx.zeros((1, 20, books + 1), mx.bool_)
        tokens[:, :, -1], mask[:, :, -1] = mx.arange(10, 30), True
        for _ in range(count):
            sample = model.generate_frame(tokens, mask, mx.arange(tokens.shape[1])[None], sampler)
            bool(mx.all(sample == 0))  # how it waits for a frame: it looks whether it is the end
            tokens = mx.concatenate([sample, mx.zeros((1, 1), mx.int32)], axis=1)[:, None]
            mask = mx.concatenate([mx.ones((1, books), mx.bool_), mx.zeros((1, 1), mx.bool_)], axis=1)[:, None]

    speak(2)
    return speak


def mlx_audio_row(frames: int, seconds: float) -> Measured:
    """Its line in the table."""
    return Measured("mlx-audio", 1, frames / FRAME_RATE / seconds, is_peer=True)


def fields_of(config: MarvisConfig) -> dict[str, Any]:
    """The `config.json` of a model of these sizes, as mlx-audio reads it."""
    common = {"audio_num_codebooks": config.codebooks, "text_vocab_size": config.text_vocab}
    depth = {**_part_fields(config.depth), "backbone_hidden_size": config.backbone.width, "model_type": "csm"}
    sizes = {"num_codebooks": config.codebooks, "vocab_size": config.audio_vocab}
    return {
        **_part_fields(config.backbone),
        **common,
        **sizes,
        "audio_vocab_size": config.audio_vocab,
        "depth_decoder_config": {**depth, **sizes},
    }


def _part_fields(sizes: TransformerConfig) -> dict[str, Any]:
    rope = asdict(sizes.rope)
    return {
        "hidden_size": sizes.width,
        "intermediate_size": sizes.ffn,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "max_position_embeddings": sizes.context,
        "rms_norm_eps": sizes.norm_eps,
        "rope_theta": sizes.rope.theta,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": rope["factor"],
            "low_freq_factor": rope["low"],
            "high_freq_factor": rope["high"],
            "original_max_position_embeddings": rope["original_context"],
        },
        **{"attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0, "hidden_act": "silu"},
        **{"initializer_range": 0.02, "use_cache": True},
    }
