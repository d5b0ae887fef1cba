import threading
from dataclasses import replace

import numpy as np
import pytest

from voicegen.errors import ModelError
from voicegen.protocols import Traits
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.playback import SilentPlayer
from voicegen.voicechat.speech_worker import SpeechWorker

SECONDS = 10  # until a test that waits is called broken


class RecordingPlayer(SilentPlayer):
    def __init__(self):
        self.heard = []
        self.events = []

    def play(self, samples):
        self.heard.append(samples)
        self.events.append("play")

    def finish(self):
        self.events.append("finish")

    def stop(self):
        self.heard.clear()
        self.events.append("stop")


class SteppedSpeech:
    """Streams one frame at a time, each when the test lets it."""

    info = ModelInfo("stepped", "test")
    sample_rate = 100

    def __init__(self):
        self.permits = threading.Semaphore(0)
        self.frames_out = threading.Semaphore(0)
        self.utterances = []
        self.closed = []
        self.traits = Traits(stream=self.stream)

    def stream(self, utterance):
        self.utterances.append(utterance)
        try:
            for number in range(3):
                assert self.permits.acquire(timeout=SECONDS)
                yield np.full(10, len(self.utterances) + number / 10, dtype=np.float32)
                self.frames_out.release()
            return "stop"
        finally:
            self.closed.append(utterance.text)
            self.frames_out.release()

    def speak(self, utterances):
        raise AssertionError("a model that streams is streamed")


class WholeSpeech:
    """Speaks whole utterances only; refuses some."""

    info = ModelInfo("whole", "test")
    sample_rate = 100
    traits = Traits()

    def speak(self, utterances):
        for utterance in utterances:
            if utterance.text == "bad":
                yield Failure(utterance.index, "tts", "there is no such sound")
            elif utterance.text == "broken":
                raise ZeroDivisionError("a bug")
            else:
                yield Speech(utterance, np.full(5, 0.5, dtype=np.float32), self.sample_rate)


@pytest.fixture
def player():
    return RecordingPlayer()


@pytest.fixture
def worker_of(player):
    workers = []

    def make(model):
        workers.append(SpeechWorker(model, player))
        return workers[-1]

    yield make
    for worker in workers:
        worker.close()


def spoken(worker, *texts, **how):
    answer = worker.begin(**how)
    for text in texts:
        worker.say(answer, text)
    worker.finish(answer)
    assert answer.over.wait(SECONDS)
    return answer


def test_pieces_are_spoken_in_order_and_heard_as_they_are_recorded(worker_of, player):
    answer = spoken(worker_of(ToneSpeech(8000, duration=0.1)), "One.", "Two.")
    assert answer.texts == ["One.", "Two."]
    assert np.array_equal(np.concatenate(player.heard), answer.samples)
    assert answer.duration == pytest.approx(0.1 + 0.15 + 0.1, abs=1e-3)  # a tone begins at zero: silence
    assert player.events[-1] == "finish"
    assert answer.first_audio_at is not None


def test_the_pause_after_a_clause_is_shorter_than_after_a_sentence(worker_of):
    worker = worker_of(ToneSpeech(8000, duration=0.1))
    assert spoken(worker, "One,", "two.").duration < spoken(worker, "One.", "Two.").duration


def test_the_same_seed_sounds_the_same_and_pieces_have_seeds_of_their_own(worker_of):
    worker = worker_of(ToneSpeech(8000, duration=0.1))
    first, again, other = (spoken(worker, "One.", "One.", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert not np.array_equal(first.samples[:800], first.samples[-800:])


def test_frames_are_heard_while_the_utterance_is_still_being_made(worker_of, player):
    model = SteppedSpeech()
    worker = worker_of(model)
    answer = worker.begin(voice="ann")
    worker.say(answer, "Long.")
    model.permits.release()
    model.permits.release()
    model.frames_out.acquire(timeout=SECONDS)
    assert len(player.heard) >= 1
    assert model.utterances[0].voice == "ann"
    assert not answer.over.is_set()
    model.permits.release(2)
    worker.finish(answer)
    assert answer.over.wait(SECONDS)
    assert answer.duration == pytest.approx(0.3)


def test_an_interruption_falls_silent_at_once_and_drops_what_is_made_for_the_old_answer(worker_of, player):
    model = SteppedSpeech()
    worker = worker_of(model)
    old = worker.begin()
    worker.say(old, "Old.")
    worker.say(old, "Never said.")
    model.permits.release()
    model.permits.release()
    model.frames_out.acquire(timeout=SECONDS)
    worker.interrupt()
    assert old.over.is_set()
    assert player.heard == []
    kept = len(old.samples)
    new = worker.begin()
    model.permits.release(6)
    worker.say(new, "New.")
    worker.finish(new)
    assert new.over.wait(SECONDS)
    assert [utterance.text for utterance in model.utterances] == ["Old.", "New."]
    assert model.closed == ["Old.", "New."]  # the old stream was closed, not left hanging
    assert len(old.samples) == kept
    assert len(new.samples) == 30
    assert np.array_equal(np.concatenate(player.heard), new.samples)


def test_a_piece_that_cannot_be_spoken_is_reported_and_the_others_are_said(worker_of):
    answer = spoken(worker_of(WholeSpeech()), "good", "bad", "fine")
    assert answer.texts == ["good", "fine"]
    assert answer.failures == ["there is no such sound"]


def test_an_answer_with_a_cut_take_says_so_whether_the_voice_streams_or_not(worker_of):
    class Streaming(ToneSpeech):
        def stream(self, utterance):
            yield from super().stream(utterance)
            return "length" if "long" in utterance.text else "stop"

    class Whole(WholeSpeech):
        def speak(self, utterances):
            for speech in super().speak(utterances):
                yield replace(speech, finish_reason="length" if "long" in speech.utterance.text else "stop")

    for model in (Streaming(8000), Whole()):
        worker = worker_of(model)
        assert spoken(worker, "One.", "two").finish_reason == "stop"
        assert spoken(worker, "One.", "long", "two").finish_reason == "length"


def test_a_bug_in_the_voice_reaches_the_one_who_waits_and_the_worker_lives_on(worker_of):
    worker = worker_of(WholeSpeech())
    assert isinstance(spoken(worker, "broken").error, ZeroDivisionError)
    assert spoken(worker, "good").texts == ["good"]


def test_a_model_that_refuses_the_voice_gives_a_failure_and_no_audio(worker_of):
    class Refusing(ToneSpeech):
        def stream(self, utterance):
            raise ModelError(f"there is no voice {utterance.voice!r}")

    answer = spoken(worker_of(Refusing()), "One.", voice="eve")
    assert (answer.failures, len(answer.samples), answer.first_audio_at) == (["there is no voice 'eve'"], 0, None)


@pytest.fixture(scope="module")
def marvis(tmp_path_factory):
    from tests.marvis_checkpoints import write_checkpoint
    from voicegen.tts.marvis.speech import MarvisSpeech

    folder = write_checkpoint(tmp_path_factory.mktemp("marvis"))
    return LongTextSpeech(MarvisSpeech.open(str(folder), device="cpu", slots=1, max_frames=12), 400)


def test_marvis_is_heard_frame_by_frame_as_it_would_speak_by_itself(worker_of, player, marvis):
    answer = spoken(worker_of(marvis), "Hello there.", seed=5)
    alone = list(marvis.stream(Utterance(0, "Hello there.", seed=derived_seed(5, 0))))
    assert len(player.heard) - 1 == len(alone) > 1  # the last is the end, faded
    faded = round(0.005 * answer.sampling_rate)
    assert np.allclose(answer.samples[:-faded], np.concatenate(alone)[:-faded], atol=1e-4)


def test_marvis_speaks_the_next_answer_when_one_was_broken_off(marvis):
    class Interrupting(RecordingPlayer):
        def play(self, samples):
            super().play(samples)
            heard.set()

    heard = threading.Event()
    worker = SpeechWorker(marvis, Interrupting())
    try:
        old = worker.begin()
        for _ in range(3):
            worker.say(old, "A long story that nobody wants to hear.")
        assert heard.wait(SECONDS)
        worker.interrupt()
        new = spoken(worker, "Hello there.", seed=5)
    finally:
        worker.close()
    assert (new.texts, new.failures, new.error) == (["Hello there."], [], None)
