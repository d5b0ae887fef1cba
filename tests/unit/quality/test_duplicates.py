from dataclasses import replace

import numpy as np
import pytest

from tests.takes import piper, syllables, take
from voicegen.quality.checks import duplicates


def heard(*groups):
    check = duplicates.SPEC.make(duplicates.DuplicatesSettings(rules={}))
    return [found["same_audio"] for group in groups for found in check(group)]


def test_the_same_audio_for_another_text_is_known_again_in_the_same_group_and_in_a_later_one():
    one, other = syllables(1.0, seed=1), syllables(1.0, seed=2)
    first = [take(one, "One."), take(other, "Two."), take(one, "Three.")]
    assert heard(first, [take(other, "Four."), take(one, "One.")]) == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("text", ["Yes.", "yes", "YES!", " Yes… "])
def test_a_text_that_sounds_the_same_may_have_the_same_audio(text):
    audio = syllables(0.5)
    assert heard([take(audio, "Yes."), take(audio, text)]) == [0, 0]


def test_takes_that_differ_in_one_sample_are_two():
    audio = syllables(1.0)
    nearly = audio.copy()
    nearly[-1] += np.float32(1e-6)
    assert heard([take(audio, "One."), take(nearly, "Two.")]) == [0, 0]


def test_spoken_takes_are_told_apart_and_a_swap_is_seen():
    spoken = piper()
    swapped = replace(spoken[0], utterance=spoken[1].utterance)
    assert heard(spoken, [swapped]) == [0] * len(spoken) + [1]


@pytest.mark.parametrize("count", [1, 2, 100])
def test_takes_of_few_samples_are_measured_as_well(count):
    assert heard([take(np.zeros(count), "")]) == [0]
    assert heard([take(np.arange(2 * count, dtype=np.float32)[::2], "")]) == [0]
