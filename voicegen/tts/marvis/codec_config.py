"""The sizes of a Mimi codec, from its config's fields; the shapes of its tensors say the rest.

Defaults are those of kyutai/mimi, which a config may leave out. Source: transformers' `MimiConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voicegen.errors import ModelError
from voicegen.tts.marvis.codec_files import check_causal


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """Sizes of a codec.

    Attributes:
        sample_rate: Hz.
        ratios: by which the decoder's convolutions lengthen, one after the other; the encoder's shorten in reverse.
        residual_layers: after each of them.
        dilation_growth: of a residual layer against the one before it.
        layers: of each transformer.
        heads: of attention.
        kv_heads: of keys and values.
        head_dim: their size.
        window: positions that attention sees, its own included.
        rope_theta: base of the rotation.
        norm_eps: of the layer norms.
        codebooks: that there are.
        semantic: how many of them are the semantic ones, which come first.
        codebook_size: codes in each.
    """

    sample_rate: int
    ratios: tuple[int, ...]
    residual_layers: int
    dilation_growth: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    window: int
    rope_theta: float
    norm_eps: float
    codebooks: int
    semantic: int
    codebook_size: int

    @staticmethod
    def parse(fields: Mapping[str, Any]) -> CodecConfig:
        """Reads a config's fields.

        Raises:
            ModelError: one is no such number, or the codec is not the causal one that can be computed piece by piece.
        """
        known = {**_PUBLISHED, **{name: value for name, value in fields.items() if value is not None}}
        check_causal(known.__getitem__)
        if known["hidden_act"] != "gelu" or known["attention_bias"]:
            raise ModelError("the codec's config asks for another activation than gelu, or for biases: use a Mimi")

        def count(name: str) -> int:
            value = known[name]
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ModelError(f"the codec's config says {name}={value!r}, which is no such number")
            return value

        rope = known["rope_parameters"] if isinstance(known.get("rope_parameters"), Mapping) else {}
        heads = count("num_attention_heads")
        return CodecConfig(
            sample_rate=count("sampling_rate"),
            ratios=tuple(int(ratio) for ratio in known["upsampling_ratios"]),
            residual_layers=count("num_residual_layers"),
            dilation_growth=count("dilation_growth_rate"),
            layers=count("num_hidden_layers"),
            heads=heads,
            kv_heads=count("num_key_value_heads"),
            head_dim=count("head_dim") if "head_dim" in known else count("hidden_size") // heads,
            window=count("sliding_window"),
            rope_theta=float(rope.get("rope_theta") or known["rope_theta"]),
            norm_eps=float(known["norm_eps"]),
            codebooks=count("num_quantizers"),
            semantic=count("num_semantic_quantizers"),
            codebook_size=count("codebook_size"),
        )


_PUBLISHED: Mapping[str, Any] = {
    "sampling_rate": 24_000,
    "audio_channels": 1,
    "hidden_size": 512,
    "num_residual_layers": 1,
    "upsampling_ratios": (8, 6, 5, 4),
    "dilation_growth_rate": 2,
    "use_causal_conv": True,
    "pad_mode": "constant",
    "trim_right_ratio": 1.0,
    "codebook_size": 2048,
    "num_quantizers": 32,
    "num_semantic_quantizers": 1,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "hidden_act": "gelu",
    "attention_bias": False,
    "norm_eps": 1e-5,
    "rope_theta": 10_000.0,
    "sliding_window": 250,
}
