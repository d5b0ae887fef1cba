import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from tests.marvis_checkpoints import random_weights, tiny_config, transformers_model, write_checkpoint, write_tokenizer
from tests.mimi_checkpoints import write_mimi, write_moshi_mimi
from tests.unit.tts.marvis.conftest import downloaded
from tests.unit.tts.test_voices import recording, write
from voicegen.audio.batch_resample import BatchResampler
from voicegen.audio.resample import resample
from voicegen.errors import InputError, ModelError
from voicegen.records import Failure, Speech, Utterance
from voicegen.settings import VoiceConfig, VoicePromptConfig
from voicegen.tts import MarvisTTSClient, TTSConfig
from voicegen.tts.adjusted import AdjustedSpeech
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.marvis import Marvis, SpeechRequest
from voicegen.tts.marvis.codec import Codec
from voicegen.tts.marvis.runners import TorchRunners
from voicegen.tts.marvis.spec import MarvisSettings
from voicegen.tts.marvis.speech import MarvisSpeech
from voicegen.tts.marvis.torch_mimi import TorchMimi
from voicegen.tts.voices import PromptFiles, VoiceCatalog


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with its codec and two voices."""
    folder = write_checkpoint(tmp_path_factory.mktemp("marvis"))
    write(folder / "prompts", "conversational_a", recording(3.0), "Hello.")
    write(folder / "prompts", "reader", 0.5 * recording(3.2), "Once upon a time.")
    return folder


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> MarvisSpeech:
    return MarvisSpeech.open(str(checkpoint), device="cpu", slots=3, max_frames=6)


def settings(checkpoint: Path, **changes: object) -> MarvisSettings:
    values: dict[str, object] = {
        "kind": "marvis",
        "model": str(checkpoint),
        "revision": None,
        "codec": None,
        "language": "en",
        "speed": 1.0,
        "sample_rate": None,
        "format": "wav",
        "subtype": "PCM_16",
        "max_chars": 400,
        "device": "cpu",
        "dtype": "auto",
        "slots": 2,
        "temperature": 0.9,
        "top_k": 50,
        "codebooks": 8,
        "max_frames": 4,
        "exact": True,
    }
    return MarvisSettings.model_validate(values | changes)


def voices(*names: str, **prompts: VoicePromptConfig) -> VoiceConfig:
    return VoiceConfig(assign="fixed", names=names, prompts=prompts)


def speak(model: MarvisSpeech, *utterances: Utterance | None) -> dict[int, Speech | Failure]:
    records = list(model.speak(iter(utterances)))
    return {r.index if isinstance(r, Failure) else r.utterance.index: r for r in records}


def samples(record: Speech | Failure) -> np.ndarray:
    assert isinstance(record, Speech), record
    return record.samples


@pytest.mark.parametrize(("asked", "precision"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_the_model_says_the_precision_that_it_runs_in(checkpoint: Path, asked: str, precision: str) -> None:
    assert MarvisSpeech.open(str(checkpoint), device="cpu", dtype=asked).info.precision == precision


def test_marvis_is_a_speech_model_that_streams(model: MarvisSpeech) -> None:
    assert model.traits.stream is not None
    assert model.sample_rate == 24_000
    assert model.info.backend == "marvis"


def test_utterances_come_back_with_their_own_audio_in_any_company(model: MarvisSpeech) -> None:
    utterances = [Utterance(i, text, seed=i) for i, text in enumerate(["One.", "Number two.", "And three!", "Four?"])]
    together = speak(model, *utterances[:2], None, *utterances[2:])
    assert sorted(together) == [0, 1, 2, 3]
    for utterance in utterances:
        alone = samples(speak(model, utterance)[utterance.index])
        assert np.allclose(samples(together[utterance.index]), alone, atol=1e-5)


def test_the_checkpoints_own_voices_are_known_and_one_is_the_default(model: MarvisSpeech) -> None:
    assert model.voices.names == ("conversational_a", "reader")
    spoken = speak(
        model,
        Utterance(0, "Hi."),
        Utterance(1, "Hi.", voice="conversational_a"),
        Utterance(2, "Hi.", voice="reader"),
    )
    assert np.allclose(samples(spoken[0]), samples(spoken[1]), atol=1e-5)
    assert not np.array_equal(samples(spoken[0]), samples(spoken[2]))


def test_an_unknown_voice_and_unspeakable_text_fail_alone(model: MarvisSpeech) -> None:
    spoken = speak(model, Utterance(0, "Hi.", voice="raeder", part=2), Utterance(1, "Hi."), Utterance(2, "..."))
    failure = spoken[0]
    assert isinstance(failure, Failure)
    assert failure.part == 2
    assert "nearest names are reader" in failure.error
    assert isinstance(spoken[1], Speech)
    assert isinstance(spoken[2], Failure)


def test_refusals_are_given_even_when_nothing_is_spoken(model: MarvisSpeech) -> None:
    assert [type(record) for record in speak(model, Utterance(0, "Hi.", voice="x")).values()] == [Failure]


def test_streamed_pieces_join_to_the_whole(model: MarvisSpeech) -> None:
    utterance = Utterance(0, "Hello there.", seed=5)
    whole = samples(speak(model, utterance)[0])
    streamed = np.concatenate(list(model.stream(utterance)))
    assert np.abs(streamed - whole).max() <= 1e-4 * max(1.0, np.abs(whole).max())


def test_long_texts_keep_their_voice(model: MarvisSpeech) -> None:
    (record,) = LongTextSpeech(model, 20).speak([Utterance(7, "One two three. Four five six. Seven.", voice="reader")])
    assert isinstance(record, Speech)
    assert record.utterance.index == 7


LONG = "A sentence of some forty characters, no less. " * 5


def test_a_long_text_is_split_further_where_the_context_has_no_room(checkpoint: Path) -> None:
    model = MarvisSpeech.open(str(checkpoint), device="cpu", slots=3)
    model.voices = VoiceCatalog({})
    (refused,) = model.speak([Utterance(0, LONG)])
    assert isinstance(refused, Failure)
    assert "split the text (tts.max_chars)" in refused.error
    assert [model.fits(Utterance(0, LONG[:chars])) for chars in (40, len(LONG))] == [True, False]
    (record,) = LongTextSpeech(model, 400).speak([Utterance(0, LONG)])
    assert isinstance(record, Speech), record


def test_what_cannot_be_spoken_at_all_is_not_said_to_lack_room(model: MarvisSpeech) -> None:
    assert model.fits(Utterance(0, LONG, voice="nobody"))
    assert model.fits(Utterance(0, "... " * 200))


def test_samples_beyond_full_scale_are_cut_in_speech_and_in_streams(checkpoint: Path, tmp_path: Path) -> None:
    model = MarvisSpeech(Marvis.load(checkpoint, "cpu", codec=write_loud_mimi(tmp_path)), max_frames=3)
    for waveform in (
        samples(speak(model, Utterance(0, "Hi."))[0]),
        np.concatenate([*model.stream(Utterance(0, "Hi."))]),
    ):
        assert np.abs(waveform).max() == 1.0


def write_loud_mimi(folder: Path) -> Path:
    """A codec whose samples are a million times as large: so is its last convolution."""
    file = write_mimi(folder) / "model.safetensors"
    tensors = load_file(file)
    convolutions = [name for name in tensors if re.search(r"decoder.*layers\.\d+\.conv\.(weight|bias)$", name)]
    last = max(int(re.findall(r"\d+", name)[0]) for name in convolutions)
    for name in convolutions:
        if int(re.findall(r"\d+", name)[0]) == last:
            tensors[name] = 1e6 * tensors[name]
    save_file(tensors, file, {"format": "pt"})
    return folder


def test_all_codebooks_of_the_checkpoint_are_generated_unless_a_job_asks_for_fewer(checkpoint: Path) -> None:
    by_default, all_of_them = (
        MarvisSpeech.load(settings(checkpoint, codebooks=codebooks), voices()) for codebooks in (None, 8)
    )
    one, other = (speak(model, Utterance(0, "Hi."))[0] for model in (by_default, all_of_them))
    np.testing.assert_array_equal(samples(one), samples(other))
    with pytest.raises(ModelError, match="codebooks is 16; this model has 8"):
        MarvisSpeech.load(settings(checkpoint, codebooks=16), voices())


def test_a_jobs_settings_make_a_model_with_the_users_voices(checkpoint: Path, tmp_path: Path) -> None:
    wav = write(tmp_path / "own", "ann", recording(), None)
    ann = VoicePromptConfig(audio=wav, transcript="Good day.", mode="context")
    model = MarvisSpeech.load(settings(checkpoint), voices("ann", "reader", ann=ann))
    assert model.voices.names == ("ann", "conversational_a", "reader")
    assert isinstance(speak(model, Utterance(0, "Hi.", voice="ann"))[0], Speech)


def test_voices_that_cannot_be_used_stop_the_job_before_it_begins(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nearest names are reader"):
        MarvisSpeech.load(settings(checkpoint), voices("readr"))
    short = VoicePromptConfig(audio=write(tmp_path / "own", "ann", recording(1.0), None), transcript="Hi.")
    with pytest.raises(ModelError, match=r"'ann': its audio is 1\.0 s, too short"):
        MarvisSpeech.load(settings(checkpoint), voices(ann=short))
    german = VoicePromptConfig(
        audio=write(tmp_path / "own", "uwe", recording(), None), transcript="Guten Tag.", language="de"
    )
    with pytest.raises(ModelError, match="'uwe' is in de, and en is to be spoken"):
        MarvisSpeech.load(settings(checkpoint), voices(uwe=german))


def with_prompts(checkpoint: Path, folder: Path) -> Path:
    """The checkpoint with an empty `prompts/` of its own."""
    shutil.copytree(checkpoint, folder)
    shutil.rmtree(folder / "prompts")
    (folder / "prompts").mkdir()
    return folder


def test_a_default_voice_that_cannot_be_used_stops_the_job_before_it_begins(checkpoint: Path, tmp_path: Path) -> None:
    folder = with_prompts(checkpoint, tmp_path / "model")
    (folder / "prompts" / "bad.wav").write_bytes(b"no audio")
    (folder / "prompts" / "bad.txt").write_text("Hello.")
    with pytest.raises(InputError, match=r"bad\.wav"):
        MarvisSpeech.load(settings(folder), voices())
    ann = VoicePromptConfig(audio=write(tmp_path / "own", "ann", recording(), None), transcript="Good day.")
    MarvisSpeech.load(settings(folder), voices(ann=ann))


def test_a_voice_that_fills_the_models_context_stops_the_job_before_it_begins(checkpoint: Path, tmp_path: Path) -> None:
    long = VoicePromptConfig(
        audio=write(tmp_path / "own", "ann", recording(20.0), None), transcript="Good day. " * 10, mode="match"
    )
    with pytest.raises(ModelError, match=r"voice 'ann': text and voice prompt take .* shorten the voice prompt"):
        MarvisSpeech.load(settings(checkpoint), voices(ann=long))


def test_a_codec_with_too_few_codebooks_stops_the_job_before_it_begins(checkpoint: Path, tmp_path: Path) -> None:
    codec = write_mimi(tmp_path / "codec", num_quantizers=4)
    with pytest.raises(ModelError, match=r"the codec has 4 codebooks, and 8 are .*tts\.codec=\.\.\.$"):
        MarvisSpeech.load(settings(checkpoint, codec=str(codec)), voices())


def test_users_voices_speak_where_none_is_named(checkpoint: Path, tmp_path: Path) -> None:
    prompt = PromptFiles(write(tmp_path / "own", "ann", recording(), None), "Good day.")
    own = MarvisSpeech.open(str(checkpoint), device="cpu", slots=1, max_frames=3, prompts={"ann": prompt})
    record = speak(own, Utterance(0, "Hi."))[0]
    assert isinstance(record, Speech)
    assert record.utterance.voice == "ann"


def test_speech_says_which_voice_really_spoke(model: MarvisSpeech) -> None:
    for speaker in (model, LongTextSpeech(model, 20)):
        text = "One two three. Four five six. Seven."
        records = list(speaker.speak([Utterance(0, text), Utterance(1, text, voice="reader")]))
        spoken = {r.utterance.index: r.utterance for r in records if isinstance(r, Speech)}
        assert (spoken[0].voice, spoken[1].voice) == ("conversational_a", "reader")
        assert (spoken[0].text, spoken[0].part) == (text, 0)


def test_a_checkpoints_voice_without_its_text_is_left_out_with_a_warning(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_prompts(checkpoint, tmp_path / "model")
    write(folder / "prompts", "conversational_a", recording(), None)
    write(folder / "prompts", "reader", recording(), "Once upon a time.")
    model = MarvisSpeech.load(settings(folder), voices())
    assert model.voices.default == "reader"
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the voice 'conversational_a' is left out"
    ]
    assert "conversational_a.txt is missing" in caplog.text
    with pytest.raises(ModelError, match=r"conversational_a\.txt .*no such file"):
        MarvisSpeech.load(settings(folder), voices("conversational_a"))


def test_a_checkpoint_without_voices_has_those_of_the_repository_that_its_config_names(
    tmp_path: Path, hub: Path
) -> None:
    folder = write_checkpoint(tmp_path / "model", config=tiny_config(text_tokenizer="org/voiced"))
    shared = write_tokenizer(downloaded(hub, "org/voiced"))
    write(shared / "prompts", "conversational_b", recording(3.0), "Hello.")
    write(shared / "prompts", "conversational_a", recording(3.2), "Hello there.")
    model = MarvisSpeech.load(settings(folder), voices())
    assert (model.voices.names, model.voices.default) == (("conversational_a", "conversational_b"), "conversational_a")
    write(folder / "prompts", "own", recording(3.0), "Good day.")
    assert MarvisSpeech.load(settings(folder), voices()).voices.names == ("own",)


def test_a_checkpoint_that_names_no_repository_has_sesames_voices_whose_words_are_known(
    checkpoint: Path, tmp_path: Path, hub: Path
) -> None:
    prompts = downloaded(hub, "sesame/csm-1b") / "prompts"
    write(prompts, "conversational_a", recording(3.0), None)
    write(prompts, "other", recording(3.0), None)
    model = MarvisSpeech.open(str(with_prompts(checkpoint, tmp_path / "model")), device="cpu", slots=1)
    voice = model.voices.get(None)
    assert voice is not None
    assert voice.transcript.startswith("like revising for an exam")
    with pytest.raises(ModelError, match=r"other\.txt .*no such file"):
        model.voices.get("other")


def test_a_checkpoint_whose_voices_are_not_to_be_had_speaks_in_any_and_says_so(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_prompts(checkpoint, tmp_path / "model")
    model = MarvisSpeech.load(settings(folder), voices())
    assert model.voices.get(None) is None
    assert "brings no voice, and none is to be had from sesame/csm-1b" in caplog.text


def test_a_config_chooses_how_the_checkpoints_voices_are_used_and_whether_one_speaks_unasked(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "m", config=tiny_config(voice_match=False, use_default_voice_prompt=False))
    write(folder / "prompts", "reader", recording(3.0), "Once upon a time.")
    model = MarvisSpeech.load(settings(folder), voices())
    assert model.voices.get(None) is None
    assert getattr(model.voices.get("reader"), "mode", None) == "context"


def test_utterances_are_pulled_only_as_slots_come_free(model: MarvisSpeech) -> None:
    pulled: list[int] = []

    def source() -> Iterator[Utterance]:
        for index in range(100):
            pulled.append(index)
            yield Utterance(index, "Hi.", seed=index)

    stream = model.speak(source())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(pulled) < 20


def test_the_client_speaks_with_a_checkpoint_as_the_documentation_says(checkpoint: Path, tmp_path: Path) -> None:
    client = MarvisTTSClient(str(checkpoint), device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random weights run on
        audio = client.synthesize("Hello world!")
        client.save_wav(audio, tmp_path / "output.wav")
        client.stream_to_file("Hello!", tmp_path / "hello.wav", TTSConfig(sample_rate=22_050, speed=1.0, language="en"))
    assert soundfile.info(tmp_path / "output.wav").samplerate == 24_000
    assert soundfile.info(tmp_path / "hello.wav").samplerate == 22_050


def test_an_engine_is_loaded_with_paths_and_automatic_slots(checkpoint: Path, tmp_path: Path) -> None:
    codec = write_mimi(tmp_path / "codec", num_quantizers=8)
    engine = Marvis.load(checkpoint, "cpu", codec=codec, slots="auto")
    assert (engine.slots, engine.codec.codebooks) == (8, 8)
    with pytest.raises(ModelError, match="slots is 'many'; it is auto, or a number"):
        Marvis.load(checkpoint, "cpu", slots="many")  # type: ignore[arg-type]


def test_a_loaded_codec_with_too_few_codebooks_is_refused_with_what_it_can_do(checkpoint: Path, tmp_path: Path) -> None:
    codec = Codec(TorchMimi.load(write_mimi(tmp_path / "codec", num_quantizers=4)))
    with pytest.raises(ModelError, match="the codec has 4 codebooks, and 8 are to be generated"):
        Marvis.load(checkpoint, "cpu", codec=codec)
    wide = write_checkpoint(tmp_path / "wide", config=tiny_config(codebooks=16), codec_seed=None)
    with pytest.raises(ModelError, match=r"or generate fewer with tts\.codebooks=8"):
        Marvis.load(wide, "cpu", codec=Codec(TorchMimi.load(checkpoint / "mimi")))


def test_a_codec_that_cannot_be_downloaded_can_be_named(tmp_path: Path) -> None:
    bare = write_checkpoint(tmp_path / "bare", codec_seed=None)
    with pytest.raises(ModelError, match=r"the codec: model 'kyutai/mimi'.*tts\.codec=FOLDER"):
        MarvisSpeech.load(settings(bare), voices())


def test_a_codec_that_lies_beside_the_model_as_moshi_or_transformers_has_it_is_the_checkpoints_own(
    tmp_path: Path,
) -> None:
    config = tiny_config()
    csm = transformers_model(random_weights(config), config)
    for folder in (tmp_path / "csm", tmp_path / "moshi"):
        csm.save_pretrained(folder)
        write_tokenizer(folder)
    weights = load_file(tmp_path / "moshi" / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("codec_model.")},
        tmp_path / "moshi" / "anything.safetensors",
    )
    (tmp_path / "moshi" / "model.safetensors").unlink()
    write_moshi_mimi(tmp_path / "moshi", csm.codec_model)
    codes = np.random.default_rng(0).integers(0, 32, (8, 6))
    expected = Codec(TorchMimi(csm.codec_model)).decode([codes])[0]
    for name in ("csm", "moshi"):
        assert np.array_equal(Marvis.load(tmp_path / name, "cpu").codec.decode([codes])[0], expected)


def test_a_request_without_a_text_fails_alone(checkpoint: Path) -> None:
    engine = Marvis.load(checkpoint, "cpu", slots=2)
    requests = [SpeechRequest("Hi."), SpeechRequest(None), SpeechRequest("Yes.")]  # type: ignore[arg-type]
    records = {
        r.index if isinstance(r, Failure) else r.utterance.index: r for r in engine.speak(requests, max_frames=3)
    }
    assert [type(records[index]) for index in range(3)] == [Speech, Failure, Speech]
    assert "the text to speak is None, not a string" in str(records[1])
    with pytest.raises(ModelError, match="request 1: the text to speak is None"):
        engine.generate_codes(requests)


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the CPU resample takes as CUDA does."""

    def resampler(_runners: TorchRunners, from_rate: int, to_rate: int) -> BatchResampler:
        return BatchResampler(from_rate, to_rate, "cpu")

    monkeypatch.setattr(TorchRunners, "resampler", resampler)


@pytest.mark.usefixtures("on_a_gpu")
def test_on_a_gpu_takes_come_at_the_rate_that_was_asked_for_as_soxr_would_make_them(checkpoint: Path) -> None:
    utterance = Utterance(0, "Hello there.", seed=3)
    plain = samples(speak(MarvisSpeech.load(settings(checkpoint), voices()), utterance)[0])
    model = MarvisSpeech.load(settings(checkpoint, sample_rate=16_000), voices())
    [record] = speak(model, utterance).values()
    meant = np.clip(resample(plain, 24_000, 16_000), -1, 1)
    assert isinstance(record, Speech)
    assert (record.sampling_rate, model.sample_rate) == (16_000, 16_000)
    assert np.square(record.samples - meant).mean() < 1e-3 * np.square(meant).mean()
    assert AdjustedSpeech.around(model, sample_rate=16_000) is model


@pytest.mark.usefixtures("on_a_gpu")
def test_a_stream_has_that_rate_as_well(checkpoint: Path) -> None:
    utterance = Utterance(0, "Hello there.", seed=3)
    model = MarvisSpeech.load(settings(checkpoint, sample_rate=16_000), voices())
    streamed = np.concatenate(list(model.stream(utterance)))
    assert len(streamed) == pytest.approx(len(samples(speak(model, utterance)[0])), abs=1)


@pytest.mark.parametrize("rate", [None, 24_000, 16_000])
def test_on_a_cpu_takes_keep_the_rate_of_the_codec_for_soxr_to_change(checkpoint: Path, rate: int | None) -> None:
    assert MarvisSpeech.load(settings(checkpoint, sample_rate=rate), voices()).sample_rate == 24_000
