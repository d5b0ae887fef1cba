import random
from dataclasses import replace

import numpy as np
import pytest

from tests.takes import syllables, take
from voicegen import MarvisTTSClient, TTSConfig, batch_synthesize
from voicegen.errors import ConfigError
from voicegen.job.composing import compose
from voicegen.protocols import Traits
from voicegen.quality.listener import Hearing, Listener, quality_settings
from voicegen.quality.verdict import Verdict
from voicegen.records import Clip, Failure, Utterance
from voicegen.seeds import derived_seed, take_seed
from voicegen.tts.best_of import HEAR_GROUP, best_takes, judged_takes
from voicegen.tts.tone import ToneSpeech

RATE = 8000


class AllAtOnce(ToneSpeech):
    """Wants to see the end of its source before it speaks."""

    def speak(self, utterances):
        yield from super().speak(list(utterances))


def utterances(count):
    return (Utterance(index, "Hello there.", seed=derived_seed(5, index)) for index in range(count))


def good_at(attempts):
    """Takes of a row are good at the attempt that `attempts` has for it, else ever worse."""

    def hear(takes):
        return [
            Hearing(Verdict())
            if take.utterance.attempt == attempts[take.utterance.index]
            else Hearing(Verdict("rejected", "it hums", again=True, excess=float(take.utterance.attempt)))
            for take in takes
        ]

    return hear


class Paced(ToneSpeech):
    """Ends takes in an order that `seed` draws; of its voices bob is slow, and speaks for ann in row 36 at first."""

    def __init__(self, seed):
        super().__init__(RATE)
        self.draw = random.Random(seed)
        self.spoken = []

    def speak(self, utterances):
        in_hand = []
        for utterance in utterances:
            in_hand.append(utterance)
            if len(in_hand) > 5:
                yield self._take(in_hand.pop(self.draw.randrange(6)))
        self.draw.shuffle(in_hand)
        yield from map(self._take, in_hand)

    def _take(self, utterance):
        self.spoken.append(utterance.index)
        slow = utterance.voice == "bob" or (utterance.index, utterance.attempt) == (36, 1)
        return take(syllables(1.1 if slow else 0.5, RATE), utterance.text, RATE, utterance.voice, utterance.index)


def judged(model, count=44):
    texts = [replace(one, voice=("ann", "bob")[one.index % 2]) for one in utterances(count)]
    with Listener(
        compose(["quality=off", "+quality.checks.pace={rules: {pace: {min: 0.7, max: 1.4}}}"]).quality
    ) as ear:
        heard = list(judged_takes(model, iter(texts), ear, 2))
    return {one.kept[0].utterance.index: (one.kept[1].verdict, one.kept[1].scores, one.takes) for one in heard}


@pytest.mark.parametrize("seed", [2, 3])
def test_what_is_usual_of_a_voice_is_had_from_its_first_texts_whatever_is_spoken_first(seed):
    model = Paced(1)
    found = judged(model)
    assert sorted(found) == list(range(44))
    assert [index for index in range(44) if found[index][1]["pace"] is None] == list(range(32))
    assert [index for index in range(44) if len(found[index][2]) > 1] == [36]
    assert all(verdict.status == "ok" for verdict, _, _ in found.values())
    assert set(model.spoken[:32]) == set(range(32))
    assert judged(Paced(seed)) == found


def test_few_texts_or_none_are_judged_by_themselves():
    assert [scores["pace"] for _, scores, _ in judged(Paced(1), 3).values()] == [None] * 3
    assert judged(Paced(1), 0) == {}


@pytest.mark.parametrize("model", [ToneSpeech(RATE), AllAtOnce(RATE)])
def test_what_is_not_good_is_spoken_again_by_the_seeds_of_a_run_and_the_best_is_kept(model):
    attempts = [1, 3, 2, 9, 1]
    heard = {one.kept[0].utterance.index: one for one in best_takes(model, utterances(5), good_at(attempts), 3)}
    assert [len(heard[index].takes) for index in range(5)] == [1, 3, 2, 3, 1]
    assert [heard[index].kept[0].utterance.attempt for index in range(5)] == [1, 3, 2, 1, 1]
    for index, one in heard.items():
        assert [take.seed for take in one.takes] == [
            take_seed(derived_seed(5, index), take.attempt) for take in one.takes
        ]


@pytest.mark.parametrize("model", [ToneSpeech(RATE), AllAtOnce(RATE)])
def test_takes_are_heard_in_groups_none_twice_and_each_row_ends_once(model):
    groups = []

    def hear(takes):
        groups.append([(take.utterance.index, take.utterance.attempt) for take in takes])
        return good_at([2, *[1] * 39])(takes)

    heard = list(best_takes(model, utterances(40), hear, 3))
    assert len(heard) == 40
    assert max(map(len, groups)) == HEAR_GROUP
    assert sorted(take for group in groups for take in group) == sorted([(0, 2), *((index, 1) for index in range(40))])


def test_a_voice_that_is_the_same_for_every_seed_makes_no_take_again():
    class Steady(ToneSpeech):
        traits = Traits(draws=False)

    assert [len(one.takes) for one in best_takes(Steady(RATE), utterances(2), good_at([9, 9]), 3)] == [1, 1]


def test_a_failure_is_of_an_utterance_that_was_never_spoken():
    class Once(ToneSpeech):
        def speak(self, utterances):
            for record in super().speak(utterances):
                index, attempt = record.utterance.index, record.utterance.attempt
                yield record if index == 1 and attempt == 1 else Failure(index, "tts", "out of breath")

    first, second = best_takes(Once(RATE), utterances(2), good_at([9, 9]), 3)
    assert isinstance(first, Failure)
    assert [take.status for take in second.takes] == ["rejected"]


class Server(ToneSpeech):
    """Gives for three words what a server may give; good speech by the seed that `good` has."""

    def __init__(self, samples, good=None):
        super().__init__(RATE)
        self.samples = samples
        self.good = good

    def speak(self, utterances):
        for record in super().speak(utterances):
            good = record.utterance.seed == self.good
            yield replace(record, samples=_babble(0.75) if good else self.samples)


def _babble(seconds):
    """Something that is as loud as speech, in syllables, and ends in silence."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE)) * 0.1
    noise[-round(0.02 * RATE) :] = 0
    return (noise * np.abs(np.sin(np.arange(len(noise)) * 4 * np.pi / RATE))).astype(np.float32)


BAD = {
    "silence": np.zeros(RATE, np.float32),
    "0.05 s": _babble(0.05),
    "60 s": _babble(60),
}


@pytest.mark.parametrize("name", BAD)
def test_three_words_that_are_silence_too_short_or_far_too_long_are_no_clip(tmp_path, name):
    with pytest.warns(UserWarning, match="1 of 1 texts could not be spoken"):
        (record,) = batch_synthesize(["One two three."], tmp_path, model=Server(BAD[name]))
    assert isinstance(record, Failure)
    assert list(tmp_path.iterdir()) == []
    with pytest.warns(UserWarning, match="try another seed"):
        MarvisTTSClient(model=Server(BAD[name])).synthesize("One two three.")


def test_a_bad_take_is_made_again_from_python_too_and_a_good_one_is_given(tmp_path, recwarn):
    model = Server(BAD["silence"], good=take_seed(derived_seed(0, 0), 2))
    (record,) = batch_synthesize(["One two three."], tmp_path, model=model)
    assert isinstance(record, Clip)
    model.good = take_seed(7, 2)
    assert len(MarvisTTSClient(model=model).synthesize("One two three.", seed=7)) == round(0.75 * RATE)
    assert not recwarn.list


def test_quality_is_given_by_name_or_as_settings_and_another_name_is_refused(tmp_path):
    (record,) = batch_synthesize(["Hm."], tmp_path, model=Server(BAD["60 s"]), config=TTSConfig(quality="off"))
    assert isinstance(record, Clip)
    once = quality_settings("basic").model_copy(update={"max_attempts": 1})
    assert TTSConfig(quality=once).quality == once
    with pytest.raises(ConfigError, match=r"TTSConfig.quality='best': it must be one of basic, off"):
        TTSConfig(quality="best")


def test_streams_are_judged_by_the_same_checks():
    class Silent(ToneSpeech):
        def stream(self, _utterance):
            yield np.zeros(RATE, np.float32)
            return "stop"

    with pytest.warns(UserWarning, match="silence_share 1"):
        list(MarvisTTSClient(model=Silent(RATE)).stream("One two three."))
