import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from voicegen.chat.echo import EchoAnswerModel
from voicegen.errors import ModelError
from voicegen.records import Answer, Failure, ModelInfo, Question, Utterance
from voicegen.sharing.caller import Caller, Withdrawn
from voicegen.sharing.models import SharedAnswerModel, SharedSpeechModel
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.tone import ToneSpeech


def questions(word, count):
    return [Question(index, f"{word}{index}", f"{word} {index}") for index in range(count)]


class Batching:
    """Answers all that it has in hand at once, when the gate is open; takes down what those were."""

    info = ModelInfo(id="batching", backend="test")

    def __init__(self, size=100):
        self.gate = threading.Event()
        self.pulled = threading.Semaphore(0)
        self.batches = []
        self._size = size

    def answer(self, asked):
        source, in_hand, is_open = iter(asked), [], True
        while is_open or in_hand:
            while is_open and len(in_hand) < self._size:
                question = next(source, self)
                if question is self:
                    is_open = False
                elif question is not None:
                    in_hand.append(question)
                    self.pulled.release()
                if question is None or question is self:
                    break
            if not self.gate.wait(0.01 if is_open else None):
                continue
            self.batches.append([question.text for question in in_hand])
            yield from (Answer(question, question.text.upper()) for question in in_hand)
            in_hand = []


@pytest.fixture
def shared():
    opened = []

    def share(model, **settings):
        opened.append(SharedAnswerModel(lambda: model, **settings))
        return opened[-1]

    yield share
    for one in opened:
        one.close()


def asked(model, caller, rows):
    return {row.question.index: row.text for row in model.of(caller).answer(rows)}


def test_each_caller_has_its_own_answers_under_its_own_indices(shared):
    model = shared(EchoAnswerModel())
    with ThreadPoolExecutor(8) as pool:
        jobs = {word: pool.submit(asked, model, Caller(), questions(word, 20)) for word in "abcdefgh"}
    for word, job in jobs.items():
        assert job.result() == {index: f"{word} {index}" for index in range(20)}


def test_what_callers_ask_meanwhile_is_one_batch(shared):
    batching = Batching()
    model = shared(batching)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(asked, model, Caller(), questions(word, 1)) for word in "abcd"]
        for _ in jobs:
            batching.pulled.acquire()
        batching.gate.set()
        assert [job.result() for job in jobs] == [{0: f"{word} 0".upper()} for word in "abcd"]
    assert sorted(batching.batches[0]) == ["a 0", "b 0", "c 0", "d 0"]


def test_a_caller_with_one_question_does_not_wait_for_another_with_many(shared):
    batching = Batching(size=4)
    model = shared(batching, at_once=32)
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(asked, model, Caller(), questions("run", 60))
        for _ in range(4):
            batching.pulled.acquire()
        queued = threading.Event()

        def hurried():
            yield from questions("hurry", 1)
            queued.set()

        one = pool.submit(asked, model, Caller(), hurried())
        queued.wait()
        batching.gate.set()
        assert one.result() == {0: "HURRY 0"}
        assert len(many.result()) == 60
    assert any("hurry 0" in batch for batch in batching.batches[:2])


def test_a_caller_has_no_more_in_hand_than_leaves_room_for_others(shared):
    batching = Batching()
    model = shared(batching, at_once=3)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(asked, model, Caller(), questions("run", 10))
        for _ in range(3):
            batching.pulled.acquire()
        assert not batching.pulled.acquire(timeout=0.05)
        batching.gate.set()
        assert len(job.result()) == 10
    assert max(map(len, batching.batches)) == 3


def test_who_withdraws_waits_no_longer_and_others_have_their_answers(shared):
    batching = Batching()
    model, gone = shared(batching), Caller()
    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(asked, model, gone, questions("gone", 1))
        stays = pool.submit(asked, model, Caller(), questions("stays", 1))
        batching.pulled.acquire()
        batching.pulled.acquire()
        gone.withdraw()
        with pytest.raises(Withdrawn):
            left.result()
        batching.gate.set()
        assert stays.result() == {0: "STAYS 0"}
    with pytest.raises(Withdrawn):
        asked(model, gone, questions("gone", 1))


def test_an_error_of_the_model_reaches_those_who_wait_and_the_next_are_answered(shared):
    class FailsOnce(EchoAnswerModel):
        failed = False

        def answer(self, rows):
            if not self.failed:
                self.failed = True
                next(iter(rows))
                raise ModelError("the server is away")
            yield from super().answer(rows)

    model = shared(FailsOnce())
    with pytest.raises(ModelError, match="the server is away"):
        asked(model, Caller(), questions("a", 1))
    assert asked(model, Caller(), questions("b", 1)) == {0: "b 0"}


def test_a_model_that_cannot_be_made_says_so_to_every_caller():
    def make():
        raise ModelError("there is no model nowhere: give another")

    model = SharedAnswerModel(make)
    for _ in range(2):
        with pytest.raises(ModelError, match="no model nowhere"):
            model.of(Caller())
    model.close()


def test_who_waits_when_the_model_is_let_go_of_is_told(shared):
    batching = Batching()
    model = shared(batching)
    with ThreadPoolExecutor(2) as pool:
        job = pool.submit(asked, model, Caller(), questions("a", 1))
        batching.pulled.acquire()
        closing = pool.submit(model.close)
        with pytest.raises(Withdrawn):
            job.result()
        batching.gate.set()
        closing.result()


def test_a_model_makes_and_does_everything_on_one_thread():
    threads = []

    class Notes(EchoAnswerModel):
        def answer(self, rows):
            threads.append(threading.get_ident())
            yield from super().answer(rows)

    def make():
        threads.append(threading.get_ident())
        return Notes()

    model = SharedAnswerModel(make)
    for _ in range(3):
        asked(model, Caller(), questions("a", 2))
    model.close()
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_speech_is_shared_like_answers_and_a_text_that_fails_fails_alone():
    voices = SharedSpeechModel(lambda: LongTextSpeech(ToneSpeech(), 40))
    utterances = [Utterance(7, "One sentence. " * 10), Utterance(9, " "), Utterance(11, "Short.")]
    made = list(voices.of(Caller()).speak(utterances))
    voices.close()
    failed = [record for record in made if isinstance(record, Failure)]
    assert [record.index for record in failed] == [9]
    spoken = {record.utterance.index: record for record in made if record not in failed}
    assert set(spoken) == {7, 11}
    assert spoken[7].duration > spoken[11].duration
    assert spoken[7].utterance.text == utterances[0].text
