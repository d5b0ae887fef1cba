"""Resemblyzer's voice encoder from its wheel, on what two of Kokoro's voices say."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import soundfile

from tests.takes import syllables
from voicegen import build
from voicegen.audio.resample import resample
from voicegen.errors import ConfigError
from voicegen.job.composing import compose
from voicegen.job.run_job import identity_of
from voicegen.quality.checks import similarity
from voicegen.quality.listener import Listener
from voicegen.quality.voice_encoder import VoiceEncoder
from voicegen.records import Utterance
from voicegen.tts.kokoro.speech import KokoroSpeech

WOMAN, MAN = "jf_alpha", "jm_kumo"
ON = "+quality/checks=similarity"


@pytest.fixture(scope="module")
def takes():
    """A recording of the woman, and a sentence by her and by the man."""
    texts = (
        ("The quick brown fox jumps over the lazy dog.", WOMAN),
        ("Nobody knew whether it would rain today.", WOMAN),
        ("Nobody knew whether it would rain today.", MAN),
    )
    spoken = KokoroSpeech.load("kokoro-82m", threads=2).speak(
        Utterance(place, text, voice) for place, (text, voice) in enumerate(texts)
    )
    return sorted(spoken, key=lambda take: take.utterance.index)


@pytest.fixture(scope="module")
def recording(takes, tmp_path_factory):
    path = tmp_path_factory.mktemp("voices") / "woman.wav"
    soundfile.write(path, takes[0].samples, takes[0].sampling_rate)
    return path


@pytest.fixture(scope="module")
def measure(recording):
    check = similarity.SPEC.make(similarity.SimilaritySettings(rules={}, recordings={WOMAN: recording}))
    return lambda takes: [scores["voice_similarity"] for scores in check(takes)]


def in_place_of(take, other):
    return replace(take, utterance=replace(take.utterance, voice=other))


def test_the_voice_of_the_recording_is_above_the_bound_and_another_below(takes, recording):
    quality = compose(["quality=off", ON, f"quality.checks.similarity.recordings={{{WOMAN}: {recording}}}"]).quality
    with Listener(quality) as listener:
        right, wrong, unknown = listener.hear([takes[1], in_place_of(takes[2], WOMAN), takes[2]])
    assert right.verdict.status == "ok"
    assert right.scores["voice_similarity"] > 0.8
    assert wrong.scores["voice_similarity"] < 0.65
    assert "it has another voice (voice_similarity" in wrong.verdict.reason
    assert (unknown.verdict.status, unknown.scores["voice_similarity"]) == ("ok", None)


def test_company_rate_loudness_and_silence_change_little(takes, measure):
    take = takes[1]
    samples, rate = take.samples, take.sampling_rate
    changed = [
        take,
        replace(take, samples=resample(samples, rate, 48_000), sampling_rate=48_000),
        replace(take, samples=samples * np.float32(0.01)),
        replace(take, samples=np.concatenate([np.zeros(3 * rate, np.float32), samples, np.zeros(rate, np.float32)])),
    ]
    alone = [measure([one])[0] for one in changed]
    assert measure([*changed, takes[0]])[:4] == alone
    assert alone == pytest.approx([alone[0]] * 4, abs=0.03)


def test_of_less_than_a_second_of_speech_nothing_is_said(takes, measure):
    rate = takes[1].sampling_rate
    short = replace(takes[1], samples=takes[1].samples[: rate // 2])
    silent = replace(takes[1], samples=np.zeros(2 * rate, np.float32))
    assert measure([short, silent, replace(short, samples=short.samples[:1])]) == [None, None, None]


@pytest.mark.parametrize("seconds", [1.0, 1.6, 3.0, 4.13])
def test_its_vectors_are_those_of_the_wheels_own_encoder(monkeypatch, takes, seconds):
    """Mel spectra are made here by their definition; the wheel has them from a package that is not installed."""
    audio = ModuleType("resemblyzer.audio")
    audio.preprocess_wav = audio.trim_long_silences = audio.normalize_volume = None
    audio.wav_to_mel_spectrogram = mel_spectrogram
    monkeypatch.setitem(sys.modules, "resemblyzer.audio", audio)
    monkeypatch.setattr("resemblyzer.audio", audio, raising=False)
    from resemblyzer.voice_encoder import VoiceEncoder as Theirs

    samples = np.resize(resample(takes[0].samples, takes[0].sampling_rate, 16_000), round(seconds * 16_000))
    theirs = Theirs("cpu", verbose=False).embed_utterance(samples)
    ours = VoiceEncoder.of(similarity.WEIGHTS.read())
    assert ours.embed(samples) == pytest.approx(theirs, abs=2e-4)


def mel_spectrogram(samples):
    """(frames, 40): power of 25 ms every 10 ms in Slaney's bands, each of area 1 (Auditory Toolbox, 1998)."""
    padded = np.pad(samples, 200)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 400)[::160]
    power = np.abs(np.fft.rfft(frames * np.hanning(401)[:-1])) ** 2
    linear, steps = 200 / 3, np.log(6.4) / 27
    top = 15 + np.log(8000 / 1000) / steps
    mels = np.linspace(0, top, 42)
    edges = np.where(mels < 15, mels * linear, 1000 * np.exp(steps * (mels - 15)))
    hertz = np.linspace(0, 8000, 201)
    bands = [
        np.clip(np.minimum((hertz - low) / (mid - low), (high - hertz) / (high - mid)), 0, None) * 2 / (high - low)
        for low, mid, high in zip(edges, edges[1:], edges[2:], strict=False)
    ]
    return (power @ np.array(bands).T).astype(np.float32)


def test_a_voice_prompt_is_the_recording_of_its_voice_and_what_it_holds_is_part_of_the_run(recording, tmp_path):
    config = compose(["preset=marvis", ON, f"voice.prompts={{ann: {{audio: {recording}, transcript: What.}}}}"])
    assert config.quality.checks.similarity.voices == {"ann": recording}
    identity = identity_of(config, "")
    assert not any("recordings." in key or str(recording) in str(value) for key, value in identity.items())
    other = tmp_path / "other.wav"
    soundfile.write(other, syllables(2.0), 16_000)
    words = [ON, f"quality.checks.similarity.recordings={{joe: {other}}}"]
    first = identity_of(compose(words), "")
    soundfile.write(other, syllables(2.0, seed=1), 16_000)
    assert identity_of(compose(words), "") != first


def test_the_recordings_of_the_questions_voices_are_known_as_well_and_those_of_a_models_own_come_besides(recording):
    ann, bob = (f"{{{name}: {{audio: {recording}, transcript: What.}}}}" for name in ("ann", "bob"))
    job = [ON, f"voice.prompts={ann}", f"voice.question.prompts={bob}"]
    job.append(f"quality.checks.similarity.recordings={{joe: {recording}}}")
    assert compose(job).quality.checks.similarity.voices == dict.fromkeys(("ann", "bob", "joe"), recording)


@pytest.mark.parametrize(
    ("name", "error"),
    [("gone.wav", "recordings.joe=.*gone.wav: "), ("short.wav", "short.wav: it holds less than 1 s of speech")],
)
def test_a_recording_that_cannot_be_used_is_told_before_anything_is_loaded(tmp_path, name, error):
    soundfile.write(tmp_path / "short.wav", syllables(0.6), 16_000)
    with pytest.raises(ConfigError, match=error):
        build.look(compose([ON, f"quality.checks.similarity.recordings={{joe: {tmp_path / name}}}"]))


def test_without_any_recording_it_is_refused():
    with pytest.raises(ConfigError, match=r"similarity knows no voice: give voice.prompts, or a recording"):
        build.look(compose([ON]))
