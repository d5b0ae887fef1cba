from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.speech_streams import ending
from voicegen.protocols import SpeechStream
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.adjusted import AdjustedSpeech
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.tone import ToneSpeech


def frequency(speech: Speech) -> float:
    spectrum = np.abs(np.fft.rfft(speech.samples * np.hanning(len(speech.samples))))
    return float(np.argmax(spectrum)) * speech.sampling_rate / len(speech.samples)


def speak(model: object, text: str = "hello") -> Speech:
    (record,) = model.speak([Utterance(0, text)])  # type: ignore[attr-defined]
    assert isinstance(record, Speech)
    return record


def test_speech_is_resampled_and_says_its_rate() -> None:
    own = ToneSpeech(22_050, duration=1.0)
    adjusted = AdjustedSpeech(own, sample_rate=16_000)
    speech = speak(adjusted)
    assert adjusted.sample_rate == speech.sampling_rate == 16_000
    assert speech.duration == pytest.approx(1.0, abs=1e-3)
    assert frequency(speech) == pytest.approx(frequency(speak(own)), abs=1.5)


def test_speech_is_played_faster_with_its_pitch() -> None:
    own = ToneSpeech(22_050, duration=1.0)
    speech = speak(AdjustedSpeech(own, speed=1.25))
    assert speech.duration == pytest.approx(0.8, abs=1e-3)
    assert frequency(speech) == pytest.approx(frequency(speak(own)), abs=2)


def test_resampled_speech_stays_within_full_scale() -> None:
    class Square(ToneSpeech):
        def _hum(self, utterance: Utterance) -> np.ndarray:
            return np.where(np.arange(8000) // 40 % 2, 1.0, -1.0).astype(np.float32)

    adjusted = AdjustedSpeech(Square(22_050), sample_rate=16_000)
    streamed = np.concatenate(list(adjusted.stream(Utterance(0, "hello"))))
    for samples in (speak(adjusted).samples, streamed):
        assert np.abs(samples).max() == 1.0


def test_a_model_that_is_right_already_is_given_back_itself() -> None:
    model = ToneSpeech(22_050)
    assert AdjustedSpeech.around(model) is model
    assert AdjustedSpeech.around(model, sample_rate=22_050) is model
    assert AdjustedSpeech.around(model, speed=1.1) is not model


def test_a_model_that_controls_its_speed_is_not_stretched_again(joe: PiperSpeech) -> None:
    long = LongTextSpeech(joe, 100)
    faster = AdjustedSpeech.around(long, speed=2.0)
    assert isinstance(faster, LongTextSpeech)
    assert speak(faster).duration == speak(joe.at_speed(2.0)).duration
    assert AdjustedSpeech.around(long, sample_rate=8000, speed=2.0).sample_rate == 8000


def test_failures_pass_untouched() -> None:
    (record,) = AdjustedSpeech(ToneSpeech(), sample_rate=8000).speak([Utterance(4, " ")])
    assert record == Failure(4, "tts", "there is no text to speak")


@pytest.mark.parametrize("speed", [1.0, 1.25])
def test_a_stream_keeps_the_finish_reason(speed: float) -> None:
    class Cut(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for record in super().speak(utterances):
                assert isinstance(record, Speech)
                yield replace(record, finish_reason="length")

        def stream(self, utterance: Utterance) -> SpeechStream:
            yield from super().stream(utterance)
            return "length"

    stream = AdjustedSpeech(Cut(), sample_rate=16_000, speed=speed).stream(Utterance(0, "hello"))
    assert ending(stream) == "length"


@pytest.mark.parametrize("speed", [1.0, 1.25])
def test_streamed_pieces_join_to_the_whole(speed: float) -> None:
    model = AdjustedSpeech(ToneSpeech(22_050, duration=0.7), sample_rate=16_000, speed=speed)
    streamed = np.concatenate(list(model.stream(Utterance(0, "hello"))))
    whole = speak(model).samples
    assert abs(len(streamed) - len(whole)) <= 1
    length = min(len(streamed), len(whole))
    assert np.abs(streamed[:length] - whole[:length]).max() < 1e-4
