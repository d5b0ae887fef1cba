import threading
from dataclasses import replace

import numpy as np
import pytest

from tests.scripted_job import RATE, ROWS, VOICES, Babbler, Echo, Hum, Shuffled, Work, questions, told
from voicegen.errors import OutputError
from voicegen.pipeline.plan import Cast, Plan
from voicegen.protocols import Traits
from voicegen.records import Speech
from voicegen.seeds import derived_seed, take_seed


@pytest.fixture
def work(tmp_path, monkeypatch):
    def work(texts, folder=tmp_path, **options):
        return Work(folder, texts, monkeypatch, **options)

    return work


@pytest.mark.parametrize("queue_size", [1, 3, 1000])
def test_every_row_gets_through_whatever_the_size_of_the_queues(work, tmp_path, queue_size):
    done = work(questions(200)).run(queue_size)
    assert done.ledger.count("ok") == 200
    assert len(list((tmp_path / "audio").iterdir())) == 200
    assert done.counts == {"chat": 1, "tts": 1, "asked": 200, "heard": 200, "written": 200}


def test_the_stages_work_in_threads_of_their_own_and_the_chat_model_on_the_caller_s(work):
    assert work(questions(5)).run().threads == {"MainThread", "voicegen-listening", "voicegen-writing"}


def test_speaking_begins_when_the_first_answer_is_ready(work):
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

    done = work(questions(3), answer_model=Waiting(), speech_model=Telling()).run()
    assert done.ledger.count("ok") == 3


def test_a_failure_in_any_stage_is_that_rows_alone(work, tmp_path):
    models = {"answer_model": Echo(refuse={1}), "speech_model": Hum({2: "length", 3: "runaway"})}
    found = work([*questions(4), "", "q"], **models).run().ledger.get(range(6))
    assert [found[index].status for index in range(6)] == ["ok", "failed", "rejected", "rejected", "failed", "ok"]
    assert found[1].error == "chat: refused"
    assert found[4].error == "input: column 'question' is empty"
    assert "cut" in found[2].error
    assert "did not stop" in found[3].error
    assert sorted(path.name for path in (tmp_path / "audio").iterdir()) == ["000000.wav", "000005.wav"]


def test_a_take_that_is_no_audio_fails_its_row(work):
    class Broken(Hum):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                broken = {0: np.zeros(0, np.float32), 1: np.array([0.0, np.nan], np.float32)}
                yield Speech(speech.utterance, broken.get(speech.utterance.index, speech.samples), RATE)

    found = work(questions(3), speech_model=Broken()).run().ledger.get(range(3))
    assert [found[index].error for index in range(3)] == [
        "write: the take holds no audio",
        "write: the take holds NaN or infinity",
        None,
    ]


def test_a_broken_speech_model_ends_the_run_and_keeps_what_was_made(work):
    broken = work(questions(10_000), speech_model=Hum(break_at=50))
    with pytest.raises(RuntimeError, match="the engine broke"):
        broken.run()
    assert len(broken.ledger) == 50
    assert broken.answer_model.pulled < 100  # the chat model was stopped, too


def test_a_disk_that_cannot_be_written_ends_the_run(work, tmp_path):
    stuck = work(questions(10_000))
    (tmp_path / "audio").write_text("a file is in the way")
    with pytest.raises(OutputError, match="cannot write"):
        stuck.run()
    assert len(stuck.ledger) == 0


def test_an_interruption_finishes_the_writes_in_flight(work, tmp_path):
    stopped = work(questions(300), answer_model=Echo(stop_at=100))
    with pytest.raises(KeyboardInterrupt):
        stopped.run(queue_size=2)
    finished = len(stopped.ledger)
    assert 0 < finished <= 100
    assert len(list((tmp_path / "audio").iterdir())) == finished
    assert work(questions(300)).run().ledger.count("ok") == 300


def watched(work, **options):
    """A finished run of 300 rows with short queues, and how many more than were spoken were asked, at the most."""
    ahead = []

    class Watching(Hum):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                ahead.append(run.answer_model.pulled - speech.utterance.index)
                yield speech

    run = work(questions(300), speech_model=Watching(), **options)
    run.run(queue_size=5)
    return run, max(ahead)


def test_a_slow_stage_holds_the_ones_before_it_back(work):
    _, ahead = watched(work)
    assert ahead <= 5 + 5 + 3


class Fickle(Hum):
    """Cuts takes of the seeds in `cut`; speaks some at a time, and remembers the seeds that it was given, by row."""

    def __init__(self, cut=(), at_a_time=3):
        super().__init__()
        self.cut = cut
        self.at_a_time = at_a_time
        self.seeds = {}

    def speak(self, utterances):
        in_hand = []
        for utterance in utterances:
            if utterance is not None:
                in_hand.append(utterance)
            if in_hand and (utterance is None or len(in_hand) == self.at_a_time):
                yield self._take(in_hand.pop(0))
        yield from map(self._take, in_hand)

    def _take(self, utterance):
        self.seeds.setdefault(utterance.index, []).append(utterance.seed)
        return Speech(
            utterance, np.full(800, 0.1, np.float32), RATE, "length" if utterance.seed in self.cut else "stop"
        )


def cut_takes(rows):
    """The seeds of the first takes of every fourth row, and of all takes of every tenth."""
    once = {take_seed(derived_seed(0, row), 1) for row in range(0, rows, 4)}
    always = {take_seed(derived_seed(0, row), attempt) for row in range(0, rows, 10) for attempt in (1, 2, 3)}
    return once | always


@pytest.mark.parametrize("queue_size", [1, 4, 1000])
@pytest.mark.parametrize("at_a_time", [1, 8, 300])
def test_takes_that_are_not_good_come_round_again_whatever_is_in_flight(work, queue_size, at_a_time):
    model = Fickle(cut_takes(200), at_a_time)
    done = work(questions(200), speech_model=model).run(queue_size)
    assert (done.ledger.count("ok"), done.ledger.count("rejected")) == (180, 20)
    for row, record in done.ledger.get(range(200)).items():
        attempts = 3 if row % 10 == 0 else 2 if row % 4 == 0 else 1
        assert record.attempts == attempts
        assert [take.attempt for take in record.takes] == list(range(1, attempts + 1))
        assert [take.status for take in record.takes[:-1]] == ["rejected"] * (attempts - 1)
        assert model.seeds[row] == [take.seed for take in record.takes]
        assert model.seeds[row] == [take_seed(derived_seed(0, row), attempt + 1) for attempt in range(attempts)]
    assert done.counts["made again"] == sum(map(len, model.seeds.values())) - 200


def test_a_voice_that_is_the_same_for_every_seed_makes_no_take_again(work):
    model = Fickle(cut_takes(40))
    model.traits = Traits(draws=False)
    done = work(questions(40), speech_model=model).run()
    assert set(map(len, model.seeds.values())) == {1}
    assert done.ledger.count("rejected") == len({*range(0, 40, 4), *range(0, 40, 10)})


def test_every_take_bad_in_a_queue_of_one_still_ends(work):
    done = work(questions(50), speech_model=Hum(dict.fromkeys(range(50), "runaway"))).run(queue_size=1)
    assert done.ledger.count("rejected") == 50


def test_an_interruption_leaves_rows_that_were_to_be_made_again_for_the_next_session(work):
    stopped = work(questions(100), answer_model=Echo(stop_at=60), speech_model=Fickle(cut_takes(100)))
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert 0 < len(stopped.ledger) <= 60
    done = work(questions(100), speech_model=Fickle(cut_takes(100))).run()
    assert (done.ledger.count("ok"), done.ledger.count("rejected")) == (90, 10)
    assert all(
        record.attempts == (3 if row % 10 == 0 else 2 if row % 4 == 0 else 1)
        for row, record in done.ledger.get(range(100)).items()
    )


def test_a_listener_that_breaks_ends_the_run(work, monkeypatch):
    def broken(_self, _takes, usual):
        raise RuntimeError("the recognizer is gone")

    monkeypatch.setattr("voicegen.executors.chain.Listener.hear", broken)
    deaf = work(questions(10_000))
    with pytest.raises(RuntimeError, match="the recognizer is gone"):
        deaf.run()
    assert len(deaf.ledger) == 0
    assert deaf.answer_model.pulled < 100


@pytest.fixture
def by_pace(work, tmp_path):
    def made(name, seed, queue_size=4, **options):
        (tmp_path / name).mkdir(exist_ok=True)
        speech_model = Babbler(seed)
        done = work(
            questions(ROWS),
            folder=tmp_path / name,
            answer_model=Shuffled(seed, **options),
            speech_model=speech_model,
            settings=["+quality.checks.pace={rules: {pace: {min: 0.7, max: 1.4}}}"],
            voices=VOICES,
        )
        done.run(queue_size)
        return done, speech_model.spoken

    return made


def test_every_verdict_and_measurement_is_the_same_in_whatever_order_takes_are_made(by_pace):
    first = told(by_pace("first", 1)[0])
    assert [index for index in range(ROWS) if first[index].scores["pace"] is None] == list(range(32))
    assert [index for index in range(ROWS) if len(first[index].takes) > 1] == [40, 55]
    assert [index for index in range(ROWS) if first[index].status != "ok"] == [55]
    assert told(by_pace("second", 2, queue_size=1)[0]) == first
    assert told(by_pace("third", 3, queue_size=500)[0]) == first


@pytest.mark.parametrize("stop_at", [30, 48, 65])
def test_a_run_that_was_interrupted_ends_with_the_same_verdicts(by_pace, stop_at):
    whole = told(by_pace("whole", 1)[0])
    with pytest.raises(KeyboardInterrupt):
        by_pace("stopped", 2, stop_at=stop_at)
    done, spoken = by_pace("stopped", 3)
    assert told(done) == whole
    assert len(set(spoken)) < ROWS


def test_later_rows_of_a_voice_are_spoken_when_its_first_ones_have_ended(by_pace):
    _, spoken = by_pace("run", 1)
    for voice in range(2):
        of_voice = [index for index in spoken if index % 2 == voice]
        assert set(of_voice[:16]) == set(range(voice, 32, 2))


def test_a_first_row_that_fails_is_not_waited_for(by_pace):
    done, _ = by_pace("refused", 1, refuse=(3, 5))
    rows = done.ledger.get(range(ROWS))
    assert [index for index in range(ROWS) if rows[index].status == "failed"] == [3, 5]
    assert all(rows[index].scores["pace"] for index in range(32, ROWS))


def test_ready_answers_to_a_whole_input_are_not_held_in_memory_while_the_first_rows_are_spoken(work):
    run, ahead = watched(work, settings=["+quality.checks.pace={rules: {}}"])
    assert run.ledger.count("ok") == 300
    assert ahead <= 16 + 5 + 5


@pytest.mark.parametrize("queue_size", [1, 100])
@pytest.mark.parametrize("speak", ["both", "question"])
def test_questions_are_spoken_with_the_same_verdicts_in_whatever_order_takes_are_made(
    work, tmp_path, queue_size, speak
):
    def made(name, seed):
        (tmp_path / name).mkdir()
        done = work(
            [f"{question} {'and so on ' * 5}" for question in questions(ROWS)],
            folder=tmp_path / name,
            answer_model=Shuffled(seed) if speak == "both" else None,
            speech_model=Babbler(seed),
            settings=["+quality.checks.pace={rules: {pace: {min: 0.7, max: 1.4}}}", f"speak={speak}"],
        )
        casts = {"cast": Cast(VOICES, "round_robin"), "askers": Cast(VOICES[::-1], "random")}
        plan = Plan(0, 10_000, speak=speak, **casts)
        done.job = replace(done.job, plan=plan)
        if speak == "question":
            done.answer_model = None
            done.counts["chat"] = 1
        done.run(queue_size)
        rows = done.ledger.get(range(ROWS))
        assert len(rows) == ROWS
        costs = {"tts_seconds": None}
        return {
            index: replace(row, **costs, asked=row.asked and replace(row.asked, **costs)) for index, row in rows.items()
        }

    rows = made("first", 1)
    assert made("second", 2) == rows
    assert {row.of_question.voice for row in rows.values()} == set(VOICES)
