import numpy as np
import pytest

from voicegen.job.composing import compose
from voicegen.quality.finishing import FinishConfig, at_clip_time, finish
from voicegen.quality.listener import Listener
from voicegen.records import Speech, Utterance
from voicegen.tts.backends import open_speech_model

RATE = 24_000
USUAL = FinishConfig(margin=0.1, fade=0.005, loudness=-23, true_peak=-1)


def take(samples, rate=RATE):
    return Speech(Utterance(0, "Hello."), np.asarray(samples, np.float32), rate)


def hum(seconds, level=0.2):
    return level * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)


def silence(seconds):
    return np.random.default_rng(0).normal(0, 1e-4, round(seconds * RATE))


def lufs(speech):
    import pyloudnorm  # and scipy with it, which nothing else here needs

    return pyloudnorm.Meter(speech.sampling_rate).integrated_loudness(speech.samples.astype(np.float64))


@pytest.fixture(scope="module")
def spoken():
    model = open_speech_model("en_US-joe-medium")
    texts = ["It is four.", "The river is wide and slow, and many people live beside it.", "Why not? Nobody knows."]
    return list(model.speak(Utterance(i, text, seed=i) for i, text in enumerate(texts)))


def test_spoken_clips_come_to_the_loudness_that_pyloudnorm_measures_and_no_peak_is_over_the_limit(spoken):
    for speech, done in finish(spoken, USUAL):
        assert lufs(speech) == pytest.approx(done["loudness"], abs=0.1)
        assert np.abs(speech.samples).max() <= 10 ** (-1 / 20)
        if done["loudness"] != pytest.approx(-23, abs=0.02):  # held back by the peak
            assert done["loudness"] < -23


def test_company_does_not_change_a_clip(spoken):
    for before, (together, _) in zip(spoken, finish(spoken, USUAL), strict=True):
        ((alone, _),) = finish([before], USUAL)
        assert np.array_equal(alone.samples, together.samples)


def test_silence_is_trimmed_to_the_margin_and_what_was_taken_away_is_said():
    samples = np.concatenate([silence(0.5), hum(1.0), silence(0.3)])
    ((speech, done),) = finish([take(samples)], USUAL)
    assert done["trimmed_before"] == pytest.approx(0.4, abs=0.02)
    assert done["trimmed_after"] == pytest.approx(0.2, abs=0.02)
    assert speech.duration == pytest.approx(1.2, abs=0.03)
    assert len(speech.samples) == len(samples) - round((done["trimmed_before"] + done["trimmed_after"]) * RATE)


def test_a_take_with_less_silence_than_the_margin_is_not_made_longer():
    samples = np.concatenate([silence(0.04), hum(1.0), silence(0.02)])
    ((speech, done),) = finish([take(samples)], USUAL)
    assert len(speech.samples) == len(samples)
    assert (done["trimmed_before"], done["trimmed_after"]) == (0, 0)


def test_both_edges_begin_at_zero():
    ((speech, _),) = finish([take(hum(1.0) + 0.1)], USUAL)
    assert speech.samples[0] == speech.samples[-1] == 0
    assert abs(speech.samples[5]) < abs(0.1)


def test_a_peak_holds_the_gain_back():
    samples = hum(2.0, level=0.01)
    samples[RATE] = 0.9
    ((speech, done),) = finish([take(samples)], USUAL)
    assert done["gain"] == pytest.approx(-0.1, abs=0.3)
    assert done["loudness"] < -23
    assert np.abs(speech.samples).max() <= 10 ** (-1 / 20)


def test_nothing_is_done_that_is_not_asked_for():
    samples = np.concatenate([silence(0.5), hum(1.0), silence(0.5)])
    as_it_is = FinishConfig(margin=None, fade=0, loudness=None, true_peak=-1)
    ((speech, done),) = finish([take(samples)], as_it_is)
    assert np.array_equal(speech.samples, np.asarray(samples, np.float32))
    assert (done["gain"], done["trimmed_before"], done["trimmed_after"]) == (0, 0, 0)


def test_silence_is_not_made_louder():
    ((speech, done),) = finish([take(np.zeros(RATE))], USUAL)
    assert done["gain"] == 0
    assert not speech.samples.any()


def test_a_listener_finishes_what_is_good_and_leaves_what_is_bad_as_it_was_made(spoken):
    clipped = take(np.clip(hum(2.0, level=3.0), -1, 1))
    good, bad = Listener(compose([]).quality).hear([spoken[1], clipped])
    assert good.finished is not None
    assert good.scores["loudness"] == pytest.approx(-23, abs=1.5)
    assert bad.finished is None
    assert "gain" not in bad.scores


def test_quality_off_leaves_takes_as_they_were_made(spoken):
    (hearing,) = Listener(compose(["quality=off"]).quality).hear(spoken[:1])
    assert hearing.finished is None


def test_words_are_where_the_trimmed_clip_has_them():
    scores = {"words": '[["It", 0.5, 0.7], ["is", 0.7, 0.9]]', "wer": 0.0}
    moved = at_clip_time(scores, {"trimmed_before": 0.4}, 0.45)
    assert moved == {"words": '[["It", 0.1, 0.3], ["is", 0.3, 0.45]]', "wer": 0.0}
    assert at_clip_time({"words": None}, {"trimmed_before": 0.4}, 1.0) == {"words": None}
