from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile

from voicegen.audio.audio_file import read_audio
from voicegen.audio.audio_format import AudioFormat
from voicegen.records import Clip, Failure, FinishReason, Speech, Utterance
from voicegen.tts.best_of import HEAR_GROUP
from voicegen.tts.synth import speak_to_folder
from voicegen.tts.tone import ToneSpeech


def test_texts_become_numbered_wavs(tmp_path: Path) -> None:
    clips = list(speak_to_folder(ToneSpeech(8000), ["One.", "Two."], tmp_path / "out", prefix="a_", digits=3))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_000.wav", "a_001.wav"]
    first = clips[0]
    assert isinstance(first, Clip)
    assert first.path == "a_000.wav"
    assert first.sha256 == sha256((tmp_path / "out" / first.path).read_bytes()).hexdigest()
    samples, rate = read_audio(tmp_path / "out" / first.path)
    assert (rate, len(samples)) == (first.sampling_rate, first.num_samples) == (8000, 1600)


def test_a_text_that_cannot_be_spoken_leaves_its_number_free(tmp_path: Path) -> None:
    texts = ["One.", "```\ncode\n```", Failure(2, "input", "the cell is empty"), "Four."]
    records = list(speak_to_folder(ToneSpeech(8000), texts, tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.wav", "000003.wav"]
    failures = {record.index: record.error for record in records if isinstance(record, Failure)}
    assert failures == {1: "the text holds nothing to say aloud", 2: "the cell is empty"}


def test_reasoning_and_markers_in_a_text_are_not_spoken(tmp_path: Path) -> None:
    heard: list[str] = []

    class Voice(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for utterance in utterances:
                if utterance is not None:
                    heard.append(utterance.text)
                    yield from super().speak([utterance])

    texts = ["<think>hm</think>It is four.<|im_end|>", "<think>hm", '<tool_call>{"name": "f"}</tool_call>', "</s>Yes."]
    records = list(speak_to_folder(Voice(8000), texts, tmp_path))
    assert heard == ["It is four.", "Yes."]
    assert {record.index: record.error for record in records if isinstance(record, Failure)} == {
        1: "the text is only reasoning: give what is to be said, too",
        2: "the text is only a tool call: give what is to be said, too",
    }


def test_failures_are_given_even_when_nothing_is_spoken(tmp_path: Path) -> None:
    records = list(speak_to_folder(ToneSpeech(8000), ["😀", ""], tmp_path))
    assert [record.index for record in records] == [0, 1]
    assert list(tmp_path.iterdir()) == []


def test_markdown_is_not_read_out_and_every_text_has_a_seed_of_its_own(tmp_path: Path) -> None:
    heard: list[Utterance] = []

    class Listening(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for utterance in utterances:
                assert utterance is not None
                heard.append(utterance)
                yield from super().speak([utterance])

    list(speak_to_folder(Listening(8000), ["**Same.**", "Same."], tmp_path, voice="v", seed=7))
    assert [utterance.text for utterance in heard] == ["Same.", "Same."]
    assert heard[0].seed != heard[1].seed
    assert {utterance.voice for utterance in heard} == {"v"}


def test_a_cut_take_is_reported_and_not_written(tmp_path: Path) -> None:
    reasons: list[FinishReason] = ["length", "runaway", "stop"]

    class Cut(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for record, reason in zip(super().speak(utterances), reasons, strict=False):
                assert isinstance(record, Speech)
                yield replace(record, finish_reason=reason)

    records = list(speak_to_folder(Cut(8000), ["a", "b", "c"], tmp_path))
    assert [type(record) for record in records] == [Failure, Failure, Clip]
    assert [path.name for path in tmp_path.iterdir()] == ["000002.wav"]


def test_a_take_that_is_no_audio_is_reported_and_not_written(tmp_path: Path) -> None:
    class Broken(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for record in super().speak(utterances):
                assert isinstance(record, Speech)
                yield replace(record, samples=np.full(9, np.nan, dtype=np.float32))

    records = list(speak_to_folder(Broken(8000), ["a"], tmp_path))
    assert records == [Failure(0, "write", "the take holds NaN or infinity")]
    assert list(tmp_path.iterdir()) == []


def test_texts_are_pulled_no_further_ahead_than_takes_are_heard_together(tmp_path: Path) -> None:
    pulled: list[int] = []

    def texts() -> Iterator[str]:
        for index in range(1000):
            pulled.append(index)
            yield "Hm."

    records = speak_to_folder(ToneSpeech(8000), texts(), tmp_path)
    next(records)
    assert len(pulled) == HEAR_GROUP


def test_samples_keep_the_subtype_asked_for(tmp_path: Path) -> None:
    list(speak_to_folder(ToneSpeech(8000), ["One."], tmp_path, audio=AudioFormat("wav", "FLOAT")))
    (expected,) = ToneSpeech(8000).speak([Utterance(0, "One.", seed=0)])
    assert isinstance(expected, Speech)
    samples, _ = read_audio(tmp_path / "000000.wav")
    assert samples.dtype == np.float32
    assert len(samples) == len(expected.samples)


def test_flacs_are_called_so(tmp_path: Path) -> None:
    (clip,) = speak_to_folder(ToneSpeech(8000), ["One."], tmp_path, audio=AudioFormat("flac"))
    assert (clip.path, soundfile.info(tmp_path / "000000.flac").format) == ("000000.flac", "FLAC")


def test_a_text_of_many_hours_fails_at_once(tmp_path: Path) -> None:
    (failure,) = speak_to_folder(ToneSpeech(), ["No end of words. " * 10_000], tmp_path)
    assert "170,000 characters, more than the 100,000 (some two hours)" in failure.error
