import numpy as np
import pytest

from tests.planted_faults import planted
from tests.takes import RATES, piper, still, syllables, take
from voicegen.job.composing import compose
from voicegen.quality.checks import repeats


def repeated(samples, text="Some words that are said.", rate=16_000):
    (found,) = repeats.measure([take(samples, text, rate)])
    return found["repeated"]


@pytest.mark.parametrize("rate", RATES)
def test_a_stretch_that_is_said_again_is_found(rate):
    before, stretch, after = (syllables(seconds, rate, seed) for seed, seconds in enumerate((1.0, 1.2, 1.5)))
    assert repeated(np.concatenate([before, stretch, after]), rate=rate) < 0.5
    assert repeated(np.concatenate([before, stretch, stretch, after]), rate=rate) == pytest.approx(1.2, abs=0.35)
    assert repeated(np.concatenate([before, *[stretch] * 3, after]), rate=rate) == pytest.approx(2.4, abs=0.5)


def test_words_that_come_back_after_others_are_no_repetition():
    first, words, between = (syllables(seconds, seed=seed) for seed, seconds in enumerate((1.0, 1.0, 1.2)))
    assert repeated(np.concatenate([first, words, between, words])) < 0.5


def test_what_the_text_itself_says_twice_may_be_said_twice():
    stretch = syllables(1.0)
    twice = np.concatenate([stretch, stretch])
    assert repeated(twice, "Good morning to everybody.") > 0.6
    assert repeated(twice, "Good morning, everybody. Good morning, everybody!") < 0.1


@pytest.mark.parametrize(
    "samples",
    [still(3.0), np.zeros(48_000), still(3.0, noise=0.1), 0.5 * np.sin(np.arange(48_000) * np.pi / 40)],
    ids=["floor", "zero", "noise", "tone"],
)
def test_what_is_no_speech_does_not_repeat(samples):
    assert repeated(samples) == 0


def test_a_gain_changes_nothing():
    stretch = syllables(1.0, noise=0)
    looped = np.concatenate([stretch, stretch, syllables(1.0, seed=3, noise=0)])
    assert repeated(0.1 * looped) == pytest.approx(repeated(looped), abs=0.04)


@pytest.mark.parametrize("count", [1, 2, 160, 640, 4799, 4801])
@pytest.mark.parametrize("rate", RATES)
def test_takes_of_few_samples_are_measured_as_well(count, rate):
    for samples in (np.zeros(count), np.full(count, 0.5)):
        assert repeated(samples, "", rate) == 0


def test_a_loop_is_found_in_a_long_take():
    stretch = syllables(2.0, seed=50)
    speech = [syllables(2.0, seed=seed) for seed in range(24)]
    assert repeated(np.concatenate(speech)) < 0.6
    assert repeated(np.concatenate([*speech[:20], *[stretch] * 4, *speech[20:]])) > 3


def test_spoken_takes_are_good_until_words_are_said_again():
    rule = compose([]).quality.checks.repeats.rules["repeated"]
    for seed, speech in enumerate(piper()):
        for fault, bad in (("repeated thrice", True), (None, False)):
            heard = planted(fault, speech, speech, seed) if fault else speech
            (found,) = repeats.measure([heard])
            assert (rule.excess(found["repeated"]) > 0) is bad, (speech.utterance.text, found)
