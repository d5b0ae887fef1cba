"""What a run's files say of where they come from, as others' tools read it."""

import json

import mutagen.flac
import numpy as np
import pytest
import soundfile

import voicegen
from tests.product import manifest_rows, questions_csv
from voicegen.audio.origin import DIGITAL_SOURCE_TYPE
from voicegen.cli import main
from voicegen.tts.client import MarvisTTSClient
from voicegen.tts.tone import ToneSpeech

FAKE = ("preset=fake", "quality=off", "questions.path=q.csv")


@pytest.fixture(autouse=True)
def questions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 3)


def facts(path):
    return json.loads(soundfile.SoundFile(path).copy_metadata()["comment"])


def test_every_file_of_a_run_names_its_models_its_run_and_its_row(tmp_path):
    voicegen.run(*FAKE, "name=r")
    folder = tmp_path / "outputs" / "r"
    record = json.loads((folder / "run.json").read_text())
    for row in range(3):
        told = facts(folder / "audio" / f"{row:06d}.wav")
        assert (told["synthetic"], told["row"], told["run"]) == (True, row, record["config_hash"])
        assert (told["tts_model"], told["chat_model"]) == ("tone", "echo")


def test_flacs_are_marked_too(tmp_path):
    voicegen.run(*FAKE, "name=r", "tts.format=flac")
    tags = mutagen.flac.FLAC(tmp_path / "outputs" / "r" / "audio" / "000001.flac").tags
    assert json.loads(tags["comment"][0])["row"] == 1


def test_the_same_settings_give_the_same_bytes_in_another_folder(tmp_path):
    for name in ("a", "b"):
        voicegen.run(*FAKE, f"name={name}")
    a, b = ((tmp_path / "outputs" / name / "audio" / "000002.wav").read_bytes() for name in ("a", "b"))
    assert a == b


def test_ready_answers_are_not_said_to_be_a_models(tmp_path):
    (tmp_path / "qa.csv").write_text("question,reply\nWho?,Nobody at all.\n")
    voicegen.run("tts=tone", "quality=off", "questions.path=qa.csv", "questions.answer_column=reply", "name=r")
    assert "chat_model" not in facts(tmp_path / "outputs" / "r" / "audio" / "000000.wav")


def test_the_runs_record_says_the_same_of_all_files_and_licences_are_columns(tmp_path):
    voicegen.run("tts=piper", "chat=echo", "quality=off", "questions.path=q.csv", "name=r")
    folder = tmp_path / "outputs" / "r"
    record = json.loads((folder / "run.json").read_text())
    assert record["provenance"] == {
        "synthetic": True,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "licences": {"chat": None, "tts": "cc0-1.0"},
        "voices": {},
    }
    row = manifest_rows(folder)[0]
    assert (row["tts_licence"], row["voice_licence"], row["chat_licence"]) == ("cc0-1.0", "cc0-1.0", None)


def test_consent_to_a_voice_is_copied_and_may_be_given_later(tmp_path):
    soundfile.write(tmp_path / "ann.wav", np.zeros(16_000), 16_000)
    voice = "{audio: ann.wav, transcript: Hello there."
    words = (*FAKE, "name=r", "voice.names=[ann]")
    voicegen.run(*words, f"voice.prompts={{ann: {voice}}}}}")
    folder = tmp_path / "outputs" / "r"
    assert {row["voice_consent"] for row in manifest_rows(folder)} == {None}
    again = voicegen.run(*words, f"voice.prompts={{ann: {voice}, consent: 'signed, 2026'}}}}")
    assert again.session_rows == 0
    assert {row["voice_consent"] for row in manifest_rows(folder)} == {"signed, 2026"}
    assert {row["voice_licence"] for row in manifest_rows(folder)} == {None}
    record = json.loads((folder / "run.json").read_text())
    assert record["provenance"]["voices"] == {"ann": {"consent": "signed, 2026"}}


def test_synth_and_python_mark_what_they_make(tmp_path):
    assert main(["synth", "--text", "Hello.", "tts=tone", "quality=off"]) == 0
    told = facts(tmp_path / "outputs" / "synth" / "000000.wav")
    assert (told["synthetic"], told["tts_model"], told["row"]) == (True, "tone", 0)
    tts = MarvisTTSClient(model=ToneSpeech(8000))
    audio = tts.synthesize("Hello.", voicegen.TTSConfig(quality="off"))
    assert facts(tts.save_wav(audio[: len(audio) // 2], "half.wav"))["tts_model"] == "tone"
    assert facts(tts.save_wav(next(iter(tts.stream("Hello."))), "piece.wav"))["synthetic"] is True
    tts.save_wav(np.zeros(10, np.float32), "own.wav", sample_rate=8000)
    assert soundfile.SoundFile("own.wav").copy_metadata() == {}
