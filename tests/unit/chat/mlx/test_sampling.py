import mlx.core as mx
import numpy as np
import pytest

from voicegen.chat.mlx.sampling import (
    PENALTY_WINDOW,
    BatchSampler,
    RowStream,
    candidate_weights,
    drawn,
    penalized,
    recent_tokens,
)
from voicegen.protocols import GenerationOptions

LOGITS = mx.array(np.log([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.3, 0.5]]).astype(np.float32))


def kept(**options):
    weights = np.array(candidate_weights(LOGITS, GenerationOptions(**{"temperature": 1.0, **options})))
    return [set(np.flatnonzero(row)) for row in weights]


def test_greedy_takes_the_likeliest_and_draws_nothing():
    stream = RowStream(3)
    tokens = BatchSampler(GenerationOptions()).choose(LOGITS, None, [stream, stream])
    assert tokens.tolist() == [0, 3]
    assert stream.draw() == RowStream(3).draw()


@pytest.mark.parametrize(
    ("options", "first"),
    [({}, {0, 1, 2, 3}), ({"top_k": 2}, {0, 1}), ({"top_p": 0.7}, {0, 1}), ({"min_p": 0.2}, {0, 1, 2})],
)
def test_each_cut_keeps_the_tokens_that_it_should(options, first):
    assert kept(**options) == [first, {3 - token for token in first}]


def test_temperature_sharpens_and_flattens():
    weights = np.array(candidate_weights(LOGITS, GenerationOptions(temperature=0.5)))[0]
    np.testing.assert_allclose(weights / weights[0], (np.array([0.5, 0.3, 0.15, 0.05]) / 0.5) ** 2, rtol=1e-4)


def test_a_wide_nucleus_is_found_beyond_the_first_candidates():
    flat = mx.zeros((1, 5000))
    weights = candidate_weights(flat + mx.arange(5000)[::-1] * 1e-6, GenerationOptions(temperature=1.0, top_p=0.9))
    assert 4490 <= int((weights > 0).sum()) <= 4510


def test_draws_follow_the_distribution():
    stream = RowStream(0)
    weights = mx.array([[0.0, 3.0, 0.0, 1.0]] * 4000)
    tokens = np.array(drawn(weights, [stream.draw() for _ in range(4000)]))
    assert set(tokens) == {1, 3}
    assert abs((tokens == 1).mean() - 0.75) < 0.03


def test_the_ends_of_the_range_stay_on_tokens_of_weight():
    weights = mx.array([[0.0, 2.0, 1.0, 0.0]] * 2)
    assert drawn(weights, [0.0, 0.99999999]).tolist() == [1, 2]


def test_a_rows_draws_depend_on_its_seed_and_round_alone():
    sampler = BatchSampler(GenerationOptions(temperature=1.0))
    alone = sampler.choose(LOGITS[1:], None, [RowStream(7)]).tolist()
    among = sampler.choose(LOGITS, None, [RowStream(1), RowStream(7)]).tolist()
    assert among[1:] == alone
    assert RowStream(7).draw() != RowStream(8).draw()
    assert RowStream(7).draw() != RowStream(7, 1).draw()


def test_the_penalty_is_mlx_lms():
    from mlx_lm.sample_utils import make_repetition_penalty

    logits = mx.random.normal((2, 50), key=mx.random.key(0))
    history = [list(range(5, 40)), [3, 3, 9]]
    ours = penalized(logits, recent_tokens(history), 1.3)
    theirs = [make_repetition_penalty(1.3)(mx.array(row), logits[i : i + 1] * 1.0) for i, row in enumerate(history)]
    np.testing.assert_allclose(np.array(ours), np.array(mx.concatenate(theirs)), rtol=1e-6)
    assert recent_tokens(history).shape == (2, PENALTY_WINDOW)
