from dataclasses import replace

import numpy as np
import pytest

from tests.planted_faults import planted
from tests.takes import RATES, piper, still, syllables, take
from voicegen.job.composing import compose
from voicegen.quality.checks import silence
from voicegen.quality.listener import Listener


def measured(*takes):
    return silence.measure(takes)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("noise", [0.0, 1e-4, 2e-3], ids=["digital", "quiet", "noisy"])
def test_silences_are_found_where_they_are_by_the_takes_own_floor(rate, noise):
    speech = syllables(1.0, rate, noise=noise)
    pieces = [still(seconds, rate, noise) for seconds in (0.7, 1.5, 0.4)]
    (found,) = measured(take(np.concatenate([pieces[0], speech, pieces[1], speech, pieces[2]]), rate=rate))
    assert found["silence_before"] == pytest.approx(0.7, abs=0.07)
    assert found["silence_within"] == pytest.approx(1.5, abs=0.12)
    assert found["silence_after"] == pytest.approx(0.4, abs=0.07)
    assert 0.5 < found["silence_share"] < 0.75


@pytest.mark.parametrize("gain", [0.1, 0.5, 3.0])
def test_a_gain_changes_nothing(gain):
    spoken = piper()
    louder = [replace(speech, samples=speech.samples * np.float32(gain)) for speech in spoken]
    assert measured(*louder) == measured(*spoken)


@pytest.mark.parametrize("level", [0.0, 1e-6, 3e-4])
def test_a_take_without_sound_is_silence_all_of_it(level):
    (found,) = measured(take(still(2.0, noise=level)))
    assert found == {"silence_before": 2.0, "silence_after": 2.0, "silence_within": 0.0, "silence_share": 1.0}


def test_sound_of_one_level_is_no_silence():
    (found,) = measured(take(0.25 * np.sin(np.arange(16_000) / 20)))
    assert found["silence_share"] == 0


@pytest.mark.parametrize("count", [1, 2, 7, 159, 161, 500])
def test_takes_of_few_samples_are_measured_as_well(count):
    for samples in (np.zeros(count), np.full(count, 0.5)):
        (found,) = measured(take(samples))
        assert all(np.isfinite(value) for value in found.values())


@pytest.mark.parametrize("fault", ["silence before", "silence within", "silence after", "all silent"])
def test_a_spoken_take_is_good_until_it_is_given_a_silence(fault):
    listener = Listener(compose([]).quality)
    good = [hearing.verdict for hearing in listener.hear(piper())]
    faulty = [planted(fault, speech, speech, seed=0) for speech in piper()]
    bad = [hearing.verdict for hearing in listener.hear(faulty)]
    assert all(verdict.status == "ok" for verdict in good), good
    assert all(verdict.status == "rejected" and verdict.again for verdict in bad), bad
