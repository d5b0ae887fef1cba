"""The sizes of a Marvis (CSM) model, read from a checkpoint's `config.json` as its different exporters write it.

Knows nothing of tensors. Two families of config are read: the native one (Marvis-AI and MLX repositories; sizes spelled
out, or named by a flavour as in sesame's first release) and transformers' `CsmConfig`. RoPE settings are found under
`rope_scaling` + `rope_theta` (transformers 4, mlx-audio) or `rope_parameters` (transformers 5) alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voicegen.errors import ModelError

MODEL_TYPES = ("csm", "marvis", "sesame")
"""What `model_type` may say; configs of the native format often leave it out."""

LLAMA3_SCALING = MappingProxyType(
    {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
)


@dataclass(frozen=True, slots=True)
class RopeConfig:
    """Rotary embedding: base `theta` and, if `factor` is not 1, llama-3 scaling.

    Frequencies whose wavelength is under `original_context / high` positions are kept, those over
    `original_context / low` are divided by `factor`, and those between are blended (Llama 3.1).
    """

    theta: float = 500_000.0
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original_context: float = 8192.0


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes of one Llama-style transformer; `context` is in positions."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    context: int
    norm_eps: float
    rope: RopeConfig


@dataclass(frozen=True, slots=True)
class MarvisConfig:
    """Sizes and special ids of a whole model.

    `codebooks` is K, `audio_vocab` the codes in each book (specials included).

    The rest are mlx-audio's conventions, by its names for them: `text_tokenizer` is a repository with the tokenizer and
    with the voices of a checkpoint that brings none, `speaker_prefix_space` writes `[0] text` for `[0]text`,
    `voice_match` has the model go on speaking where a voice's recording ends, `use_default_voice_prompt` gives a voice
    to a text that names none.
    """

    backbone: TransformerConfig
    depth: TransformerConfig
    text_vocab: int
    audio_vocab: int
    codebooks: int
    eos_code: int
    text_tokenizer: str | None = None
    speaker_prefix_space: bool = False
    voice_match: bool = True
    use_default_voice_prompt: bool = True


FLAVOURS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "llama-1B": {"num_hidden_layers": 16, "hidden_size": 2048, "num_attention_heads": 32, "num_key_value_heads": 8},
        "llama-250M": {
            "num_hidden_layers": 6,
            "hidden_size": 1536,
            "num_attention_heads": 12,
            "num_key_value_heads": 3,
        },
        "llama-100M": {"num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 2},
        "llama-60M": {
            "num_hidden_layers": 4,
            "hidden_size": 1024,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "intermediate_size": 4096,
        },
    }
)
"""Sizes that a native config may name instead of spelling out (SesameAILabs/csm, Marvis-Labs/marvis-tts)."""


def read_config(folder: Path) -> MarvisConfig:
    """Reads `config.json` in a checkpoint's folder.

    Raises:
        ModelError: There is none, it is not JSON, it is of another model, or a size is missing or impossible.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{folder} holds no config.json: give the folder or repository of a Marvis checkpoint")
    return parse_config(read_object(path), str(path))


def read_object(path: Path) -> dict[str, Any]:
    """Reads a JSON file of a checkpoint that holds one object.

    Raises:
        ModelError: It cannot be read, is not JSON, or holds something else.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}): download it again") from None
    if not isinstance(raw, dict):
        raise ModelError(f"{path} holds no JSON object: download it again")
    return raw


def parse_config(raw: Mapping[str, Any], where: str = "config.json") -> MarvisConfig:
    """Reads a config of either family; `where` is named in errors.

    Raises:
        ModelError: As for `read_config`.
    """
    kind = raw.get("model_type")
    if kind is not None and str(kind).lower() not in MODEL_TYPES:
        raise ModelError(f"{where}: model_type is {kind!r}, which is not Marvis (CSM); choose a Marvis checkpoint")
    if "depth_decoder_config" in raw:
        backbone_raw, depth_raw = dict(raw), _object(raw, "depth_decoder_config", where)
    elif "backbone_flavor" in raw:
        backbone_raw = _flavour(raw, "backbone_flavor", 2048, where)
        depth_raw = _flavour(raw, "decoder_flavor", 33, where)
    else:
        raise ModelError(f"{where} has no depth_decoder_config and no backbone_flavor: it is no Marvis (CSM) config")
    codebooks = _integer(raw, ("num_codebooks", "audio_num_codebooks"), where)
    audio_vocab = _integer(raw, ("audio_vocab_size", "vocab_size", "codebook_size"), where)
    config = MarvisConfig(
        backbone=_transformer(backbone_raw, f"{where}"),
        depth=_transformer(depth_raw, f"{where}: depth_decoder_config"),
        text_vocab=_integer(raw, ("text_vocab_size",), where),
        audio_vocab=audio_vocab,
        codebooks=codebooks,
        eos_code=_eos_code(raw, audio_vocab, where),
        text_tokenizer=str(raw.get("text_tokenizer") or "") or None,
        speaker_prefix_space=_flag(raw, "speaker_prefix_space", where, default=False),
        voice_match=_flag(raw, "voice_match", where, default=True),
        use_default_voice_prompt=_flag(raw, "use_default_voice_prompt", where, default=True),
    )
    if config.depth.context < codebooks:
        raise ModelError(f"{where}: the depth decoder holds {config.depth.context} positions, {codebooks} are needed")
    return config


_READ = {
    *("model_type", "depth_decoder_config", "backbone_flavor", "decoder_flavor", "codec_config", "text_tokenizer"),
    *("speaker_prefix_space", "voice_match", "use_default_voice_prompt", "num_codebooks", "audio_num_codebooks"),
    *("audio_vocab_size", "vocab_size", "codebook_size", "text_vocab_size", "codebook_eos_token_id"),
    *("attention_bias", "mlp_bias", "hidden_act", "hidden_size", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "num_hidden_layers", "intermediate_size", "max_position_embeddings", "rms_norm_eps"),
    *("rope_theta", "rope_scaling", "rope_parameters"),
}
_WITHOUT_EFFECT = {
    # of training, of how a file was made, said again by the tensors, or of how audio is marked afterwards
    *("architectures", "attention_dropout", "initializer_range", "use_cache", "dtype", "torch_dtype"),
    *("transformers_version", "quantization", "quantization_config", "backbone_hidden_size", "layer_types"),
    *("tie_codebooks_embeddings", "tie_word_embeddings", "watermark_key", "bos_token_id", "eos_token_id"),
    *("pad_token_id", "codebook_pad_token_id", "audio_token_id", "audio_eos_token_id", "_name_or_path"),
    # of every model of transformers, where it writes all of a config
    *("output_hidden_states", "output_attentions", "return_dict", "chunk_size_feed_forward", "is_encoder_decoder"),
    *("id2label", "label2id", "problem_type"),
}


def unknown_fields(raw: Mapping[str, Any]) -> list[str]:
    """The fields of a config that are not known here, those of its depth decoder as `depth_decoder_config.NAME`."""
    depth = raw.get("depth_decoder_config")
    inner = depth if isinstance(depth, dict) else {}
    known = _READ | _WITHOUT_EFFECT
    return [*(name for name in raw if name not in known)] + [
        f"depth_decoder_config.{name}" for name in inner if name not in known
    ]


def _flavour(raw: Mapping[str, Any], key: str, context: int, where: str) -> dict[str, Any]:
    name = str(raw.get(key))
    if name not in FLAVOURS:
        raise ModelError(f"{where}: {key} is {name!r}; known are {', '.join(FLAVOURS)}")
    scaling = {"rope_scaling": dict(LLAMA3_SCALING), "rope_theta": 500_000.0}
    sizes = {"intermediate_size": 8192, "max_position_embeddings": context, **scaling}
    return {**sizes, **FLAVOURS[name]}


def _transformer(raw: Mapping[str, Any], where: str) -> TransformerConfig:
    for name in ("attention_bias", "mlp_bias"):
        if raw.get(name):
            raise ModelError(f"{where}: {name} is set; Marvis checkpoints have no biases")
    if raw.get("hidden_act", "silu") != "silu":
        raise ModelError(f"{where}: hidden_act is {raw['hidden_act']!r}; only silu is known")
    width = _integer(raw, ("hidden_size",), where)
    heads = _integer(raw, ("num_attention_heads",), where)
    kv_heads = _integer(raw, ("num_key_value_heads",), where, default=heads)
    head_dim = _integer(raw, ("head_dim",), where, default=width // heads)
    if heads % kv_heads or head_dim % 2:
        raise ModelError(f"{where}: {heads} heads of {head_dim} do not go with {kv_heads} key-value heads")
    return TransformerConfig(
        layers=_integer(raw, ("num_hidden_layers",), where),
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=_integer(raw, ("intermediate_size",), where),
        context=_integer(raw, ("max_position_embeddings",), where, default=2048),
        norm_eps=_number(raw, "rms_norm_eps", where, default=1e-5),
        rope=_rope(raw, where),
    )


def _rope(raw: Mapping[str, Any], where: str) -> RopeConfig:
    scaling = {**_object(raw, "rope_scaling", where), **_object(raw, "rope_parameters", where)}
    theta = _number({"rope_theta": raw.get("rope_theta"), **scaling}, "rope_theta", where, default=500_000.0)
    kind = scaling.get("rope_type") or scaling.get("type") or ("llama3" if "factor" in scaling else "default")
    if kind == "default":
        return RopeConfig(theta=theta)
    if kind != "llama3":
        raise ModelError(f"{where}: RoPE scaling {kind!r} is not known; Marvis uses llama3 or none")
    known = {**LLAMA3_SCALING, **scaling}
    return RopeConfig(
        theta=theta,
        factor=_number(known, "factor", where),
        low=_number(known, "low_freq_factor", where),
        high=_number(known, "high_freq_factor", where),
        original_context=_number(known, "original_max_position_embeddings", where),
    )


def _eos_code(raw: Mapping[str, Any], audio_vocab: int, where: str) -> int:
    code = raw.get("codebook_eos_token_id") or 0
    if not isinstance(code, int) or not 0 <= code < audio_vocab:
        raise ModelError(f"{where}: codebook_eos_token_id is {code!r}, not one of the {audio_vocab} audio codes")
    return code


def _object(raw: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    value = raw.get(name)
    if value is not None and not isinstance(value, dict):
        raise ModelError(f"{where}: {name} is {value!r}, not an object with settings")
    return dict(value or {})


def _flag(raw: Mapping[str, Any], name: str, where: str, *, default: bool) -> bool:
    value = raw.get(name)
    if value is not None and not isinstance(value, bool):
        raise ModelError(f"{where}: {name} is {value!r}, not true or false")
    return default if value is None else value


def _number(raw: Mapping[str, Any], name: str, where: str, default: float | None = None) -> float:
    value = raw.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise ModelError(f"{where}: {name} is {value!r}, not a positive number")


def _integer(raw: Mapping[str, Any], names: tuple[str, ...], where: str, default: int | None = None) -> int:
    for name in names:
        value = raw.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if value is not None:
            raise ModelError(f"{where}: {name} is {value!r}, not a positive number")
    if default:
        return default
    raise ModelError(f"{where} has no {names[0]}: it is not a Marvis (CSM) config, or an incomplete one")
