"""The command of the pipeline's document, with its flags: the models are small, all else is as it stands there."""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.gpt_oss_checkpoint import DIALOGUES, gpt_oss_folder
from voicegen.audio.audio_file import read_audio
from voicegen.cli import voice_chat_cli

QUESTION = "What is MLX?"
ANSWER = DIALOGUES[QUESTION][1]


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty folder; gives its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words, stdin="", models=None):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        small = ("--chat-model", str(gpt_oss_folder()), "--tts-model", "joe")
        code = voice_chat_cli([*(small if models is None else models), *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def settings(cli, *words, models=()):
    return yaml.safe_load(cli(*words, "--cfg", "job", models=models)[1])


def test_it_is_a_command_of_the_package():
    scripts = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["voice-chat-cli"].partition(":")
    words = [sys.executable, "-c", f"from {module} import {name}; {name}()", "--help"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert printed.startswith("voice-chat-cli is voicegen chat")


def test_a_single_query_is_answered_in_writing_and_in_its_own_folder(cli, tmp_path):
    code, out, err = cli("--single", QUESTION)
    assert (code, out) == (0, f"{ANSWER}\n")
    (path,) = (tmp_path / "var" / "voice_chat").glob("response_*.wav")
    samples, rate = read_audio(path)
    assert len(samples) > rate / 2
    assert path.name in err
    assert not (tmp_path / "outputs").exists()


def test_the_flags_of_the_advanced_options(cli, tmp_path):
    flags = ("--max-tokens", "256", "--stream", "--output-dir", "var/my_voice_sessions")
    code, out, _ = cli(*flags, "--system-prompt", "You are a concise assistant. Be brief.", "--single", QUESTION)
    assert (code, out) == (0, f"{ANSWER}\n")
    assert list((tmp_path / "var" / "my_voice_sessions").glob("response_*.wav"))
    assert not (tmp_path / "var" / "voice_chat").exists()
    made = settings(cli, *flags, "--system-prompt", "Be brief.")
    assert (made["chat"]["max_tokens"], made["chat"]["system_prompt"]) == (256, "Be brief.")
    assert made["voicechat"]["stream"] is True


def test_no_save_audio_just_shows_the_text(cli, tmp_path):
    assert cli("--no-save-audio", "--single", QUESTION)[:2] == (0, f"{ANSWER}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_interactive_commands(cli):
    _, out, err = cli("--no-save-audio", stdin=f"{QUESTION}\n/history\n/clear\n/history\n/q\nnever asked\n")
    assert out == f"{ANSWER}\n"
    assert err.count(f"you: {QUESTION}") == err.count(f"assistant: {ANSWER}") == 1  # before /clear, not after it
    for leave in ("/exit", "/quit"):
        assert cli("--no-save-audio", stdin=f"{leave}\nnever asked\n")[:2] == (0, "")


def test_its_models_and_its_folder_are_those_of_the_document_unless_others_are_named(cli):
    made = settings(cli)
    assert (made["tts"]["kind"], made["tts"]["model"]) == ("marvis", "Marvis-AI/marvis-tts-100m-v0.2")
    assert (made["chat"]["kind"], made["chat"]["max_tokens"]) == ("mlx", 512)
    assert (made["output_dir"], made["voicechat"]["stream"]) == ("var/voice_chat", False)
    assert settings(cli, "--chat-model", "mlx-models/gpt-oss-20b-mxfp4")["chat"]["model"].startswith("mlx-models/")
    assert settings(cli, "--preset", "starter")["tts"]["kind"] == "piper"
    assert settings(cli, "output_dir=elsewhere")["output_dir"] == "elsewhere"


def test_models_that_are_both_missing_are_both_named_in_one_line(cli):
    code, _, err = cli("--single", "Hi.", models=("--chat-model", "./no-chat", "--tts-model", "./no-voice"))
    assert code == 2
    (line,) = err.splitlines()
    assert "'./no-chat'" in line
    assert "'./no-voice'" in line


def test_the_help_says_what_it_is(cli):
    code, out, _ = cli("--help", models=())
    assert code == 0
    assert out.startswith("voice-chat-cli is voicegen chat --preset marvis output_dir=var/voice_chat")
    assert "--single TEXT" in out
