"""A run whose audio is FLAC is a run like any other: it is gone on with, verified and loaded."""

import os

import numpy as np
import pytest
import soundfile

import voicegen
from tests.product import manifest_rows, questions_csv, wav_hashes
from voicegen.cli import main
from voicegen.errors import OutputError
from voicegen.tts.tone import ToneSpeech

WORDS = ("preset=fake", "quality=off", "questions.path=q.csv", "chat.num_answers=1")


class Reluctant(ToneSpeech):
    """Hums; the take of row 2 is no good until it is drawn again."""

    cut = True

    def speak(self, utterances):
        import dataclasses

        for record in super().speak(utterances):
            bad = self.cut and record.utterance.index == 2
            yield dataclasses.replace(record, finish_reason="length" if bad else "stop")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    voice = Reluctant(8000, duration=0.1)
    monkeypatch.setattr("voicegen.build.speech_model", lambda config: voice)
    questions_csv(tmp_path / "q.csv", 6)

    def run(*words, cut=True):
        voice.cut = cut
        return voicegen.run(*WORDS, *words)

    return run


def test_the_samples_are_those_of_the_wavs_and_only_the_names_and_bytes_differ(run, tmp_path):
    run("name=w")
    run("name=f", "tts.format=flac")
    wavs, flacs = (manifest_rows(tmp_path / "outputs" / name) for name in "wf")
    assert [row["audio_path"] for row in flacs] == [row["audio_path"].replace(".wav", ".flac") for row in wavs]
    assert flacs[2]["audio_path"] == "rejected/000002.flac"
    for wav, flac in zip(wavs, flacs, strict=True):
        told = "duration", "num_samples", "sampling_rate", "peak", "status"
        assert [wav[name] for name in told] == [flac[name] for name in told]
        of_wav, _ = soundfile.read(tmp_path / "outputs" / "w" / wav["audio_path"], dtype="int16")
        of_flac, _ = soundfile.read(tmp_path / "outputs" / "f" / flac["audio_path"], dtype="int16")
        assert np.array_equal(of_wav, of_flac)
    assert voicegen.load_manifest(tmp_path / "outputs" / "f")[0].waveform.shape == (800,)


def test_files_that_are_gone_or_cut_are_made_again_the_same_and_nothing_else_is(run, tmp_path):
    run("name=f", "tts.format=flac")
    folder = tmp_path / "outputs" / "f"
    before, times = wav_hashes(folder), (folder / "audio" / "000000.flac").stat().st_mtime_ns
    (folder / "audio" / "000001.flac").unlink()
    os.truncate(folder / "audio" / "000003.flac", 50)
    assert run("name=f", "tts.format=flac").session_rows == 2
    assert wav_hashes(folder) == before
    assert (folder / "audio" / "000000.flac").stat().st_mtime_ns == times


def test_a_good_take_takes_the_rejected_file_out(run, tmp_path):
    run("name=f", "tts.format=flac")
    run("name=f", "tts.format=flac", "retry_failed=true", cut=False)
    assert not list((tmp_path / "outputs" / "f" / "rejected").iterdir())
    assert manifest_rows(tmp_path / "outputs" / "f")[2]["audio_path"] == "audio/000002.flac"


def test_a_run_keeps_to_its_format(run):
    run("name=f", "tts.format=flac")
    with pytest.raises(OutputError, match=r'tts\.format: "flac" then'):
        run("name=f")


def test_verify_knows_the_format_and_finds_what_is_of_another(run, tmp_path, capsys):
    run("name=f", "tts.format=flac")
    folder = tmp_path / "outputs" / "f"
    assert main(["verify", str(folder)]) == 0
    samples, rate = soundfile.read(folder / "audio" / "000001.flac")
    soundfile.write(folder / "audio" / "000001.wav", samples, rate)
    (folder / "audio" / "000003.flac").write_bytes(b"fLaC")
    capsys.readouterr()
    assert main(["verify", str(folder), "--fix"]) == 3
    told = capsys.readouterr().out
    assert "audio files without a row: 1: audio/000001.wav (row 1: the row has audio/000001.flac)" in told
    assert "audio files that are not as they were written: 1: audio/000003.flac" in told
    run("name=f", "tts.format=flac")
    assert main(["verify", str(folder)]) == 0
