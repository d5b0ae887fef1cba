"""Silero's detector from faster-whisper's wheel, on what the starter voice says and on what nobody says."""

from dataclasses import replace

import numpy as np
import pytest

from tests.takes import RATES, piper, syllables, take
from voicegen.audio.resample import resample
from voicegen.job.composing import compose
from voicegen.quality.checks import voice_activity
from voicegen.quality.listener import Listener

ON = ["quality=off", "+quality/checks=voice_activity"]
SECONDS = 3.0


@pytest.fixture(scope="module")
def measure():
    check = voice_activity.SPEC.make(compose(ON).quality.checks.voice_activity)
    return lambda takes: [scores["speech_share"] for scores in check(takes)]


def noise(samples, seed=0):
    """As long and as loud as these."""
    level = np.sqrt(np.mean(np.square(samples)))
    return (level * np.random.default_rng(seed).standard_normal(len(samples))).astype(np.float32)


def tone(hertz, harmonics, rate=16_000):
    time = np.arange(round(SECONDS * rate)) / rate
    return sum(0.1 / number * np.sin(2 * np.pi * hertz * number * time) for number in range(1, harmonics + 1))


def with_samples(spoken, samples):
    return replace(spoken, samples=np.asarray(samples, np.float32))


def test_a_voice_speaks_for_most_of_each_take(measure):
    assert min(measure(piper())) > 0.75


def test_noise_tones_clicks_and_silence_are_nobodys_speech(measure):
    rate = 16_000
    clicks = np.zeros(round(SECONDS * rate))
    clicks[:: rate // 5] = 0.9
    sounds = [tone(440, 1), tone(120, 12), clicks, np.zeros(round(SECONDS * rate))]
    assert max(measure([take(samples) for samples in sounds])) < 0.05
    assert max(measure([with_samples(spoken, noise(spoken.samples)) for spoken in piper()])) < 0.05


def test_noise_of_the_loudness_that_speech_has_from_moment_to_moment_is_none(measure):
    spoken = piper()[0]
    outline = np.convolve(np.abs(spoken.samples), np.full(441, 1 / 441), "same")
    assert measure([with_samples(spoken, outline * noise(np.ones(len(outline))))]) == [pytest.approx(0, abs=0.05)]


def test_speech_among_silence_and_noise_is_the_share_that_it_has(measure):
    spoken = piper()[0]
    samples, nothing = spoken.samples, np.zeros_like(spoken.samples)
    [alone] = measure([spoken])
    among = measure(
        [
            with_samples(spoken, np.concatenate([nothing, samples, nothing])),
            with_samples(spoken, np.concatenate([samples, noise(samples)])),
        ]
    )
    assert among == pytest.approx([alone / 3, alone / 2], abs=0.05)


def test_a_take_has_the_same_share_alone_as_in_company_and_after_others(measure):
    takes = [*piper(), take(syllables(SECONDS)), take(noise(syllables(SECONDS)))]
    together = measure(takes)
    assert [share for one in takes for share in measure([one])] == together
    assert measure(takes[::-1]) == together[::-1]


@pytest.mark.parametrize("rate", RATES)
def test_rate_and_loudness_change_little(measure, rate):
    spoken = piper()[1]
    samples = resample(spoken.samples, spoken.sampling_rate, rate)
    other = [replace(spoken, samples=samples * np.float32(gain), sampling_rate=rate) for gain in (1, 0.1)]
    assert measure(other) == pytest.approx(measure([spoken]) * 2, abs=0.08)


def test_a_take_shorter_than_what_is_heard_at_a_time_has_a_share_and_none_is_changed(measure):
    spoken = piper()[0]
    at_rate = replace(spoken, samples=resample(spoken.samples, spoken.sampling_rate, 16_000), sampling_rate=16_000)
    whole = with_samples(at_rate, at_rate.samples[: 512 * 40])
    before = whole.samples.copy()
    assert measure([take([0.1]), whole]) == [0.0, pytest.approx(0.85, abs=0.15)]
    assert np.array_equal(whole.samples, before)


def test_turned_on_by_one_word_it_judges_takes_in_a_process_of_its_own():
    spoken = piper()[0]
    with Listener(compose([*ON, "quality.max_attempts=2"]).quality) as listener:
        fine, bad = listener.hear([spoken, with_samples(spoken, noise(spoken.samples))])
    assert fine.verdict.status == "ok"
    assert fine.scores["speech_share"] > 0.75
    assert "too little of it is speech (speech_share" in bad.verdict.reason


def test_it_is_off_until_it_is_asked_for_and_its_bounds_are_set_like_any():
    assert compose([]).quality.checks.voice_activity is None
    settings = compose([*ON, "quality.checks.voice_activity.rules.speech_share.min=0.6"]).quality.checks.voice_activity
    assert settings.rules["speech_share"].min == 0.6
