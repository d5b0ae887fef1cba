"""The check on what the starter voice says, with the smaller of the real recognizers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from voicegen import build
from voicegen.errors import MissingDependency
from voicegen.job.composing import compose
from voicegen.quality.checks.recognition import SPEC
from voicegen.quality.listener import Listener, quality_settings
from voicegen.quality.recognizers.agreement import agreement, in_digits, parted, portions, written_as_heard
from voicegen.records import Utterance
from voicegen.text.spoken import to_spoken
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import speak_one

TINY = "quality.checks.recognition.recognizer=whisper-tiny.en"
TEXT = "In 1969 three astronauts travelled to the moon, and two of them walked on it for 21 hours."


@pytest.fixture(scope="module")
def voice():
    return PiperSpeech.load("joe")


@pytest.fixture(scope="module")
def measure():
    settings = compose(["quality=strict", TINY]).quality
    check = SPEC.make(settings.checks.recognition)
    return lambda take: check([take])[0]


def take(voice, said, meant=None):
    return replace(speak_one(voice, Utterance(0, to_spoken(said))), utterance=Utterance(0, to_spoken(meant or said)))


def test_a_take_of_its_text_is_as_likely_with_numbers_as_without(voice, measure):
    scores = measure(take(voice, TEXT))
    assert "astronauts" in scores["asr_text"]
    assert scores["cer"] < 0.05
    assert scores["misheard"] == 0
    assert max(scores["unheard_first"], scores["unheard_last"], scores["put_in"]) < 1
    assert scores["rushed"] > 0.5
    assert scores["lingering"] < 0.55


def test_another_text_words_exchanged_and_words_left_out_are_each_found(voice, measure):
    exchanged = measure(take(voice, TEXT.replace("walked on it", "bought a boat"), TEXT))
    left_out = measure(take(voice, TEXT.replace(" travelled to the moon", ""), TEXT))
    another = measure(take(voice, "Bread is best when it is fresh.", TEXT))
    assert min(exchanged["misheard"], left_out["misheard"], another["misheard"]) > 5


def test_a_take_that_begins_or_ends_within_its_text_lacks_those_sounds(voice, measure):
    whole = take(voice, TEXT)
    second = whole.sampling_rate
    assert measure(replace(whole, samples=whole.samples[round(0.7 * second) :]))["unheard_first"] > 1
    assert measure(replace(whole, samples=whole.samples[: -round(0.9 * second)]))["unheard_last"] > 1


def test_names_that_the_recognizer_does_not_know_are_heard_by_their_sounds(voice, measure):
    scores = measure(take(voice, "The planchette moves, said Pocahontas Yousafzai of Adidas."))
    assert scores["cer"] > 0.05
    assert scores["misheard"] < 4


def test_words_said_twice_are_heard_as_words_put_in(voice, measure):
    assert measure(take(voice, TEXT.replace("to the moon", "to the moon to the moon"), TEXT))["put_in"] > 3


def test_places_in_a_text_are_not_judged_where_a_text_says_the_same_again_and_again(voice, measure):
    scores = measure(take(voice, "They are in a deep coma. " * 6))
    assert scores["misheard"] < 4
    assert not {"rushed", "lingering", "put_in", "unheard_last"} & scores.keys()


def test_a_take_longer_than_a_window_is_heard_whole(voice, measure):
    text = " ".join([TEXT, "The sea was calm when they came down, and a ship was waiting."] * 4)
    scores = measure(take(voice, text))
    assert scores["cer"] < 0.1
    words = json.loads(scores["words"])
    assert [word for word, _, _ in words] == to_spoken(text).split()
    starts = [start for _, start, _ in words]
    assert starts == sorted(starts)
    assert starts[-1] > 30


def test_strict_rejects_what_does_not_say_its_text_and_names_the_rule(voice):
    good = take(voice, TEXT)
    with Listener(compose(["quality=strict", TINY]).quality) as listener:
        fine, wrong = listener.hear([good, replace(good, utterance=Utterance(1, "A text of quite another kind."))])
    assert fine.verdict.status == "ok"
    assert [word for word, _, _ in json.loads(fine.scores["words"])] == to_spoken(TEXT).split()
    assert wrong.verdict.status == "rejected"
    assert "some of its words are not in it (misheard" in wrong.verdict.reason


def test_strict_is_the_same_by_its_name_and_on_the_command_line():
    assert quality_settings("strict") == compose(["quality=strict"]).quality


@pytest.mark.parametrize(("module", "package"), [("faster_whisper", "faster-whisper"), ("piper", "piper-tts")])
def test_what_listening_needs_and_is_not_there_is_told_before_anything_is_loaded(monkeypatch, module, package):
    there = lambda name: None if name == module else object()  # noqa: E731
    monkeypatch.setattr("voicegen.quality.recognizers.files.find_spec", there)
    with pytest.raises(MissingDependency, match=rf"{package}: install it with `uv sync --group whisper`"):
        build.look(compose(["quality=strict"]))


@pytest.mark.parametrize(
    ("meant", "heard"),
    [
        ("It leaves at two eleven AM.", "It leaves at 2:11 a.m."),
        ("nine hundred one thousand eight hundred forty-eight people", "901,848 people"),
        ("It costs eleven dollars and fifty cents.", "It costs $11.50."),
        ("a style (visual or not) of learning", "a style, visual or not, of learning"),
        ("per cent of low fat foods", "percent of lowfat foods"),
    ],
)
def test_what_only_writing_tells_apart_agrees(meant, heard):
    found = agreement(meant, heard, "en")
    assert found.cer == 0


def test_the_text_is_forced_as_the_recognizer_writes_it_where_that_says_the_same():
    meant = ["She", "paid", "eleven", "dollars", "and", "fifty", "cents", "in", "nineteen", "ninety", "to", "Tom"]
    heard = ["She", "paid", "$11.50", "in", "1990", "to", "Tim."]
    assert written_as_heard(meant, heard, "en") == ["She", "paid", "$11.50", "in", "1990", "to", "Tom"]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("about ninety-two thousand of them, not ninety thousand.", "about 92,000 of them, not 90,000."),
        ("call six one seven, five five five, zero one four three now", "call 617, 555, 0143 now"),
        ("in nineteen sixty-eight.", "in 1968."),
        ("(three hundred fifty degrees) - well", "(350 degrees) - well"),
        ("no numbers", "no numbers"),
        ("", ""),
    ],
)
def test_numbers_are_put_in_digits_and_none_goes_on_beyond_a_mark(said, written):
    assert in_digits(said.split(), "en") == written.split()


@pytest.mark.parametrize(
    ("meant", "heard"),
    [
        ("about eight point four billion dollars now", "about $8.4 billion now"),
        ("Pope Pius the tenth prayed", "Pope Pius X prayed"),
        ("Louis the fourteenth and Napoleon the third ruled", "Louis XIV and Napoleon III ruled"),
    ],
)
def test_numbers_that_say_the_same_only_with_the_words_beside_them_are_known(meant, heard):
    assert written_as_heard(meant.split(), heard.split(), "en") == heard.split()


@pytest.mark.parametrize(
    ("meant", "heard", "written"),
    [
        ("on May first, two thousand one, not on May", "on May 1, 2001, out on May", "on May 1, 2001, not on May"),
        ("at twenty seventeen UTC.", "at 2017 UDC.", "at 2017 UTC."),
        ("in Ulm nineteen ten he died", "Almond 1910 he died", "in Ulm 1910 he died"),
        ("about six of them", "about seven of them", "about six of them"),
    ],
)
def test_numbers_are_written_as_they_were_heard_where_words_beside_them_are_others(meant, heard, written):
    assert written_as_heard(meant.split(), heard.split(), "en") == written.split()


def test_the_numbers_of_a_list_are_parted_from_the_sentence_before_and_those_with_a_point_are_not():
    assert parted("in 2014.3 The end, E.A.2.", ["in", "twenty", "fourteen."]) == [
        "in",
        "2014.",
        "3",
        "The",
        "end,",
        "E.A.",
        "2.",
    ]
    assert parted("about 8.4", ["about", "eight", "point", "four"]) == ["about", "8.4"]
    assert parted("from $10 to $25.50.", ["to", "twenty-five", "dollars"]) == ["from", "$10", "to", "$25.50."]


def test_the_words_of_a_long_text_go_to_the_stretches_that_hold_them():
    heard = [["a", "b", "x"], [], ["d", "e"]]
    parts = portions(["a", "b", "c", "d", "e"], heard)
    assert [word for part in parts for word in part] == ["a", "b", "c", "d", "e"]
    assert parts[0][:2] == ["a", "b"]
    assert parts[-1] == ["d", "e"]
    assert portions(["a"], [[]]) == [["a"]]


def test_silence_and_a_breath_are_measured_too(measure, voice):
    speech = take(voice, "Yes.")
    assert measure(replace(speech, samples=np.zeros(100, np.float32)))["misheard"] > 0
