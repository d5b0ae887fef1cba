"""A job with scripted models, run in this process, and what is told of it."""

from __future__ import annotations

import csv
import random
import threading
from collections import Counter
from dataclasses import replace

import numpy as np

from tests.takes import syllables
from voicegen.dataset.questions import QuestionFile
from voicegen.executors.job import Job
from voicegen.executors.local import LocalExecutor
from voicegen.job.composing import compose
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import Asked, Cast, Plan
from voicegen.protocols import Traits
from voicegen.records import Answer, Failure, ModelInfo, Speech
from voicegen.store import Store

RATE = 8_000
SETTINGS = ["preset=fake", "quality=off", "quality.max_attempts=3"]  # takes are good unless their model says otherwise
ROWS = 70
VOICES = ("ann", "bob")


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


class Work:
    """The job of a file's rows with scripted models, and what is told of it."""

    def __init__(self, folder, texts, monkeypatch, answer_model=None, speech_model=None, settings=(), voices=()):
        with (folder / "q.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["question"], *([text] for text in texts)])
        self.answer_model = answer_model or Echo()
        monkeypatch.setattr("voicegen.build.answer_model", lambda config: self.answer_model)
        monkeypatch.setattr("voicegen.build.speech_model", lambda config: speech_model or Hum())
        store = Store(folder)
        self.ledger = Ledger(store)
        plan = Plan(0, 10_000, Cast(voices, "round_robin"))
        config = compose([*SETTINGS, *settings])
        self.job = Job(
            config, QuestionFile(folder / "q.csv"), plan, store, self.ledger, "run", Asked(range(len(texts)))
        )
        self.counts = Counter()
        self.threads = set()
        self.lines = []

    def loaded(self, stage, model):
        self.counts[stage] += 1

    def started(self):
        assert set(self.counts) == {"chat", "tts"}

    def worked(self, work):
        for stage, rows in (("asked", work.asked), ("heard", work.spoken), ("made again", work.made_again)):
            if rows:
                self._count(stage, rows)

    def told(self, text):
        self.lines.append(text)

    def made(self, outcomes): ...

    def written(self, entries):
        self.ledger.add(entries)
        self._count("written", len(entries))

    def run(self, queue_size=4):
        return self.run_by(LocalExecutor(queue_size))

    def run_by(self, executor):
        executor.run(self.job, self)
        return self

    def _count(self, stage, rows=1):
        self.counts[stage] += rows
        self.threads.add(threading.current_thread().name)


def questions(count):
    return [f"question {index}" for index in range(count)]


class Babbler(Hum):
    """Ends takes in an order that `seed` draws; of its two voices one is slow. Rows 40 and 55 begin as the other's."""

    def __init__(self, seed):
        super().__init__()
        self.draw = random.Random(seed)
        self.spoken = []

    def speak(self, utterances):
        in_hand = []
        for utterance in utterances:
            if utterance is not None:
                in_hand.append(utterance)
            if utterance is None or len(in_hand) > 7:
                self.draw.shuffle(in_hand)
                yield self._take(in_hand.pop())
        self.draw.shuffle(in_hand)
        yield from map(self._take, in_hand)

    def _take(self, utterance):
        self.spoken.append(utterance.index)
        voice = {(40, 1): "bob", (55, 1): "ann", (55, 2): "ann", (55, 3): "ann"}.get(
            (utterance.index, utterance.attempt), utterance.voice
        )
        seconds = {"ann": 0.5, "bob": 1.1}[voice] * (1 + random.Random(utterance.seed).uniform(-0.1, 0.1))
        return Speech(utterance, syllables(seconds, RATE), RATE)


class Shuffled(Echo):
    """Answers in an order that `seed` draws."""

    def __init__(self, seed, **options):
        super().__init__(**options)
        self.draw = random.Random(seed)

    def answer(self, questions):
        in_hand = []
        for question in questions:
            in_hand.extend(super().answer([question]))
            if question is None or len(in_hand) > 20:
                yield in_hand.pop(self.draw.randrange(len(in_hand)))


def told(done):
    """All that the ledger has of the rows, but for the time that they took."""
    rows = done.ledger.get(range(ROWS))
    assert len(rows) == ROWS
    return {index: replace(row, tts_seconds=None, chat_seconds=None) for index, row in rows.items()}
