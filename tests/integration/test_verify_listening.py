"""A finished run of the starter voice, listened to anew by a real recognizer: the one clip that says another text."""

import json
from dataclasses import asdict

import pytest

import voicegen
from voicegen.audio.audio_file import encode_clip
from voicegen.cli import main
from voicegen.records import Utterance
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import speak_one

TEXTS = (
    "The old bridge over the river was closed for most of the winter.",
    "Bread is best on the day that it is baked, and while it is warm.",
)
LISTENED_TO = (
    "preset=fake",
    "tts=piper",
    "quality=strict",
    "quality.checks.recognition.recognizer=whisper-tiny.en",
    "questions.path=q.jsonl",
    "name=r",
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of two rows, both of which were heard to say their texts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text("".join(f"{json.dumps({'question': text})}\n" for text in TEXTS), "utf-8")
    summary = voicegen.run(*LISTENED_TO)
    assert summary.ok == len(TEXTS)
    return summary.output_dir


def listened(run, capsys):
    """The exit code, and the lines that are printed."""
    capsys.readouterr()
    exit_code = main(["verify", str(run), "--listen"])
    return exit_code, capsys.readouterr().out.splitlines()


def with_a_clip_that_says(run, index, text):
    """As if the voice had said that and the run had taken it for good: on record with its true hash."""
    (path,) = (run / "ledger").iterdir()
    rows = {row["index"]: row for row in map(json.loads, path.read_text("utf-8").splitlines())}
    name = rows[index]["clip"]["path"]
    clip, data = encode_clip(speak_one(PiperSpeech.load("joe"), Utterance(index, text)), index, name)
    (run / name).write_bytes(data)
    rows[index]["clip"] = asdict(clip)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows.values()), "utf-8")


def test_listening_anew_finds_the_one_clip_that_says_another_text_and_holds_no_other_for_bad(run, capsys):
    with_a_clip_that_says(run, 1, "Copper wires carry electric current very well, and so does silver.")
    exit_code, told = listened(run, capsys)
    assert exit_code == 3
    (line,) = (line for line in told if line.startswith("audio files that fall short"))
    assert line.startswith("audio files that fall short of the checks: 1: audio/000001.wav (row 1: ")
    assert "some of its words are not in it" in line
