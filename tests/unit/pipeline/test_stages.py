from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen.pipeline.plan import take_seed
from voicegen.pipeline.stages import SpeechFeed, to_script
from voicegen.quality.verdict import Verdict, judge
from voicegen.records import Answer, Question
from voicegen.seeds import derived_seed
from voicegen.text.wording import IN_ENGLISH
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.marvis.speech import MarvisSpeech
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.tone import ToneSpeech

WORDS = ("one", "two. And then", "three", "four", "five", "six", "seven")


@pytest.fixture(
    params=[
        lambda _: ToneSpeech(),
        lambda _: LongTextSpeech(PiperSpeech.load("en_US-joe-medium", threads=2), 20),
        lambda folder: MarvisSpeech.open(str(write_checkpoint(folder)), device="cpu", slots=3, max_frames=4),
    ],
    ids=["tone", "piper", "marvis"],
)
def model(request, tmp_path):
    return request.param(tmp_path)


def scripts():
    """One script a word, each at its first attempt."""
    for index, word in enumerate(WORDS):
        yield to_script(Answer(Question(index, str(index), "say it", seed=derived_seed(0, index)), word), IN_ENGLISH)


def spoken(model, judge, max_attempts=1):
    """The outcomes by row; the scripts are ready at once, and then no more come."""
    waiting = scripts()
    outcomes = list(SpeechFeed(lambda _wait: next(waiting), judge, max_attempts).outcomes(model))
    assert len(outcomes) == len({outcome.index for outcome in outcomes})
    return {outcome.index: outcome for outcome in outcomes}


def test_a_take_that_is_worth_a_retry_comes_back_while_others_are_in_flight(model):
    takes = Counter()
    makes_again = {0: 3, 2: 2, len(WORDS) - 1: 4}  # takes of a row; the last row's come when the source has ended

    def strict(speech):
        utterance = speech.utterance
        takes[utterance.index] += 1
        assert utterance.seed == take_seed(derived_seed(0, utterance.index), utterance.attempt)
        good = utterance.attempt == makes_again.get(utterance.index, 1)
        return Verdict() if good else Verdict("rejected", "not as it should be", again=True)

    outcomes = spoken(model, strict, max_attempts=4)
    assert set(outcomes) == set(range(len(WORDS)))
    expected = {index: makes_again.get(index, 1) for index in outcomes}
    assert dict(takes) == expected
    assert {index: outcome.utterance.attempt for index, outcome in outcomes.items()} == expected


def test_after_the_last_attempt_a_row_is_rejected_and_the_last_take_is_the_one_on_record():
    def never(speech):
        return Verdict("rejected", "it hums", again=True)

    for index, outcome in spoken(ToneSpeech(), never, max_attempts=3).items():
        row = outcome.to_row(None, keep_reasoning=False, attempt=1)
        assert (row.status, row.error, row.attempts) == ("rejected", "it hums", 3)
        assert row.seed == derived_seed(0, index)


def test_no_take_is_made_again_unless_the_judge_asks_for_it():
    class Cut(ToneSpeech):
        def speak(self, utterances):
            for record in super().speak(utterances):
                yield replace(record, finish_reason="length")

    for outcome in spoken(Cut(), judge).values():
        assert outcome.to_row(None, keep_reasoning=False, attempt=1).status == "rejected"
        assert outcome.utterance.attempt == 1


def test_a_row_that_is_resumed_at_a_later_attempt_is_drawn_as_that_attempt_is():
    (script, *_) = scripts()
    later = to_script(script.answer, IN_ENGLISH, attempt=2)
    assert later.utterance == script.again().utterance
    assert later.utterance.seed != script.utterance.seed
    takes = [next(iter(ToneSpeech().speak([s.utterance]))).samples for s in (script, later)]
    assert not np.array_equal(*takes)


def test_an_answer_of_many_hours_fails_its_row_at_once():
    outcome = to_script(Answer(Question(3, "a", "Why?"), "No end of words. " * 10_000), IN_ENGLISH)
    assert outcome.failure.error.startswith("the answer has 170,000 characters, more than the 100,000")
