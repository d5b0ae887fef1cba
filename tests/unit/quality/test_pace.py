import random
from dataclasses import replace

import numpy as np
import pytest

from tests.planted_faults import planted
from tests.takes import RATES, piper, still, syllables, take
from voicegen.job.composing import compose
from voicegen.quality.checks import pace
from voicegen.quality.listener import Listener
from voicegen.quality.usual import usual_of

WORDS = (
    "over",
    "the",
    "river",
    "and",
    "through",
    "woods",
    "nobody",
    "but",
    "Anna",
    "goes",
    "seven",
    "yellow",
    "barrels",
)


def texts(count, seed=0):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(2, 30))).capitalize() + "." for _ in range(count)]


def spoken(text, voice="ann", seconds_a_beat=0.12, rate=16_000, spread=1.0):
    return take(syllables(seconds_a_beat * spread * pace.beats(text), rate), text, rate, voice)


ALONE = ["quality=off", "+quality.checks.pace={rules: {}}"]


def paces(takes, first=()):
    """What is measured of takes, each held against those of its voice among the first."""
    with Listener(compose(ALONE).quality) as listener:
        return [hearing.scores for hearing in listener.hear(takes, usual(listener, first))]


def usual(listener, first):
    rows = [(take.utterance.voice, hearing.scores) for take, hearing in zip(first, listener.hear(first), strict=True)]
    return {voice: listener.usual(scores for spoke, scores in rows if spoke == voice) for voice, _ in rows}


@pytest.mark.parametrize("rate", RATES)
def test_a_take_is_held_against_its_own_voices_pace(rate):
    quick = [spoken(text, "quick", 0.08, rate) for text in texts(20)]
    slow = [spoken(text, "slow", 0.2, rate) for text in texts(20)]
    found = paces([quick[0], slow[0], replace(slow[0], utterance=quick[0].utterance)], [*quick, *slow])
    assert found[0]["pace"] == pytest.approx(1, abs=0.1)
    assert found[1]["pace"] == pytest.approx(1, abs=0.1)
    assert found[2]["pace"] > 1.5


@pytest.fixture(scope="module")
def rule():
    return compose([]).quality.checks.pace.rules["speaking_rate"]


def rate_of(text, seconds, speed=1.0):
    (found,) = paces([replace(take(syllables(seconds, 16_000), text), speed=speed)])
    assert found["pace"] is None
    return found["speaking_rate"]


SENTENCE = "What happens to a candle that is lit where there is no air at all?"  # five seconds


@pytest.mark.parametrize(
    ("text", "good", "endless"),
    [
        ("Yes.", (0.2, 1.2), 3.0),
        ("Nobody but Anna.", (0.6, 2.2), 4.0),
        (SENTENCE, (2.0, 6.5), 11.0),
        (" ".join([SENTENCE] * 8), (16.0, 60.0), 90.0),
    ],
)
def test_a_voices_very_first_take_is_held_against_what_any_voice_does(rule, text, good, endless):
    for seconds in good:
        assert rule.excess(rate_of(text, seconds)) == 0, seconds
    assert rule.excess(rate_of(text, endless)) > 0


def test_a_long_text_that_was_hardly_said_is_found_in_a_first_take(rule):
    assert rule.excess(rate_of(" ".join([SENTENCE] * 8), 8.0)) > 0


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_a_voice_that_was_told_to_be_slow_or_fast_is_held_against_that(rule, speed):
    assert rule.excess(rate_of(SENTENCE, 4.0 / speed, speed)) == 0
    assert rule.excess(rate_of(SENTENCE, 12.0 / speed, speed)) > 0


@pytest.mark.parametrize(
    ("text", "seconds"),  # at the mean rate of their language
    [
        ("El perro de la vecina ladra cada noche cuando pasa el último tren de la ciudad.", 28 / 7.8),
        ("Der Hund der Nachbarin bellt jede Nacht, wenn der letzte Zug durch die Stadt fährt.", 19 / 6.0),
        ("邻居的狗每天晚上在最后一班火车经过时都会叫。", 21 / 5.2),
    ],
)
def test_what_people_do_in_other_languages_is_good(rule, text, seconds):
    for share in (0.7, 1.0, 1.4):
        assert rule.excess(rate_of(text, seconds * share)) == 0


@pytest.mark.parametrize("place", range(4))
def test_a_real_voice_that_goes_on_is_caught_in_its_first_take(place):
    listener = Listener(compose([]).quality)
    bad = planted("never stops", piper()[place], piper()[place - 1], 0)
    assert "its length does not fit its text (speaking_rate" in (listener.hear([bad])[0].verdict.reason or "")


def test_what_is_heard_of_a_take_hangs_on_no_other_that_is_heard_before_or_beside_it():
    draw = random.Random(1)
    takes = [spoken(text, spread=draw.uniform(0.7, 1.4)) for text in texts(40)]
    with Listener(compose(ALONE).quality) as listener:
        known = usual(listener, takes[:16])
        one_by_one = [listener.hear([take], known)[0] for take in takes]
        assert listener.hear(takes[::-1], known)[::-1] == one_by_one


def test_a_pace_is_known_by_eight_takes_that_could_be_measured():
    takes = [spoken(text) for text in texts(9)]
    assert paces(takes[8:], [*takes[:7], take(still(1.0), "A text that nobody hears.", voice="ann")])[0]["pace"] is None
    assert paces(takes[8:], takes[:8])[0]["pace"] == pytest.approx(1, abs=0.1)


def test_of_what_is_usual_few_outliers_change_little():
    values = [10.0] * 9 + [1.0, 2.0, 3.0, 40.0, 50.0]
    assert usual_of([*({"rate": value} for value in values), {"rate": None}, {}], ["rate"]) == {"rate": 10.0}


def test_a_voice_that_is_bad_in_two_takes_of_five_keeps_its_pace():
    takes = [spoken(text, spread=5.0 if place % 5 < 2 else 1.0) for place, text in enumerate(texts(60))]
    good, bad = paces([takes[2], takes[0]], takes[:16])
    assert good["pace"] == pytest.approx(1, abs=0.2)
    assert bad["pace"] > 2


def test_silence_and_a_gain_do_not_count():
    heard = [spoken(text) for text in texts(20)]
    speech = heard[0].samples
    padded = replace(heard[0], samples=0.3 * np.concatenate([still(2.0), speech, still(3.0)]))
    plain, changed = paces([heard[0], padded], heard)
    assert changed["pace"] == pytest.approx(plain["pace"], abs=0.05)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        ("...", 0, 2),
        ("Yes.", 2, 4),
        ("strengths", 1, 2),
        ("Où est la bibliothèque?", 8, 14),
        ("Где находится библиотека?", 9, 14),
        ("图书馆在哪里？", 7, 10),
        ("図書館はどこですか。", 9, 12),
        ("1984", 6, 10),
        ("PhDs", 2, 4),
    ],
)
def test_the_length_of_a_text_is_known_in_several_scripts(text, least, most):
    assert least <= pace.beats(text) <= most


@pytest.mark.parametrize("count", [1, 2, 100, 161])
@pytest.mark.parametrize("text", ["", "...", "Hi.", "A longer text that says a little more."])
def test_takes_of_few_samples_and_texts_of_no_words_are_measured_as_well(count, text):
    for samples in (np.zeros(count), np.full(count, 0.5)):
        (found,) = paces([take(samples, text)])
        assert set(found) == {"speaking_rate", "pace"}


def test_spoken_takes_are_good_and_one_that_goes_on_or_is_twice_as_fast_is_not():
    listener = Listener(compose([]).quality)
    known = usual(listener, [*piper()] * 4)
    assert all(hearing.verdict.status == "ok" and hearing.scores["pace"] for hearing in listener.hear(piper(), known))
    for fault in ("never stops", "twice as fast"):
        faulty = [planted(fault, speech, piper()[place - 1], 0) for place, speech in enumerate(piper())]
        for hearing in listener.hear(faulty, known):
            assert "its voice's pace" in (hearing.verdict.reason or ""), (fault, hearing)
