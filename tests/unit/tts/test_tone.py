import numpy as np

from voicegen.protocols import SpeechModel
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.tone import ToneSpeech


def spoken(model: ToneSpeech, *utterances: Utterance) -> list[Speech | Failure]:
    return list(model.speak(utterances))


def test_a_tone_model_is_a_speech_model_that_streams() -> None:
    assert isinstance(ToneSpeech(), SpeechModel)
    assert ToneSpeech().traits.stream is not None


def test_the_same_utterance_hums_the_same_and_another_differently() -> None:
    model = ToneSpeech(8000, duration=0.2)
    first, again, other = spoken(model, Utterance(0, "one"), Utterance(1, "one"), Utterance(2, "two"))
    assert isinstance(first, Speech)
    assert isinstance(again, Speech)
    assert isinstance(other, Speech)
    assert first.duration == 0.2
    assert first.samples.dtype == np.float32
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_the_length_can_follow_the_text() -> None:
    short, long = spoken(ToneSpeech(duration=None), Utterance(0, "a few"), Utterance(1, "a few words more"))
    assert isinstance(short, Speech)
    assert isinstance(long, Speech)
    assert long.duration > 2 * short.duration


def test_streamed_pieces_join_to_the_whole() -> None:
    model = ToneSpeech(duration=0.5)
    (whole,) = spoken(model, Utterance(0, "hello"))
    assert isinstance(whole, Speech)
    assert np.array_equal(np.concatenate(list(model.stream(Utterance(0, "hello")))), whole.samples)


def test_empty_text_fails_alone_and_none_is_passed_over() -> None:
    records = list(ToneSpeech().speak(iter([None, Utterance(0, " "), None, Utterance(1, "ok")])))
    assert [type(record) for record in records] == [Failure, Speech]
