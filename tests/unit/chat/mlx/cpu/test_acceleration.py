import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.models.cache import BatchKVCache, make_prompt_cache

from tests.mlx_models import starter_model, tiny_model
from voicegen.chat.mlx.cpu.acceleration import CpuLlama, accelerate, gated, softmax

pytestmark = pytest.mark.skipif(mx.default_device() != mx.Device(mx.cpu), reason="made for MLX on a CPU")

ROWS = mx.array([[9, 8, 7, 6, 5], [0, 0, 3, 2, 1]])


def test_a_batch_with_padding_equals_mlx_lms_own_pass():
    model = tiny_model().model
    fast = accelerate(model)
    assert isinstance(fast, CpuLlama)
    ours, theirs = ([BatchKVCache([0, 2]) for _ in range(2)] for _ in range(2))
    for tokens in (ROWS, mx.array([[4], [5]]), mx.array([[6], [7]])):
        real = np.array(fast(tokens, cache=ours))
        expected = np.array(model(tokens, cache=theirs))
        np.testing.assert_allclose(real[0], expected[0], atol=1e-3)
        np.testing.assert_allclose(real[1, -1], expected[1, -1], atol=1e-3)


def test_one_conversation_equals_mlx_lms_own_pass():
    model = tiny_model().model
    fast = accelerate(model)
    ours, theirs = make_prompt_cache(fast), make_prompt_cache(model)
    for tokens in (ROWS[:1], ROWS[:1, :1], ROWS[:1, :3]):
        np.testing.assert_allclose(np.array(fast(tokens, cache=ours)), np.array(model(tokens, cache=theirs)), atol=1e-3)
    assert ours[0].offset == theirs[0].offset == 9


def test_the_starter_model_has_the_fast_form():
    assert isinstance(accelerate(starter_model().model), CpuLlama)


def test_another_architecture_stays_as_it_is():
    from mlx_lm.models import qwen3

    sizes = {"model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 32, "head_dim": 8,
             "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": 50,
             "max_position_embeddings": 64, "rope_theta": 1e4, "tie_word_embeddings": True}  # fmt: skip
    model = qwen3.Model(qwen3.ModelArgs.from_dict(sizes))
    assert accelerate(model) is model


def test_the_gate_survives_very_large_numbers():
    gate = mx.array([-500.0, -5.0, 0.0, 5.0, 500.0])
    with np.errstate(all="raise", under="ignore"):
        out = np.array(gated(gate, mx.ones(5)))
    np.testing.assert_allclose(out, [0.0, -0.03346425, 0.0, 4.9665356, 500.0], atol=1e-5)


def test_masked_positions_get_no_weight():
    mask = np.array([0, -1e9, 0], dtype=np.float32).reshape(1, 1, 1, 1, 3)
    out = np.array(softmax(mx.array([[[[1.0, 50.0, 1.0]]]]), mask, 1))
    np.testing.assert_allclose(out, [[[[0.5, 0.0, 0.5]]]])
