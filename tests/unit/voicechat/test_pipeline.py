import threading

import numpy as np
import pytest

from tests.chat_models import PlainChatModel
from voicegen.audio.audio_file import read_audio
from voicegen.records import Delta, Role
from voicegen.tts.tone import ToneSpeech
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.playback import SilentPlayer

SECONDS = 10
FOUR = "The sky is blue. It is so by day. At night it is black. Stars are seen then."


@pytest.fixture
def pipeline_of(tmp_path):
    made = []

    def make(chat_model, tts_model=None, **settings):
        voice = tts_model or ToneSpeech(8000, duration=0.1)
        made.append(VoiceChatPipeline(chat_model, voice, output_dir=tmp_path / "wavs", **settings))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


def test_a_message_gives_its_answer_and_the_wav_that_speaks_it(pipeline_of):
    text, audio_path = pipeline_of(PlainChatModel(" " + FOUR + "\n")).process_message("Why?")
    samples, rate = read_audio(audio_path)
    assert text == FOUR
    assert rate == 8000
    assert len(samples) == pytest.approx((4 * 0.1 + 3 * 0.15) * 8000, abs=8)  # a tone begins at zero: silence
    assert audio_path.name.startswith("response_")


def test_the_first_sentence_is_heard_before_the_answer_is_written(pipeline_of):
    heard = threading.Event()

    class Player(SilentPlayer):
        def play(self, samples):
            heard.set()

    def last_delta_waits_for_sound(number):
        if number == len(FOUR) // 4 - 1:
            assert heard.wait(SECONDS)

    reply = pipeline_of(PlainChatModel(FOUR, on_delta=last_delta_waits_for_sound), player=Player()).reply("Why?")
    assert reply.timings.first_audio < reply.timings.last_token


def test_without_streaming_the_answer_is_shown_and_spoken_when_it_is_written(pipeline_of):
    shown = []
    reply = pipeline_of(PlainChatModel(FOUR), stream=False).reply("Why?", shown.append)
    assert shown == [FOUR]
    assert reply.timings.first_audio > reply.timings.last_token
    assert reply.spoken == FOUR


def test_streaming_shows_the_answer_as_it_is_generated(pipeline_of):
    shown = []
    pipeline_of(PlainChatModel(FOUR)).reply("Why?", shown.append)
    assert "".join(shown) == FOUR
    assert len(shown) > 10


def test_markdown_is_shown_as_written_and_spoken_as_words(pipeline_of):
    reply = pipeline_of(PlainChatModel("**Blue**, says [he](http://x.org).")).reply("Why?")
    assert (reply.text, reply.spoken) == ("**Blue**, says [he](http://x.org).", "Blue, says he.")


def test_stopping_ends_writing_and_speaking_and_keeps_the_conversation(pipeline_of):
    model = PlainChatModel(FOUR, "Second.")
    pipeline = pipeline_of(model)
    shown = []
    reply = pipeline.reply("Why?", shown.append, lambda: len(shown) >= 3)
    assert reply.interrupted
    assert reply.audio_path is None
    assert model.closed_early == 1
    assert reply.text == "".join(shown).strip() == FOUR[:12].strip()
    assert pipeline.session.turns[-1].interrupted
    assert pipeline.process_message("And?")[0] == "Second."
    assert [message.content for message in model.asked[1]] == ["Why?", FOUR[:12], "And?"]


def test_stopping_while_the_answer_is_spoken_drops_what_is_not_yet_said(pipeline_of):
    speaking, go_on = threading.Event(), threading.Event()

    class Slow(ToneSpeech):
        def stream(self, utterance):
            reason = yield from super().stream(utterance)
            speaking.set()
            assert go_on.wait(SECONDS)
            return reason

    reply = pipeline_of(PlainChatModel(FOUR), Slow(8000)).reply("Why?", should_stop=speaking.is_set)
    go_on.set()
    assert reply.interrupted
    assert 0 < len(reply.samples) < 8000 * 0.5


def test_stopping_while_a_whole_answer_is_played_falls_silent_and_keeps_its_wav(pipeline_of):
    class Endless(SilentPlayer):
        asked = False
        stopped = False

        @property
        def idle(self):
            self.asked = True
            return False

        def stop(self):
            self.stopped = self.asked

    player = Endless()
    reply = pipeline_of(PlainChatModel(FOUR), player=player).reply("Why?", should_stop=lambda: player.asked)
    assert not reply.interrupted
    assert reply.audio_path.exists()
    assert player.stopped


def test_wavs_of_the_same_second_do_not_overwrite_each_other(pipeline_of, tmp_path):
    pipeline = pipeline_of(PlainChatModel("One.", "Two."))
    paths = {pipeline.process_message("?")[1] for _ in range(4)}
    assert len(paths) == len(list((tmp_path / "wavs").glob("response_*.wav"))) == 4


def test_an_answer_can_be_given_in_writing_only(tmp_path):
    with VoiceChatPipeline(PlainChatModel(FOUR), None, output_dir=tmp_path / "wavs") as pipeline:
        reply = pipeline.reply("Why?")
    assert (reply.text, reply.audio_path, reply.timings.first_audio) == (FOUR, None, None)
    assert not (tmp_path / "wavs").exists()


def test_audio_may_be_heard_without_being_saved(pipeline_of, tmp_path):
    reply = pipeline_of(PlainChatModel(FOUR), save_audio=False).reply("Why?")
    assert len(reply.samples)
    assert reply.audio_path is None
    assert not (tmp_path / "wavs").exists()


def test_the_same_seed_says_the_same_answer_alike_and_the_next_answer_otherwise(pipeline_of):
    first, other = (pipeline_of(PlainChatModel("Yes."), seed=3) for _ in range(2))
    assert np.array_equal(first.reply("?").samples, other.reply("?").samples)
    assert not np.array_equal(first.reply("?").samples, first.reply("?").samples)


def test_a_bug_in_the_voice_is_raised_to_the_caller(pipeline_of):
    class Broken(ToneSpeech):
        def stream(self, utterance):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        pipeline_of(PlainChatModel(FOUR), Broken()).reply("Why?")


def test_tools_that_the_session_has_are_offered(pipeline_of):
    pipeline = pipeline_of(PlainChatModel("Noon."))
    pipeline.session.register_tool("clock", "Tells the time.", lambda: "12:00")
    assert pipeline.process_message("What time is it?")[0] == "Noon."
    assert pipeline.session.turns[-1].messages[-1].role is Role.ASSISTANT


def test_timings_tell_tokens_audio_and_speedup(pipeline_of):
    timings = pipeline_of(PlainChatModel(FOUR)).reply("Why?").timings
    assert 0 <= timings.first_token <= timings.first_audio
    assert timings.first_token <= timings.last_token
    assert timings.speedup == pytest.approx(timings.audio / timings.speaking)


def test_stopping_works_while_the_model_still_reasons(pipeline_of):
    looks = iter(range(5))

    class Reasons(PlainChatModel):
        def stream(self, messages, options, tools=()):
            while True:
                next(looks)  # an end would mean that nobody looked up
                yield Delta("hm ", channel="reasoning")

    pipeline = pipeline_of(Reasons())
    asked = []
    reply = pipeline.reply("Why?", should_stop=lambda: asked.append(1) or len(asked) > 2)
    assert (reply.interrupted, reply.text, pipeline.session.turns) == (True, "", ())
