from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.marvis_checkpoints import rope, tiny_config
from voicegen.errors import ModelError
from voicegen.tts.marvis.config import RopeConfig, parse_config, read_config
from voicegen.tts.marvis.model import rope_frequencies


def with_rope(**settings: Any) -> dict[str, Any]:
    """A config whose backbone has these RoPE keys and no others."""
    config = tiny_config()
    for key in ("rope_scaling", "rope_theta"):
        del config[key]
    return {**config, **settings}


def test_rope_settings_of_every_exporter_mean_the_same() -> None:
    expected = RopeConfig(theta=500.0, factor=4.0, low=1.0, high=4.0, original_context=16)
    old_type = {**rope(), "type": "llama3"}
    del old_type["rope_type"]
    for settings in (
        {"rope_scaling": rope(), "rope_theta": 500.0},
        {"rope_parameters": {**rope(), "rope_theta": 500.0}},
        {"rope_parameters": rope(), "rope_theta": 500.0},
        {"rope_scaling": old_type, "rope_theta": 500},
        {"rope_scaling": None, "rope_parameters": {**rope(), "rope_theta": 500.0}},
    ):
        assert parse_config(with_rope(**settings)).backbone.rope == expected


def test_a_config_without_scaling_rotates_plainly() -> None:
    assert parse_config(with_rope(rope_theta=10_000)).backbone.rope == RopeConfig(theta=10_000.0)
    assert (
        parse_config(with_rope(rope_parameters={"rope_type": "default", "rope_theta": 7.0})).backbone.rope.factor == 1
    )


def test_scalings_that_differ_only_in_notation_give_the_same_frequencies() -> None:
    usual = RopeConfig(factor=32.0, low=1.0, high=4.0, original_context=8192)
    csm = RopeConfig(factor=32.0, low=0.125, high=0.5, original_context=1024)
    assert rope_frequencies(usual, 128).allclose(rope_frequencies(csm, 128))


def test_flavours_name_the_published_sizes() -> None:
    raw = {
        "backbone_flavor": "llama-100M",
        "decoder_flavor": "llama-60M",
        "text_vocab_size": 49152,
        "audio_vocab_size": 2051,
        "audio_num_codebooks": 32,
    }
    config = parse_config(raw)
    assert (config.backbone.width, config.backbone.ffn, config.depth.ffn, config.codebooks) == (1024, 8192, 4096, 32)
    assert config.depth.rope.factor == 32.0
    with pytest.raises(ModelError, match="backbone_flavor is 'llama-9B'; known are"):
        parse_config({**raw, "backbone_flavor": "llama-9B"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama', which is not Marvis"),
        ({"num_hidden_layers": None}, "has no num_hidden_layers"),
        ({"hidden_size": "64"}, "hidden_size is '64', not a positive number"),
        ({"num_key_value_heads": 3}, "4 heads of 32 do not go with 3"),
        ({"attention_bias": True}, "attention_bias is set"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2}}, "'yarn' is not known"),
        ({"rope_scaling": [3]}, r"rope_scaling is \[3\], not an object"),
        ({"rope_scaling": {**rope(), "factor": "4"}}, "factor is '4', not a positive number"),
        ({"rope_theta": "big"}, "rope_theta is 'big', not a positive number"),
        ({"rms_norm_eps": [1]}, r"rms_norm_eps is \[1\], not a positive number"),
        ({"num_key_value_heads": "two"}, "num_key_value_heads is 'two', not a positive number"),
        ({"head_dim": -32}, "head_dim is -32, not a positive number"),
        ({"max_position_embeddings": 0.5}, "max_position_embeddings is 0.5, not a positive number"),
        ({"depth_decoder_config": 3}, "depth_decoder_config is 3, not an object"),
        ({"codebook_eos_token_id": 999}, "codebook_eos_token_id is 999, not one of the 35 audio codes"),
        ({"voice_match": "no"}, "voice_match is 'no', not true or false"),
        ({"codebook_eos_token_id": "x"}, "codebook_eos_token_id is 'x', not one of the 35 audio codes"),
    ],
)
def test_a_config_of_another_model_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_config({**tiny_config(), **changes})


def test_a_config_without_mlx_audios_conventions_has_their_usual_values() -> None:
    config = parse_config(tiny_config(voice_match=None))
    assert (config.speaker_prefix_space, config.voice_match, config.use_default_voice_prompt) == (False, True, True)
    assert parse_config(tiny_config(speaker_prefix_space=True)).speaker_prefix_space


def test_a_depth_decoder_too_short_for_its_codebooks_is_refused() -> None:
    config = tiny_config()
    config["depth_decoder_config"] = {**config["depth_decoder_config"], "max_position_embeddings": 4}
    with pytest.raises(ModelError, match="holds 4 positions, 8 are needed"):
        parse_config(config)


def test_a_folder_without_a_readable_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        read_config(tmp_path)
    for text, message in (("{", "not valid JSON"), ("[]", "no JSON object"), ('{"a": 1}', "no Marvis")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            read_config(tmp_path)
