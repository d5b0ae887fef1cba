from dataclasses import replace

import numpy as np
import pytest

from tests.takes import piper, syllables, take
from voicegen.quality.checks import duplicates


def hashes(takes):
    check = duplicates.SPEC.make(duplicates.DuplicatesSettings(rules={}))
    return [duplicates.hash_in(scores) for scores in check(takes)]


def test_takes_of_the_same_samples_have_the_same_hash_and_one_that_differs_in_a_sample_another():
    one, other = syllables(1.0, seed=1), syllables(1.0, seed=2)
    nearly = one.copy()
    nearly[-1] += np.float32(1e-6)
    first, second, third, fourth = hashes([take(one, "One."), take(other), take(one, "Three."), take(nearly)])
    assert first == third
    assert len({first, second, fourth}) == 3


def test_a_take_says_nothing_of_others_that_were_heard_before():
    check = duplicates.SPEC.make(duplicates.DuplicatesSettings(rules={}))
    samples = syllables(1.0)
    assert check([take(samples, "One.")]) == check([take(samples, "Two.")])
    assert check([take(samples)])[0]["same_audio"] == 0


@pytest.mark.parametrize("text", ["Yes.", "yes", "YES!", " Yes… "])
def test_a_text_that_sounds_the_same_may_have_the_same_audio(text):
    assert duplicates.heard_alike("Yes.", text)
    assert not duplicates.heard_alike("Yes, 1.", text)


def test_spoken_takes_are_told_apart_and_a_swap_is_seen():
    spoken = piper()
    found = hashes([*spoken, replace(spoken[0], utterance=spoken[1].utterance)])
    assert list(duplicates.alike([(0, np.array(found, np.uint64))])) == [[0, len(spoken)]]


def test_places_of_a_hash_that_is_there_more_than_once_are_in_order_and_none_is_none():
    found = np.array([7, 0, 5, 7, 0, 2**64 - 1, 5, 7, 2**64 - 1, 3], np.uint64)
    assert sorted(duplicates.alike([(0, found[:4]), (4, found[4:])])) == [[0, 3, 7], [2, 6], [5, 8]]
    assert list(duplicates.alike([(0, np.zeros(3, np.uint64))])) == []
    assert list(duplicates.alike([])) == []


@pytest.mark.parametrize("count", [1, 2, 100])
def test_takes_of_few_samples_are_measured_as_well(count):
    assert hashes([take(np.zeros(count))])[0]
    assert hashes([take(np.arange(2 * count, dtype=np.float32)[::2])])[0]
