"""Many waveforms resampled at once by torchaudio, held against soxr one after another."""

import numpy as np
import pytest

from voicegen.audio.batch_resample import BatchResampler
from voicegen.audio.resample import resample

RATE = 24_000


def noise(seconds, highest, seed=0):
    """Noise of all frequencies up to `highest` Hz."""
    count = int(RATE * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 0.1, count))
    spectrum[np.fft.rfftfreq(count, 1 / RATE) > highest] = 0
    return np.fft.irfft(spectrum, count).astype(np.float32)


def decibels_apart(one, other):
    """How far the difference of two waveforms lies under the first, away from their ends."""
    inner = slice(300, min(len(one), len(other)) - 300)
    return 10 * np.log10(np.square(one[inner]).sum() / np.square(one[inner] - other[inner]).sum())


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_what_both_rates_can_hold_is_as_soxr_makes_it(rate):
    waveforms = [noise(2.0 + 0.1 * seed, 0.9 * min(RATE, rate) / 2, seed) for seed in range(3)]
    for waveform, found in zip(waveforms, BatchResampler(RATE, rate, "cpu")(waveforms), strict=True):
        meant = resample(waveform, RATE, rate)
        assert abs(len(found) - len(meant)) <= 1
        assert found.dtype == np.float32
        assert decibels_apart(meant, found) > 75


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_what_the_lower_rate_cannot_hold_is_gone(rate):
    tone = np.sin(2 * np.pi * 1.1 * rate / 2 * np.arange(RATE) / RATE).astype(np.float32)
    [found] = BatchResampler(RATE, rate, "cpu")([tone])
    assert np.abs(found[300:-300]).max() < 1e-5


def test_a_waveform_is_the_same_alone_and_among_others_of_any_length():
    resampler = BatchResampler(RATE, 16_000, "cpu")
    waveforms = [noise(seconds, 7000, seed) for seed, seconds in enumerate((0.5, 3.0, 0.01, 1.25))]
    waveforms.append(np.zeros(0, np.float32))
    for waveform, found in zip(waveforms, resampler(waveforms), strict=True):
        [alone] = resampler([waveform])
        np.testing.assert_allclose(found, alone, atol=1e-7)
        assert len(found) == -(-len(waveform) * 2 // 3)


def test_more_than_fits_is_done_in_several_batches(monkeypatch):
    monkeypatch.setattr("voicegen.audio.batch_resample._SAMPLES_AT_ONCE", 30_000)
    waveforms = [noise(0.5, 7000, seed) for seed in range(7)]
    resampler = BatchResampler(RATE, 16_000, "cpu")
    together = resampler(waveforms)
    assert len(together) == 7
    np.testing.assert_allclose(together[5], resampler(waveforms[5:6])[0], atol=1e-7)
    assert resampler([]) == []


@pytest.mark.parametrize(
    ("rate", "small"), [(16_000, True), (22_050, True), (11_025, True), (24_000, False), (23_999, False)]
)
def test_it_is_for_other_rates_whose_filter_is_small(rate, small):
    assert BatchResampler.is_for(RATE, rate) == small
