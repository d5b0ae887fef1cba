import mlx.core as mx
import numpy as np
import pytest

from voicegen.chat.mlx.sampling import (
    BLOCK,
    PENALTY_WINDOW,
    RowStream,
    Sampling,
    candidate_weights,
    choose,
    drawn,
    exponential_noise,
    penalized,
    recent_tokens,
)

LOGITS = mx.array(np.log([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.3, 0.5]]).astype(np.float32))


def kept(**options):
    weights = np.array(candidate_weights(LOGITS, Sampling(**{"temperature": 1.0, **options})))
    return [set(np.flatnonzero(row)) for row in weights]


def test_greedy_takes_the_likeliest_whatever_the_seed():
    for seed in range(20):
        tokens = choose(LOGITS, None, [RowStream(seed)] * 2, [5, 6])
        assert tokens.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("options", "first"),
    [({}, {0, 1, 2, 3}), ({"top_k": 2}, {0, 1}), ({"top_p": 0.7}, {0, 1}), ({"min_p": 0.2}, {0, 1, 2})],
)
def test_each_cut_keeps_the_tokens_that_it_should(options, first):
    assert kept(**options) == [first, {3 - token for token in first}]


def naive_weights(logits: np.ndarray, top_k: int, top_p: float, min_p: float) -> np.ndarray:
    """The weights of one row (V,), by sorting all of it."""
    weights = np.exp(logits - logits.max())
    if top_k:
        weights[weights < np.sort(weights)[-top_k]] = 0
    weights[weights < min_p] = 0
    if top_p < 1:
        falling = np.sort(weights)[::-1]
        before = np.cumsum(falling, dtype=np.float64) - falling
        weights[weights < falling[before < top_p * weights.sum(dtype=np.float64)][-1]] = 0
    return weights


@pytest.mark.parametrize("top_k", [0, 1, 40])
@pytest.mark.parametrize("top_p", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("min_p", [0.0, 0.01])
def test_the_candidates_are_those_of_a_whole_sort(top_k, top_p, min_p):
    spread = np.array([[0.5], [2.0], [6.0]])  # a nucleus of thousands, of hundreds and of a few
    logits = (spread * np.random.default_rng(1).standard_normal((3, 5003))).astype(np.float32)
    options = Sampling(temperature=1.0, top_k=top_k, top_p=top_p, min_p=min_p)
    together = np.array(candidate_weights(mx.array(logits), options))
    for row, weights in zip(logits, together, strict=True):
        np.testing.assert_allclose(weights, naive_weights(row, top_k, top_p, min_p), rtol=1e-5)
        np.testing.assert_array_equal(weights, np.array(candidate_weights(mx.array(row[None]), options))[0])


def test_candidates_of_equal_weight_stay_or_go_together():
    logits = mx.array([[2.0, 1.0, 1.0, 1.0, 0.0]])
    for options in ({"top_k": 2}, {"top_p": 0.6}):
        weights = np.array(candidate_weights(logits, Sampling(temperature=1.0, **options)))
        assert set(np.flatnonzero(weights[0])) == {0, 1, 2, 3}


def test_temperature_sharpens_and_flattens():
    weights = np.array(candidate_weights(LOGITS, Sampling(temperature=0.5)))[0]
    np.testing.assert_allclose(weights / weights[0], (np.array([0.5, 0.3, 0.15, 0.05]) / 0.5) ** 2, rtol=1e-4)


def test_a_wide_nucleus_is_found_beyond_the_first_candidates():
    flat = mx.zeros((1, 5000))
    weights = candidate_weights(flat + mx.arange(5000)[::-1] * 1e-6, Sampling(temperature=1.0, top_p=0.9))
    assert 4490 <= int((weights > 0).sum()) <= 4510


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    weights = np.exp((logits - logits.max()).astype(np.float64) / temperature)
    return weights / weights.sum()


def misfit(counts: np.ndarray, chances: np.ndarray) -> float:
    """Pearson's chi-square over the tokens that are awaited five times or more, in standard deviations."""
    expected = chances * counts.sum()
    common = expected >= 5
    rest = expected[~common].sum()
    total = ((counts - expected)[common] ** 2 / expected[common]).sum()
    if rest >= 5:
        total += (counts[~common].sum() - rest) ** 2 / rest
    freedom = common.sum() - (rest < 5)
    return float((total - freedom) / np.sqrt(2 * freedom))


@pytest.mark.parametrize("size", [2, BLOCK, 3 * BLOCK + 7])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
@pytest.mark.parametrize("along", ["seeds", "positions"])
def test_draws_follow_the_softmax(size, temperature, along):
    draws = 20_000
    logits = np.random.default_rng(size).normal(scale=1.5, size=size).astype(np.float32)
    weights = candidate_weights(mx.array(logits)[None], Sampling(temperature=temperature))
    keys = [RowStream(i).key(9) if along == "seeds" else RowStream(9).key(i) for i in range(draws)]
    tokens = np.array(drawn(mx.broadcast_to(weights, (draws, size)), keys))
    assert abs(misfit(np.bincount(tokens, minlength=size), softmax(logits, temperature))) < 4


@pytest.mark.parametrize("step", [(0, 1), (1, 0)])
def test_a_draw_says_nothing_of_the_next_one(step):
    keys = [RowStream(seed).key(position) for seed in range(150) for position in range(150)]
    following = [RowStream(seed + step[0]).key(position + step[1]) for seed in range(150) for position in range(150)]
    weights = mx.ones((len(keys), 2 * BLOCK))
    pairs = np.stack([np.array(drawn(weights, keys)), np.array(drawn(weights, following))]) // 32
    assert abs(misfit(np.bincount(pairs[0] * 8 + pairs[1], minlength=64), np.full(64, 1 / 64))) < 4


def test_only_tokens_of_weight_are_drawn():
    weights = mx.zeros((2000, 3 * BLOCK)).at[:, 2 * BLOCK].add(1e-30).at[:, BLOCK - 1].add(3e-30)
    tokens = np.array(drawn(weights, [RowStream(i).key(0) for i in range(2000)]))
    assert set(tokens) == {2 * BLOCK, BLOCK - 1}
    assert abs((tokens == BLOCK - 1).mean() - 0.75) < 0.03


def test_noise_is_positive_and_finite_at_the_ends_of_its_range(monkeypatch):
    ends = mx.array([0.0, 2.0**-32, 1 - 2.0**-24])
    monkeypatch.setattr(mx.random, "uniform", lambda shape, key: ends)
    noise = np.array(exponential_noise([1], 3))
    assert np.isfinite(noise).all()
    assert (noise > 0).all()


def test_a_rounding_error_moves_next_to_no_draw():
    draws, size = 2000, 40 * BLOCK
    draw = np.random.default_rng(0)
    logits = draw.normal(scale=2, size=(1, size)).astype(np.float32)
    noisy = logits * (1 + 1e-6 * draw.standard_normal((draws, size)).astype(np.float32))
    keys = [RowStream(i).key(0) for i in range(draws)]
    options = Sampling(temperature=1.0)
    calm = drawn(mx.broadcast_to(candidate_weights(mx.array(logits), options), (draws, size)), keys)
    shaken = drawn(candidate_weights(mx.array(noisy), options), keys)
    assert int(mx.sum(calm != shaken)) <= 1


def test_a_rows_draws_depend_on_its_seed_its_round_and_its_position_alone():
    warm = Sampling(temperature=1.0)
    logits = mx.random.normal((2, 1000), key=mx.random.key(0))
    for position in range(20):
        alone = choose(logits[1:], None, [RowStream(7, 0, warm)], [position]).tolist()
        among = choose(logits, None, [RowStream(1, 0, warm), RowStream(7, 0, warm)], [3, position]).tolist()
        assert among[1:] == alone
    keys = {RowStream(seed, part).key(position) for seed in (7, 8) for part in (0, 1) for position in (0, 1)}
    assert len(keys) == 8


def test_the_penalty_is_mlx_lms():
    from mlx_lm.sample_utils import make_repetition_penalty

    logits = mx.random.normal((2, 50), key=mx.random.key(0))
    history = [list(range(5, 40)), [3, 3, 9]]
    ours = penalized(logits, recent_tokens(history), 1.3)
    theirs = [make_repetition_penalty(1.3)(mx.array(row), logits[i : i + 1] * 1.0) for i, row in enumerate(history)]
    np.testing.assert_allclose(np.array(ours), np.array(mx.concatenate(theirs)), rtol=1e-6)
    assert recent_tokens(history).shape == (2, PENALTY_WINDOW)


def test_rows_that_are_sampled_in_different_ways_are_sampled_as_each_is_alone():
    logits = 3 * mx.random.normal((5, 500), key=mx.random.key(3))
    recent = recent_tokens([[int(mx.argmax(row).item())] for row in logits])
    ways = [Sampling(1.5), Sampling(), Sampling(1.5), Sampling(0.7, top_k=9), Sampling(repetition_penalty=9.0)]
    rows = [RowStream(7 + place, 0, way) for place, way in enumerate(ways)]
    for position in range(20):
        places = [position + place for place in range(5)]
        alone = [choose(logits[i : i + 1], recent[i : i + 1], [rows[i]], [places[i]]).item() for i in range(5)]
        assert choose(logits, recent, rows, places).tolist() == alone
    best = mx.argmax(logits, axis=-1).tolist()
    assert alone[1] == best[1]
    assert alone[4] != best[4]
