import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import voicegen
from voicegen.audio.waveform import Waveform
from voicegen.errors import ConfigError, InputError, ModelError
from voicegen.protocols import SpeechStream
from voicegen.records import Clip, Failure, Speech, Utterance
from voicegen.tts import MarvisTTSClient, TTSConfig, batch_synthesize
from voicegen.tts import client as client_module
from voicegen.tts.adjusted import AdjustedSpeech
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import words_of
from voicegen.tts.tone import ToneSpeech


@pytest.fixture
def tts() -> MarvisTTSClient:
    return MarvisTTSClient(model=ToneSpeech(22_050, duration=0.3))


def test_speech_is_a_float32_array_that_knows_its_rate(tts: MarvisTTSClient) -> None:
    audio = tts.synthesize("Hello world!")
    assert isinstance(audio, np.ndarray)
    assert audio.dtype == np.float32
    assert audio.sampling_rate == tts.sample_rate == 22_050
    assert audio.duration == pytest.approx(0.3, abs=1e-3)


def test_a_saved_wav_has_the_rate_of_its_samples(tts: MarvisTTSClient, tmp_path: Path) -> None:
    for rate in (None, 16_000, 44_100):
        audio = tts.synthesize("Hello world!", TTSConfig(sample_rate=rate))
        path = tts.save_wav(audio, tmp_path / "sub" / "hello.wav")
        info = soundfile.info(path)
        assert info.samplerate == (rate or 22_050)
        assert info.duration == pytest.approx(0.3, abs=1e-3)
        assert info.subtype == "PCM_16"


def test_samples_are_never_saved_at_a_rate_that_is_not_theirs(tts: MarvisTTSClient, tmp_path: Path) -> None:
    audio = tts.synthesize("Hello.")
    with pytest.raises(ValueError, match="22050 Hz, not 16000"):
        tts.save_wav(audio, tmp_path / "a.wav", sample_rate=16_000)
    with pytest.raises(ValueError, match="do not know their rate"):
        tts.save_wav(np.zeros(100, dtype=np.float32), tmp_path / "a.wav")
    with pytest.raises(ValueError, match="do not know their rate"):
        tts.save_wav(audio[::2], tmp_path / "a.wav")
    for rate in (0, -5):
        with pytest.raises(ValueError, match=f"sample_rate={rate}: it is a number of Hz over 0"):
            tts.save_wav(np.zeros(100, dtype=np.float32), tmp_path / "a.wav", sample_rate=rate)
    tts.save_wav(np.zeros(100, dtype=np.float32), tmp_path / "a.wav", sample_rate=8000)
    assert soundfile.info(tmp_path / "a.wav").samplerate == 8000


def test_samples_that_are_integers_are_refused(tts: MarvisTTSClient, tmp_path: Path) -> None:
    tone = (16_000 * np.sin(np.arange(800) / 8)).astype(np.int16)
    with pytest.raises(ValueError, match=r"these samples are int16: give floats in \[-1, 1\]"):
        tts.save_wav(tone, tmp_path / "a.wav", sample_rate=8000)  # type: ignore[arg-type]
    tts.save_wav(tone / 32_768, tmp_path / "a.wav", sample_rate=8000)
    assert np.abs(soundfile.read(tmp_path / "a.wav", dtype="int16")[0] - tone).max() <= 1


def test_one_text_where_several_are_asked_for_is_refused(tts: MarvisTTSClient, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"give \['Hello\.'\]"):
        tts.synthesize_batch("Hello.")
    with pytest.raises(ConfigError, match=r"give \['Hello\.'\]"):
        batch_synthesize("Hello.", tmp_path, model=ToneSpeech(8000))
    assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_no_string_is_named(tts: MarvisTTSClient, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="text 0 is None, not a string"):
        tts.synthesize(None)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="text 1 is 3, not a string"):
        tts.synthesize_batch(["Hi.", 3])  # type: ignore[list-item]
    with pytest.warns(UserWarning, match="1 of 3 texts could not be spoken; text 1: the text is None, not a string"):
        records = batch_synthesize(["Hi.", None, "Yes."], tmp_path, model=ToneSpeech(8000))  # type: ignore[list-item]
    assert [type(record) for record in records] == [Clip, Failure, Clip]


def test_speed_and_seed_are_honoured(tts: MarvisTTSClient) -> None:
    assert tts.synthesize("Hello.", TTSConfig(speed=1.5)).duration == pytest.approx(0.2, abs=1e-3)
    assert np.array_equal(tts.synthesize("Hello.", seed=1), tts.synthesize("Hello.", seed=1))
    assert not np.array_equal(tts.synthesize("Hello.", seed=1), tts.synthesize("Hello.", seed=2))


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_generator_takes_is_refused(tts: MarvisTTSClient, seed: int) -> None:
    with pytest.raises(ConfigError, match=f"seed={seed}: "):
        tts.synthesize("Hello.", seed=seed)
    with pytest.raises(ConfigError, match=f"seed={seed}: "):
        list(tts.stream("Hello.", seed=seed))


def test_a_batch_comes_back_in_the_order_of_its_texts(joe: PiperSpeech) -> None:
    texts = ["A rather longer sentence that takes a while to say.", "Short.", "Yes."]
    batch = MarvisTTSClient(model=joe).synthesize_batch(texts)
    assert [type(audio) for audio in batch] == [Waveform] * 3
    assert batch[0].duration > 2 * max(batch[1].duration, batch[2].duration)


def test_long_texts_are_spoken_whole() -> None:
    tts = MarvisTTSClient(model=ToneSpeech(8000, duration=None))
    text = "This is one sentence of some length. " * 40
    assert tts.synthesize(text).duration > 0.065 * len(text) * 0.95


def test_streamed_pieces_join_to_the_whole(tts: MarvisTTSClient) -> None:
    pieces = list(tts.stream("Hello."))
    assert {piece.sampling_rate for piece in pieces} == {22_050}
    assert np.allclose(np.concatenate(pieces), tts.synthesize("Hello."), atol=1e-4)


def test_a_voice_within_a_decorator_refuses_another_language_too(joe: PiperSpeech) -> None:
    for model in (joe, LongTextSpeech(joe, 100), AdjustedSpeech(joe, 16_000)):
        with pytest.raises(ModelError, match="speaks en_US, not de"):
            MarvisTTSClient(model=model).synthesize("Guten Tag.", TTSConfig(language="de"))


def test_a_cut_take_is_warned_of_however_it_is_spoken(tmp_path: Path) -> None:
    class Cut(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for record in super().speak(utterances):
                assert isinstance(record, Speech)
                yield dataclasses.replace(record, finish_reason="length")

        def stream(self, utterance: Utterance) -> SpeechStream:
            yield from super().stream(utterance)
            return "length"

    tts = MarvisTTSClient(model=Cut(8000))
    with pytest.warns(UserWarning, match=r"'Hello\.': the take was cut"):
        list(tts.stream("Hello."))
    with pytest.warns(UserWarning, match=r"'Hello\.': the take was cut"):
        tts.stream_to_file("Hello.", tmp_path / "hello.wav")


@pytest.mark.parametrize("samples", [[], [0.1, float("nan")]])
def test_a_take_that_is_no_audio_is_refused_however_it_is_spoken(tmp_path: Path, samples: list[float]) -> None:
    class Bad(ToneSpeech):
        def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
            for record in super().speak(utterances):
                assert isinstance(record, Speech)
                yield dataclasses.replace(record, samples=np.array(samples, np.float32))

        def stream(self, utterance: Utterance) -> SpeechStream:
            yield np.array(samples, np.float32)
            return "stop"

    tts = MarvisTTSClient(model=Bad(8000))
    with pytest.raises(ModelError, match=r"'Hello\.': the take holds"):
        list(tts.stream("Hello."))
    with pytest.raises(ModelError, match=r"'Hello\.': the take holds"):
        tts.stream_to_file("Hello.", tmp_path / "hello.wav")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_one_call(tts: MarvisTTSClient, tmp_path: Path) -> None:
    config = TTSConfig(sample_rate=16_000, subtype="PCM_24")
    info = soundfile.info(tts.stream_to_file("Hello!", tmp_path / "hello.wav", config))
    assert (info.samplerate, info.subtype) == (16_000, "PCM_24")


def test_a_name_that_ends_in_flac_is_a_flac(tts: MarvisTTSClient, tmp_path: Path) -> None:
    assert soundfile.info(tts.stream_to_file("Hello!", tmp_path / "hello.flac")).format == "FLAC"
    with pytest.raises(ValueError, match="set subtype to PCM_16"):
        tts.save_wav(tts.synthesize("Hello!"), tmp_path / "hello.flac", subtype="FLOAT")


def test_many_texts_become_flacs_where_the_settings_say_so(tts: MarvisTTSClient, tmp_path: Path) -> None:
    (clip,) = batch_synthesize(["One."], tmp_path, model=tts.model, config=TTSConfig(format="flac"))
    assert soundfile.info(tmp_path / clip.path).format == "FLAC"
    with pytest.raises(ConfigError, match="FLAC holds whole numbers"):
        TTSConfig(format="flac", subtype="FLOAT")


def test_what_cannot_be_spoken_is_one_clear_error(tts: MarvisTTSClient, joe: PiperSpeech) -> None:
    with pytest.raises(ModelError, match="holds nothing to say aloud"):
        tts.synthesize("```\ncode\n```")
    with pytest.raises(ModelError, match=r"text 1 .*holds nothing"):
        tts.synthesize_batch(["Hello.", "😀"])
    with pytest.raises(ModelError, match=r"text 0 cannot be spoken \(the text is only reasoning"):
        tts.synthesize("<think>hm</think>")
    piper = MarvisTTSClient(model=joe)
    with pytest.raises(ModelError, match="no voice 'ann'"):
        piper.synthesize("Hello.", TTSConfig(voice="ann"))
    with pytest.raises(ModelError, match="speaks en_US, not de"):
        piper.synthesize("Hallo.", TTSConfig(language="de"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sample_rate", 0),
        ("sample_rate", 22_050.0),
        ("speed", 0),
        ("speed", float("nan")),
        ("speed", "fast"),
        ("language", "english"),
        ("subtype", "MP3"),
        ("format", "mp3"),
        ("voice", 3),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"TTSConfig.{key}="):
        TTSConfig(**{key: value})  # type: ignore[arg-type]


def test_a_rate_may_be_any_integer() -> None:
    config = TTSConfig(sample_rate=np.int64(16_000))  # type: ignore[arg-type]
    assert type(config.sample_rate) is int
    assert config == TTSConfig(sample_rate=16_000)


def test_a_model_may_be_given_as_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []

    def opening(name: str, *_: object) -> ToneSpeech:
        opened.append(name)
        return ToneSpeech(8000)

    monkeypatch.setattr(client_module, "open_speech_model", opening)
    MarvisTTSClient(Path("mv")).synthesize("Hello.")
    batch_synthesize(["One."], tmp_path, model=Path("mv"))
    assert opened == ["mv", "mv"]


def test_settings_are_frozen_and_unknown_ones_are_errors() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TTSConfig().speed = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="sped"):
        TTSConfig(sped=1.0)  # type: ignore[call-arg]


def test_a_batch_of_files_is_numbered_from_zero(tmp_path: Path) -> None:
    clips = batch_synthesize(["One.", "Two.", "Three."], output_dir=tmp_path / "qa", model=ToneSpeech(8000))
    assert [clip.path for clip in clips if isinstance(clip, Clip)] == ["qa_000.wav", "qa_001.wav", "qa_002.wav"]
    assert sorted(path.name for path in (tmp_path / "qa").iterdir()) == ["qa_000.wav", "qa_001.wav", "qa_002.wav"]


def test_a_prefix_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the prefix '\.\./qa' cannot begin a file's name"):
        batch_synthesize(["One."], tmp_path / "out", prefix="../qa", model=ToneSpeech(8000))
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_thousand_files_have_more_digits(tmp_path: Path) -> None:
    texts = (f"Number {i}." for i in range(1001))
    clips = batch_synthesize(
        texts, tmp_path, prefix="", model=ToneSpeech(8000, duration=0.01), config=TTSConfig(quality="off")
    )
    assert isinstance(clips[0], Clip)
    assert clips[0].path == "0000.wav"
    assert (tmp_path / "1000.wav").is_file()


def test_a_text_that_fails_is_warned_of_and_the_rest_are_spoken(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="1 of 3 texts could not be spoken; text 1: the text holds nothing"):
        records = batch_synthesize(["One.", "...", "Three."], tmp_path, model=ToneSpeech(8000))
    assert [type(record) for record in records] == [Clip, Failure, Clip]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["qa_000.wav", "qa_002.wav"]


def test_the_starter_voice_is_loaded_by_its_name(tmp_path: Path) -> None:
    (clip,) = batch_synthesize(["What is MLX? An array framework."], output_dir=tmp_path, model="en_US-joe-medium")
    assert isinstance(clip, Clip)
    assert clip.sampling_rate == 22_050
    assert 1 < clip.duration < 5


def test_a_lexicon_is_taken_from_a_path_or_as_it_is_and_a_wrong_one_is_refused_at_once(tmp_path: Path) -> None:
    lexicon = tmp_path / "words.yaml"
    lexicon.write_text("Nguyen: win\n", encoding="utf-8")
    config = TTSConfig(pronounce=lexicon, quality="off")
    for same in (config, TTSConfig(pronounce=str(lexicon)), dataclasses.replace(config, speed=1.5)):
        assert words_of("Nguyen won.", same.wording) == "win won."
    model = Listing()
    batch_synthesize(["Nguyen won."], tmp_path / "out", model=model, config=config)
    assert model.texts == ["win won."]
    lexicon.write_text("Nguyen\n", encoding="utf-8")
    with pytest.raises(InputError, match="a lexicon has lines WORD: RESPELLING"):
        TTSConfig(pronounce=lexicon)


class Listing(ToneSpeech):
    """Hums, and keeps the texts that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        def kept() -> Iterator[Utterance | None]:
            for utterance in utterances:
                self.texts += [utterance.text] if utterance else []
                yield utterance

        return super().speak(kept())


def test_the_public_names_are_those_of_the_package() -> None:
    assert voicegen.MarvisTTSClient is MarvisTTSClient
    assert voicegen.batch_synthesize is batch_synthesize
