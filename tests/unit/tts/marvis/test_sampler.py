from __future__ import annotations

import pytest
import torch

from voicegen.tts.marvis import sampler
from voicegen.tts.marvis.drawing import Sampling, seed_words
from voicegen.tts.marvis.sampler import gumbel_noise, sample


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Seeds and frames of so many draws."""
    seeds = torch.tensor([seed_words(seed) for seed in range(count)])
    return seeds, torch.arange(count) % 7


def test_codes_are_drawn_as_often_as_their_probability_says() -> None:
    logits = torch.tensor([2.0, 0.5, 1.0, -1.0, 0.0])
    seeds, frames = rows(40_000)
    codes, finite = sample(logits.expand(40_000, 5), seeds, frames, 3, Sampling(0.7, 0))
    shares = torch.bincount(codes, minlength=5) / 40_000
    assert finite.all()
    torch.testing.assert_close(shares, (logits / 0.7).softmax(0), atol=0.01, rtol=0)


def test_top_k_keeps_the_largest_and_their_ties() -> None:
    logits = torch.tensor([3.0, 1.0, 3.0, 2.0, 2.0, 0.0])
    seeds, frames = rows(3_000)
    for top_k, kept in ((1, {0, 2}), (2, {0, 2}), (3, {0, 2, 3, 4}), (0, {0, 1, 2, 3, 4, 5}), (9, {0, 1, 2, 3, 4, 5})):
        codes, _ = sample(logits.expand(3_000, 6), seeds, frames, 0, Sampling(2.0, top_k))
        assert set(codes.tolist()) == kept


def test_temperature_zero_takes_the_largest_and_the_first_of_equals() -> None:
    seeds, frames = rows(2)
    logits = torch.tensor([[0.0, 5.0, 5.0], [1.0, 0.0, 0.5]])
    assert sample(logits, seeds, frames, 0, Sampling(0.0, 50))[0].tolist() == [1, 0]


def test_a_draw_depends_on_seed_frame_and_codebook_and_on_nothing_else() -> None:
    seeds, frames = rows(6)
    noise = gumbel_noise(seeds, frames, 4, 2051)
    torch.testing.assert_close(gumbel_noise(seeds[2:3], frames[2:3], 4, 2051), noise[2:3], rtol=0, atol=0)
    torch.testing.assert_close(gumbel_noise(seeds, frames, 4, 100), noise[:, :100], rtol=0, atol=0)
    for other in (
        gumbel_noise(seeds, frames, 5, 2051),
        gumbel_noise(seeds, frames + 1, 4, 2051),
        gumbel_noise(seeds.flip(0), frames, 4, 2051),
    ):
        assert ((other - noise).abs() < 1e-6).float().mean() < 0.01
    flat = noise.flatten()
    assert flat.isfinite().all()
    assert flat.mean().item() == pytest.approx(0.5772, abs=0.03)


def test_rows_that_are_not_finite_are_told_and_drawn_all_the_same() -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2], logits[2, 0] = torch.nan, torch.inf
    codes, finite = sample(logits, *rows(3), 0, Sampling())
    assert finite.tolist() == [True, False, False]
    assert ((codes >= 0) & (codes < 4)).all()


def test_seeds_of_any_size_give_two_words() -> None:
    words = {seed_words(seed) for seed in (0, 1, -1, 2**31, 2**63, 2**64 - 1, 10**12)}
    assert len(words) >= 6
    assert all(0 <= word < 2**32 for pair in words for word in pair)


@pytest.mark.parametrize("bits", [0, 0xFFFFFFFF])
def test_noise_is_finite_for_the_smallest_and_the_largest_hash(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    monkeypatch.setattr(sampler, "mix", lambda x: torch.full_like(x, bits))
    assert gumbel_noise(*rows(1), 0, 4).isfinite().all()
