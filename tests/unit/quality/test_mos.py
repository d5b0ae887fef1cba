"""DNSMOS from its wheel, on what the starter voice says."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from voicegen.audio.resample import resample
from voicegen.job.composing import compose
from voicegen.quality.checks import mos
from voicegen.quality.listener import Listener
from voicegen.records import Speech, Utterance
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import speak_one

ON = ["+quality/checks=mos"]


@pytest.fixture(scope="module")
def take():
    return speak_one(PiperSpeech.load("joe"), Utterance(0, "The tall tree stands there on top of the hill."))


@pytest.fixture(scope="module")
def measure():
    return mos.SPEC.make(compose(ON).quality.checks.mos)


def noisy(take):
    noise = np.random.default_rng(0).normal(0, 0.02, len(take.samples))
    return replace(take, samples=(take.samples + noise).astype(np.float32))


@pytest.fixture(scope="module")
def of_the_wheel():
    """Its own function, but for its other measure."""
    with pytest.MonkeyPatch.context() as patch:
        for absent in ("librosa", "requests"):  # the wheel imports them for that and not at all
            patch.setitem(sys.modules, absent, ModuleType(absent))
        patch.setattr(sys.modules["requests"], "session", None, raising=False)
        from speechmos.dnsmos import DNSMOS

    class WithoutOther(DNSMOS):
        def audio_melspec(self, audio):
            return np.zeros((900, 120))

    folder = mos.WEIGHTS.find().parent
    return WithoutOther(folder / "sig_bak_ovr.onnx", folder / "model_v8.onnx")


@pytest.mark.parametrize("seconds", [0.6, 9.5, 11.2])  # repeated until they fill one window; one window; some
def test_its_opinions_are_those_of_the_wheels_own_function(take, measure, of_the_wheel, seconds):
    samples = np.resize(resample(take.samples, take.sampling_rate, 16_000), round(seconds * 16_000))
    theirs = of_the_wheel(samples, 16_000, False)
    [ours] = measure([Speech(take.utterance, samples, 16_000)])
    assert ours == {
        "mos": pytest.approx(theirs["ovrl_mos"], abs=2e-3),
        "mos_sig": pytest.approx(theirs["sig_mos"], abs=2e-3),
        "mos_bak": pytest.approx(theirs["bak_mos"], abs=2e-3),
    }


def test_speech_sounds_good_noise_behind_it_does_not_and_silence_and_a_breath_are_measured(take, measure):
    clean, behind, silent, breath = measure(
        [
            take,
            noisy(take),
            replace(take, samples=np.zeros(12_800, "f4")),
            replace(take, samples=take.samples[:1]),
        ]
    )
    assert clean["mos"] > 2.8
    assert clean["mos_bak"] > 3.8
    assert behind["mos_bak"] < 3.5
    assert all(np.isfinite(list(scores.values())).all() for scores in (silent, breath))


def test_turned_on_by_one_word_it_judges_takes_in_a_process_of_its_own(take):
    with Listener(compose([*ON, "quality.max_attempts=2"]).quality) as listener:
        fine, bad = listener.hear([take, noisy(take)])
    assert fine.verdict.status == "ok"
    assert fine.scores["mos"] > 2.8
    assert "there is noise behind it (mos_bak" in bad.verdict.reason


def test_it_is_off_until_it_is_asked_for_and_its_bounds_are_set_like_any():
    assert compose([]).quality.checks.mos is None
    assert compose([*ON, "quality=strict"]).quality.checks.recognition is not None
    assert compose([*ON, "quality.checks.mos.rules.mos.min=3"]).quality.checks.mos.rules["mos"].min == 3
