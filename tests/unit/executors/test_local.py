import threading
from collections import Counter

import numpy as np
import pytest

from voicegen.errors import OutputError
from voicegen.executors.local import LocalExecutor
from voicegen.pipeline.job import Job
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import Plan
from voicegen.pipeline.writer import Writer
from voicegen.protocols import Traits
from voicegen.records import Answer, Failure, ModelInfo, Question, Speech

RATE = 8_000


class Echo:
    info = ModelInfo("echo", "echo")

    def __init__(self, refuse=(), stop_at=None):
        self.refuse = refuse
        self.stop_at = stop_at
        self.pulled = 0

    def answer(self, questions):
        for question in questions:
            if question is None:
                continue
            self.pulled += 1
            if question.index == self.stop_at:
                raise KeyboardInterrupt
            if question.index in self.refuse:
                yield Failure(question.index, "chat", "refused")
            else:
                yield Answer(question, f"answer {question.index}")


class Hum:
    info = ModelInfo("hum", "hum")
    sample_rate = RATE
    traits = Traits()

    def __init__(self, finish_reasons=None, break_at=None):
        self.finish_reasons = finish_reasons or {}
        self.break_at = break_at

    def speak(self, utterances):
        for utterance in utterances:
            if utterance is None:
                continue
            if utterance.index == self.break_at:
                raise RuntimeError("the engine broke")
            if "mute" in utterance.text:
                yield Failure(utterance.index, "tts", "cannot say it")
                continue
            reason = self.finish_reasons.get(utterance.index, "stop")
            yield Speech(utterance, np.full(800, 0.1, np.float32), RATE, reason)


class Silent:
    """A progress that only counts."""

    def __init__(self):
        self.counts = Counter()
        self.threads = set()

    def asked(self, record):
        self.counts["asked"] += 1
        self.threads.add(threading.current_thread().name)

    def spoken(self, outcome):
        self.counts["spoken"] += 1
        self.threads.add(threading.current_thread().name)

    def written(self, rows):
        self.counts["written"] += len(rows)
        self.threads.add(threading.current_thread().name)


def questions(count):
    return [Question(index, str(index), f"question {index}") for index in range(count)]


def job(folder, rows, answer_model=None, speech_model=None):
    ledger = Ledger(folder / "ledger")
    plan = Plan(0, 10_000)
    return Job(
        rows=plan.rows(rows),
        ledger=ledger,
        answer_model=answer_model or Echo(),
        speech_model=speech_model or Hum(),
        language="en",
        writer=Writer(folder, ledger, plan.audio_path),
        progress=Silent(),
    )


def run(work, queue_size=4):
    LocalExecutor(queue_size).run(work)
    return work


@pytest.mark.parametrize("queue_size", [1, 3, 1000])
def test_every_row_gets_through_whatever_the_size_of_the_queues(tmp_path, queue_size):
    work = run(job(tmp_path, questions(200)), queue_size)
    assert work.ledger.count("ok") == 200
    assert len(list((tmp_path / "audio").iterdir())) == 200
    assert work.progress.counts == {"asked": 200, "spoken": 200, "written": 200}


def test_the_stages_work_in_threads_of_their_own_and_the_chat_model_on_the_caller_s(tmp_path):
    work = run(job(tmp_path, questions(5)))
    assert work.progress.threads == {"MainThread", "voicegen-speaking", "voicegen-writing"}


def test_speaking_begins_when_the_first_answer_is_ready(tmp_path):
    first_is_spoken = threading.Event()

    class Waiting(Echo):
        def answer(self, questions):
            for number, answer in enumerate(super().answer(questions)):
                if number == 1:
                    assert first_is_spoken.wait(30)
                yield answer

    class Telling(Hum):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                first_is_spoken.set()
                yield speech

    work = run(job(tmp_path, questions(3), Waiting(), Telling()))
    assert work.ledger.count("ok") == 3


def test_a_failure_in_any_stage_is_that_rows_alone(tmp_path):
    rows = [*questions(6)[:4], Failure(4, "input", "empty"), Question(5, "5", "q")]
    work = run(job(tmp_path, rows, Echo(refuse={1}), Hum({2: "length", 3: "runaway"})))
    found = work.ledger.get(range(6))
    assert [found[index].status for index in range(6)] == ["ok", "failed", "rejected", "rejected", "failed", "ok"]
    assert found[1].error == "chat: refused"
    assert found[4].error == "input: empty"
    assert "cut" in found[2].error
    assert "did not stop" in found[3].error
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == ["000000.wav", "000005.wav"]


def test_a_take_that_is_no_audio_fails_its_row(tmp_path):
    class Broken(Hum):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                broken = {0: np.zeros(0, np.float32), 1: np.array([0.0, np.nan], np.float32)}
                yield Speech(speech.utterance, broken.get(speech.utterance.index, speech.samples), RATE)

    found = run(job(tmp_path, questions(3), speech_model=Broken())).ledger.get(range(3))
    assert [found[index].error for index in range(3)] == [
        "write: the take holds no audio",
        "write: the take holds NaN or infinity",
        None,
    ]


def test_a_broken_speech_model_ends_the_run_and_keeps_what_was_made(tmp_path):
    work = job(tmp_path, questions(10_000), speech_model=Hum(break_at=50))
    with pytest.raises(RuntimeError, match="the engine broke"):
        run(work)
    assert len(work.ledger) == 50
    assert work.answer_model.pulled < 100  # the chat model was stopped, too


def test_a_disk_that_cannot_be_written_ends_the_run(tmp_path):
    work = job(tmp_path, questions(10_000))
    (tmp_path / "audio").write_text("a file is in the way")
    with pytest.raises(OutputError, match="cannot write"):
        run(work)
    assert len(work.ledger) == 0


def test_an_interruption_finishes_the_writes_in_flight(tmp_path):
    work = job(tmp_path, questions(1000), Echo(stop_at=100))
    with pytest.raises(KeyboardInterrupt):
        run(work, queue_size=2)
    finished = len(work.ledger)
    assert 0 < finished <= 100
    assert len(list((tmp_path / "audio").iterdir())) == finished
    assert run(job(tmp_path, questions(1000))).ledger.count("ok") == 1000


def test_a_slow_stage_holds_the_ones_before_it_back(tmp_path):
    ahead = []

    class Watching(Hum):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                ahead.append(work.answer_model.pulled - speech.utterance.index)
                yield speech

    work = job(tmp_path, questions(300), speech_model=Watching())
    run(work, queue_size=5)
    assert max(ahead) <= 5 + 5 + 3
