from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen.executors.channel import Ended, Round
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import Script, SpeechFeed, listen, to_script
from voicegen.quality.listener import Hearing
from voicegen.quality.verdict import Verdict, judge
from voicegen.records import Answer, Failure, Question, TakeRecord
from voicegen.seeds import derived_seed, take_seed
from voicegen.text.wording import IN_ENGLISH, Wording
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
    """The outcomes by row; the scripts are ready at once, and then only those come that are made again."""
    waiting = Round(len(WORDS))
    for script in scripts():
        waiting.put(script)
    waiting.close()

    def take(wait):
        try:
            return waiting.get(wait=wait)
        except Ended:
            raise StopIteration from None

    outcomes = []
    for made in SpeechFeed(take).takes(model):
        (record,) = listen([made], lambda takes: [Hearing(judge(speech)) for speech in takes], max_attempts)
        if isinstance(record, Script):
            waiting.put_back(record)
        else:
            outcomes.append(record)
            waiting.done()
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
        return Verdict() if good else Verdict("rejected", "not as it should be", again=True, excess=1.0)

    outcomes = spoken(model, strict, max_attempts=4)
    assert set(outcomes) == set(range(len(WORDS)))
    expected = {index: makes_again.get(index, 1) for index in outcomes}
    assert dict(takes) == expected
    assert {index: len(outcome.takes) for index, outcome in outcomes.items()} == expected
    assert {index: outcome.takes[-1].status for index, outcome in outcomes.items()} == dict.fromkeys(expected, "ok")


def test_after_the_last_attempt_a_row_is_rejected_and_the_least_bad_take_is_kept_of_all_that_are_on_record():
    def never(speech):
        excess = {1: 3.0, 2: 1.0, 3: 1.0, 4: 2.0}[speech.utterance.attempt]
        return Verdict("rejected", f"it hums by {excess}", again=True, excess=excess, faults="it hums")

    for index, outcome in spoken(ToneSpeech(), never, max_attempts=4).items():
        row = outcome.to_row(None, keep_reasoning=False, attempt=1)
        assert (row.status, row.error, row.attempts) == ("rejected", "it hums by 1.0", 4)
        assert row.seed == derived_seed(0, index)
        assert outcome.speech.utterance.attempt == 2
        assert row.takes == tuple(
            TakeRecord(attempt, take_seed(row.seed, attempt), "rejected", excess, "it hums")
            for attempt, excess in enumerate((3.0, 1.0, 1.0, 2.0), 1)
        )


def test_a_take_that_is_audio_is_kept_before_one_that_is_none_and_no_more_are_made_where_none_may_be_better():
    def first_none(speech):
        if speech.utterance.attempt == 1:
            return Verdict("failed", "no audio", again=True, excess=1.0)
        return Verdict("rejected", "it hums", again=False, excess=5000.0)

    for outcome in spoken(ToneSpeech(), first_none, max_attempts=4).values():
        assert (outcome.verdict.reason, len(outcome.takes)) == ("it hums", 2)


def test_a_row_whose_second_take_cannot_be_made_keeps_its_first():
    class Once(ToneSpeech):
        def speak(self, utterances):
            for record in super().speak(utterances):
                index, attempt = record.utterance.index, record.utterance.attempt
                yield record if attempt == 1 else Failure(index, "tts", "out of breath")

    for outcome in spoken(Once(), lambda _: Verdict("rejected", "it hums", again=True), max_attempts=4).values():
        assert (outcome.failure, outcome.verdict.reason, len(outcome.takes)) == (None, "it hums", 1)


def test_no_take_is_made_again_unless_that_may_help():
    class Cut(ToneSpeech):
        def speak(self, utterances):
            for record in super().speak(utterances):
                yield replace(record, finish_reason="length")

    for max_attempts in (1, 2):
        for outcome in spoken(Cut(), judge, max_attempts).values():
            assert outcome.to_row(None, keep_reasoning=False, attempt=1).status == "rejected"
            assert len(outcome.takes) == max_attempts


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


def cut_answer(text: str) -> Answer:
    return Answer(Question(0, "0", "Well?"), text, finish_reason="length")


def test_of_an_answer_that_was_cut_the_whole_sentences_are_spoken_and_the_rest_is_listed() -> None:
    script = to_script(cut_answer("It rains. It po"), IN_ENGLISH)
    assert isinstance(script, Script)
    utterance = script.utterance
    assert (utterance.text, utterance.left_out, utterance.answer_cut) == ("It rains.", ("It po",), True)
    assert script.answer.text == "It rains. It po"
    whole = to_script(cut_answer("It rains. It pours."), IN_ENGLISH)
    assert isinstance(whole, Script)
    assert (whole.utterance.text, whole.utterance.answer_cut) == ("It rains. It pours.", False)


def test_a_cut_answer_without_a_whole_sentence_is_rejected_and_any_is_where_that_is_wanted() -> None:
    for record, reason in (
        (to_script(cut_answer("It rains and"), IN_ENGLISH), "before its first sentence ended"),
        (to_script(cut_answer("It rains. And"), Wording("en", cut="reject")), "the answer was cut at chat.max_tokens"),
    ):
        assert isinstance(record, Outcome)
        assert record.verdict is not None
        assert record.verdict.status == "rejected"
        assert reason in str(record.verdict.reason)
    kept = to_script(cut_answer("It rains. And"), Wording("en", cut="keep"))
    assert isinstance(kept, Script)
    assert (kept.utterance.text, kept.utterance.answer_cut) == ("It rains. And", False)
