import pickle
import queue
import threading
from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest

from tests.scripted_job import ROWS, VOICES, Babbler, Echo, Hum, Shuffled, Work, questions, told
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import ModelError
from voicegen.executors.leases import Lease, Leases
from voicegen.executors.messages import Ended, Made, NoMore, Started
from voicegen.executors.pool import Limits, Pool
from voicegen.executors.worker import Worker
from voicegen.records import Answer

PACKED = ("audio.container=tar",)
PACE = "+quality.checks.pace={rules: {pace: {min: 0.7, max: 1.4}}}"


class Threads:
    """A crew of threads of this process, each with a copy of the job; one that is killed is not heard any more."""

    def __init__(self, job, queue_size):
        self._job = job
        self._queue_size = queue_size
        self._heard = queue.SimpleQueue()
        self._workers = {}

    def start(self, worker, name):
        def say(message):
            if self._workers.get(worker) is ours:
                self._heard.put((worker, message))

        def run():
            ours.run()
            say(Ended())
            if self._workers[worker] is ours:
                self._workers[worker] = None

        ours = Worker(pickle.loads(pickle.dumps(self._job)), name, self._queue_size, say)
        self._workers[worker] = ours
        threading.Thread(target=run, daemon=True).start()

    def send(self, worker, order):
        if self._workers[worker] is not None:
            self._workers[worker].take(order)

    def hear(self, seconds):
        with suppress(queue.Empty):
            return self._heard.get(timeout=seconds)

    def kill(self, worker):
        if self._workers[worker] is not None:
            self._workers[worker] = None
            self._heard.put((worker, Ended("was killed")))

    def interrupt(self):
        for worker in self._workers:
            self.kill(worker)

    def close(self): ...


@pytest.fixture
def work(tmp_path, monkeypatch):
    def work(texts, name="run", **options):
        (tmp_path / name).mkdir(exist_ok=True)
        return Work(tmp_path / name, texts, monkeypatch, **options)

    return work


def shared(work, workers=3, queue_size=2, row_timeout=60.0, max_row_crashes=2):
    return work.run_by(Pool(Threads(work.job, queue_size), workers, Limits(row_timeout, max_row_crashes)))


def by_pace(work, name, seed, speech_model=None, settings=()):
    """Verdicts hang on what is usual of each voice here."""
    models = {"answer_model": Shuffled(seed), "speech_model": speech_model or Babbler(seed)}
    return work(questions(ROWS), name, settings=[PACE, *settings], voices=VOICES, **models)


def wherever(rows):
    """Rows without where their clips lie."""
    return {
        index: replace(row, clip=row.clip and replace(row.clip, path="", offset=None)) for index, row in rows.items()
    }


def statuses(done):
    return {index: row.status for index, row in done.ledger.get(range(done.ledger.end)).items()}


class Mortal(Babbler):
    """Ends whoever has it speak a row, once."""

    def __init__(self, seed, at):
        super().__init__(seed)
        self._left = {at}

    def _take(self, utterance):
        if utterance.index in self._left:
            self._left.remove(utterance.index)
            raise RuntimeError("gone")
        return super()._take(utterance)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_come_to_the_verdicts_that_one_process_comes_to(work, workers):
    alone = told(by_pace(work, "alone", 1).run())
    assert [index for index in range(ROWS) if alone[index].status != "ok"] == [55]
    done = shared(by_pace(work, "shared", 2), workers)
    assert told(done) == alone
    assert done.counts["written"] == ROWS
    assert done.lines == []


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_that_wait_for_their_shard_keep_nobody_waiting(work, workers):
    alone = wherever(told(by_pace(work, "alone", 1).run()))
    done = shared(by_pace(work, "shared", 2, settings=PACKED), workers)
    assert wherever(told(done)) == alone
    assert done.counts["written"] == ROWS
    assert done.lines == []
    shards = list(done.job.store.files("shards"))
    assert len(shards) <= 2 * 2 * workers  # of the first rows, by which others go, and of the others; rejected ones too
    assert {file.name for file in shards} == set(done.ledger.shards())


def test_rows_that_wait_for_their_shard_are_made_again_when_their_worker_dies_and_are_no_suspects(work):
    alone = wherever(told(by_pace(work, "alone", 1).run()))
    broken = by_pace(work, "broken", 2, Mortal(3, at=50), PACKED)
    assert wherever(told(shared(broken))) == alone
    assert len(broken.lines) == 1
    assert broken.counts["written"] == ROWS


def test_a_row_that_waits_for_its_shard_is_not_made_again_with_those_around_it(work):
    heard = queue.SimpleQueue()
    worker = Worker(work(questions(ROWS), settings=PACKED).job, "worker1", 2, heard.put)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    made = []

    def hear(kind):
        while not isinstance(message := heard.get(timeout=60), kind):
            pass
        return message

    hear(Started)
    worker.take(Lease([4], 4))
    made += hear(Made).rows
    worker.take(Lease([1, 7], 1))
    worker.take(NoMore())
    thread.join(60)
    while not heard.empty():
        made += message.rows if isinstance(message := heard.get(), Made) else []
    assert sorted(row.index for row in made) == [1, 4, 7]


def test_the_rows_of_several_dead_workers_are_dealt_in_order(work):
    leases = Leases(work(questions(ROWS)).job, 1, 2)
    rows = {}
    for worker in (0, 1):
        rows[worker] = leases.deal(worker).rows
        leases.made(worker, rows[worker])
    *again, last = rows[1]
    leases.finished(1, again)
    assert leases.lost(0) == (len(rows[0]), None)
    assert leases.lost(1) == (1, None)  # the last row of both, and now the first to be dealt
    while (lease := leases.deal(2)) is not None:
        assert list(lease.rows) == sorted(lease.rows)
        again += lease.rows
    assert last in again
    assert sorted(again) == list(range(ROWS))


@pytest.mark.parametrize("settings", [(), PACKED])
def test_a_row_that_ends_whoever_makes_it_fails_alone(work, settings):
    class Fragile(Hum):
        def speak(self, utterances):
            for utterance in utterances:
                if utterance is not None and utterance.index == 17:
                    raise RuntimeError("device-side assert")
                yield from super().speak([utterance])

    done = shared(work(questions(60), speech_model=Fragile(), settings=settings), workers=2)
    assert statuses(done) == {index: "failed" if index == 17 else "ok" for index in range(60)}
    row = done.ledger.get([17])[17]
    assert row.error == "worker: whoever made it broke (RuntimeError: device-side assert), 2 times"
    assert row.seed == next(iter(done.job.read(range(17, 18)))).seed
    assert done.counts["written"] == 60
    assert "once more with row 17 alone in hand: the row fails, and others go on" in done.lines[-1]
    assert all("it is started again" in line for line in done.lines[:-1])


def test_a_worker_that_hangs_is_stopped_and_its_rows_are_made(work):
    hung, over = threading.Event(), threading.Event()

    class Hanging(Hum):
        def speak(self, utterances):
            for utterance in utterances:
                if utterance is not None and utterance.index == 30 and not hung.is_set():
                    hung.set()
                    over.wait(60)
                yield from super().speak([utterance])

    try:
        done = shared(work(questions(60), speech_model=Hanging()), workers=2, row_timeout=2.0)
    finally:
        over.set()
    assert set(statuses(done).values()) == {"ok"}
    assert hung.is_set()
    assert done.lines
    assert all("s and was stopped with" in line for line in done.lines)  # a busy machine may have stopped another, too


def test_first_rows_of_a_worker_that_died_are_made_before_what_waits_for_them(work):
    alone = told(by_pace(work, "alone", 1).run())
    broken = by_pace(work, "broken", 2, Mortal(3, at=20))
    assert told(shared(broken)) == alone
    assert len(broken.lines) == 1


@pytest.mark.parametrize("settings", [(), PACKED])
def test_turns_of_a_conversation_follow_one_another_whoever_dies(work, tmp_path, settings):
    class Remembering(Echo):
        def __init__(self, deaths=()):
            super().__init__()
            self.deaths = set(deaths)

        def answer(self, asked):
            for question in asked:
                if question is not None:
                    if question.index in self.deaths:
                        self.deaths.discard(question.index)
                        raise RuntimeError("gone")
                    yield Answer(question, f"{len(question.history)} before {question.index}")

    def talks(name, model):
        lines = ["talk,question", *(f"{index // 7},question {index}" for index in range(40))]
        made = work(questions(40), name, answer_model=model, settings=settings)
        (tmp_path / name / "q.csv").write_text("\n".join(lines) + "\n", "utf-8")
        file = QuestionFile(tmp_path / name / "q.csv", conversation_column="talk")
        made.job = replace(made.job, questions=file)
        return made

    alone = talks("alone", Remembering()).run()
    died = shared(talks("died", Remembering({3, 10, 11, 12, 30})))
    assert len(died.lines) == 5
    answers = [{index: row.answer for index, row in made.ledger.get(range(40)).items()} for made in (alone, died)]
    assert answers[0] == answers[1] == {index: f"{index % 7 * 2} before {index}" for index in range(40)}


def test_what_a_run_has_is_not_made_again(work):
    first = work(questions(30))
    shared(first)
    again = work(questions(50))
    shared(again)
    assert again.counts["written"] == 20
    assert len(again.ledger) == 50


def test_workers_that_die_before_they_are_ready_end_the_run(work, monkeypatch):
    broken = work(questions(10))

    def load(_config):
        raise RuntimeError("no driver")

    monkeypatch.setattr("voicegen.build.speech_model", load)
    with pytest.raises(ModelError, match=r"died 3 times while loading, the last as it broke \(RuntimeError: no driver"):
        shared(broken)


def test_a_model_that_cannot_be_had_ends_the_run_at_once(work, monkeypatch):
    missing = work(questions(10))

    def load(_config):
        raise ModelError("there is no such voice")

    monkeypatch.setattr("voicegen.build.speech_model", load)
    with pytest.raises(ModelError, match="there is no such voice"):
        shared(missing)


def test_workers_that_die_of_every_row_end_the_run(work):
    class Dead(Hum):
        def speak(self, utterances):
            next(iter(utterances))
            raise RuntimeError("gone")

    with pytest.raises(ModelError, match="died 20 times while no row was finished"):
        shared(work(questions(500), speech_model=Dead()))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_dies_each_row_is_in_one_hand_and_only_culprits_are_given_up(work, seed):
    draw = Random(seed)
    culprits = set(draw.sample(range(100), 3))
    leases, hands, made, given_up = Leases(work(questions(100)).job, 3, 2), {0: [], 1: [], 2: []}, [], []
    while leases.left:
        worker = draw.randrange(3)
        if (lease := leases.deal(worker)) is not None:
            hands[worker].extend(lease.rows)
        in_hands = [index for hand in hands.values() for index in hand]
        assert len(set(in_hands)) == len(in_hands)
        if draw.random() < 0.05 or (culprits.intersection(hands[worker]) and draw.random() < 0.5):
            hands[worker].clear()
            _, doomed = leases.lost(worker)
            given_up.extend([] if doomed is None else [doomed])
        elif good := [index for index in hands[worker] if index not in culprits]:
            done = draw.sample(good, draw.randint(1, len(good)))
            if draw.random() < 0.3:  # they wait for others, and the worker lives as long
                leases.made(worker, done)
            leases.finished(worker, done)
            made.extend(done)
            hands[worker] = [index for index in hands[worker] if index not in done]
    assert sorted([*made, *given_up]) == list(range(100))
    assert culprits <= set(given_up)
