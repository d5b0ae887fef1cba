import warnings
from dataclasses import replace

import numpy as np
import pytest

from tests.takes import RATES, piper, still, syllables, take
from voicegen.quality.checks import loudness


def measured(*samples, rate=16_000):
    return loudness.measure([take(waveform, rate=rate) for waveform in samples])


def by_pyloudnorm(samples, rate):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library of its own warns of syntax
        import pyloudnorm

    return pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(samples.astype(np.float64))


def sine(frequency, rate, seconds=1.0, level=1.0, phase=0.0):
    return level * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate + phase)


def test_a_full_scale_sine_of_997_hz_has_the_loudness_that_the_standard_says():
    (found,) = measured(sine(997, 48_000, 3.0), rate=48_000)
    assert found["lufs"] == pytest.approx(-3.01, abs=0.02)
    assert found["true_peak"] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("rate", RATES)
def test_loudness_is_what_pyloudnorm_measures(rate):
    quiet_then_loud = np.concatenate([0.02 * syllables(2.0, rate), syllables(3.0, rate), still(2.0, rate)])
    for samples in (syllables(0.5, rate), syllables(4.0, rate), quiet_then_loud):
        (found,) = measured(samples, rate=rate)
        assert found["lufs"] == pytest.approx(by_pyloudnorm(samples, rate), abs=0.15)


def test_spoken_takes_are_as_loud_as_pyloudnorm_says_together_and_alone():
    together = loudness.measure(piper())
    for speech, found in zip(piper(), together, strict=True):
        assert found["lufs"] == pytest.approx(by_pyloudnorm(speech.samples, speech.sampling_rate), abs=0.1)
        assert loudness.measure([speech]) == [found]


def test_takes_of_several_rates_are_measured_in_one_group_in_their_order():
    takes = [take(syllables(1.0, rate), rate=rate) for rate in (16_000, 48_000, 16_000)]
    takes[2] = replace(takes[2], samples=takes[2].samples * np.float32(0.5))
    assert loudness.measure(takes) == [found for one in takes for found in loudness.measure([one])]


@pytest.mark.parametrize("gain", [0.25, 0.5, 2.0])
def test_a_gain_is_a_gain(gain):
    (plain,), (changed,) = measured(syllables(2.0)), measured(gain * syllables(2.0))
    decibels = 20 * np.log10(gain)
    assert changed["lufs"] - plain["lufs"] == pytest.approx(decibels, abs=0.05)
    assert changed["true_peak"] - plain["true_peak"] == pytest.approx(decibels, abs=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_a_peak_between_samples_is_found(rate):
    between = sine(rate / 4, rate, phase=np.pi / 4)  # each sample is at 0.707
    (found,) = measured(
        np.concatenate([still(0.1, rate), between * np.hanning(len(between)), still(0.1, rate)]), rate=rate
    )
    assert np.abs(between).max() == pytest.approx(0.707, abs=0.001)
    assert found["true_peak"] == pytest.approx(0, abs=0.1)


def test_a_take_shorter_than_a_block_has_the_loudness_of_its_whole():
    (short,), (long,) = measured(sine(997, 16_000, 0.3, 0.1)), measured(sine(997, 16_000, 3.0, 0.1))
    assert short["lufs"] == pytest.approx(long["lufs"], abs=0.2)


def test_silence_is_at_the_gate():
    assert measured(np.zeros(16_000), np.zeros(100), still(1.0, noise=1e-6)) == [
        {"lufs": -70.0, "true_peak": -120.0},
        {"lufs": -70.0, "true_peak": -120.0},
        {"lufs": -70.0, "true_peak": pytest.approx(-108, abs=4)},
    ]


@pytest.mark.parametrize("count", [1, 2, 31, 33, 255, 257, 6399, 6401])
def test_takes_of_few_samples_are_measured_as_well(count):
    for samples in (np.zeros(count), np.full(count, 0.5)):
        (found,) = measured(samples)
        assert -70 <= found["lufs"] <= 0
        assert -120 <= found["true_peak"] <= 3
