from dataclasses import replace

import numpy as np
import pytest

from tests.planted_faults import planted
from tests.takes import RATES, piper, still, syllables, take
from voicegen.job.composing import compose
from voicegen.quality.checks import edges
from voicegen.quality.listener import Listener
from voicegen.records import Utterance
from voicegen.tts.piper.speech import PiperSpeech


def measured(samples, rate=16_000):
    (found,) = edges.measure([take(samples, rate=rate)])
    return found


@pytest.mark.parametrize("rate", RATES)
def test_a_take_that_begins_or_ends_in_speech_is_loud_there(rate):
    quiet, speech = still(0.1, rate), syllables(1.0, rate)
    cut = speech[rate // 20 : -rate // 20]
    whole = measured(np.concatenate([quiet, speech, quiet]), rate)
    assert whole["head_level"] < 0
    assert whole["tail_level"] < 0
    head_cut = measured(np.concatenate([cut, quiet]), rate)
    assert head_cut["head_level"] > 15
    assert head_cut["tail_level"] < 0
    tail_cut = measured(np.concatenate([quiet, cut]), rate)
    assert tail_cut["head_level"] < 0
    assert tail_cut["tail_level"] > 15


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_a_gain_changes_nothing(gain):
    for speech in piper():
        louder = edges.measure([replace(speech, samples=speech.samples * np.float32(gain))])[0]
        assert louder["tail_level"] == pytest.approx(edges.measure([speech])[0]["tail_level"], abs=20)
        cut = planted("tail cut 0.3 s", speech, speech, 0)
        louder_cut = replace(cut, samples=cut.samples * np.float32(gain))
        assert edges.measure([louder_cut])[0]["tail_level"] == pytest.approx(
            edges.measure([cut])[0]["tail_level"], abs=0.2
        )


@pytest.mark.parametrize("rate", RATES)
def test_a_wave_that_begins_from_rest_is_told_from_one_that_begins_anywhere_however_loud_it_is(rate):
    speech = syllables(1.0, rate)
    loudest = int(np.argmax(np.abs(speech)))
    assert measured(speech, rate)["head_offset"] < -15
    assert measured(speech[loudest:], rate)["head_offset"] > 0


def test_an_offset_of_the_whole_take_is_none_of_its_beginning():
    speech = np.concatenate([still(0.1), syllables(1.0)])
    assert measured(speech + np.float32(0.001))["head_offset"] < 0


def test_a_take_that_is_off_centre_but_for_the_silence_that_it_begins_with_begins_in_no_wave():
    off_centre = syllables(1.0) + np.float32(0.001)
    assert measured(np.concatenate([np.zeros(1600), off_centre]))["head_offset"] < -30


def test_a_hum_has_no_edges():
    assert set(measured(0.25 * np.sin(np.arange(8_000) / 20)).values()) == {None}


@pytest.mark.parametrize("count", [1, 2, 100, 161, 500])
def test_takes_of_few_samples_are_measured_as_well(count):
    for samples in (np.zeros(count), np.full(count, 0.5)):
        assert all(value is None or np.isfinite(value) for value in measured(samples).values())


def test_spoken_takes_are_good_until_their_end_is_cut_off():
    listener = Listener(compose([]).quality)
    assert [hearing.verdict.reason for hearing in listener.hear(piper())] == [None] * len(piper())
    for hearing in listener.hear([planted("tail cut 0.3 s", speech, speech, 0) for speech in piper()]):
        assert "it ends within speech" in (hearing.verdict.reason or "")


@pytest.mark.parametrize("seconds", ["0.1 s", "0.3 s"])
def test_most_heads_that_were_cut_off_are_found(seconds):
    listener = Listener(compose([]).quality)
    found = [
        hearing.verdict.faults
        for hearing in listener.hear([planted(f"head cut {seconds}", speech, speech, 0) for speech in piper()])
    ]
    assert sum("it begins within" in (fault or "") for fault in found) >= 3


@pytest.mark.parametrize("rate", RATES)
def test_a_hiss_at_the_beginning_is_no_wave_to_one_side_and_its_level_says_nothing(rate):
    swelling = np.minimum(np.arange(round(0.1 * rate)) / (0.02 * rate), 1)
    hiss = 0.1 * swelling * np.sin(2 * np.pi * 5000 * np.arange(len(swelling)) / rate)
    begun = measured(np.concatenate([hiss, syllables(1.0, rate), still(0.2, rate)]), rate)
    assert begun["head_level"] is None
    assert begun["head_offset"] < -18


def test_the_starter_voice_may_begin_with_she():
    spoken = PiperSpeech.load(threads=1).speak(Utterance(seed, "She sees.", seed=seed) for seed in range(4))
    assert [hearing.verdict.reason for hearing in Listener(compose([]).quality).hear(list(spoken))] == [None] * 4
