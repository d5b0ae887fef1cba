"""Ctrl-C at every moment of a chat: it never ends one, and never loses what was said."""

from __future__ import annotations

import json
import signal

import pexpect
import pyarrow.parquet as pq
import pytest

from tests.chat_terminal import Talker, Terminal, with_server
from tests.openai_server import serving

FAKE = ("--preset", "fake", "--voice", "ann")
# Audit events of Python: a file is opened for writing, a temporary one takes its place.
WRITES = "event in ('open', 'os.rename') and {name!r} in str(args[:2])"


def said(path):
    return [json.loads(line)["content"] for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(WRITES.format(name="talk.jsonl"), id="while the conversation is saved"),
        pytest.param(WRITES.format(name="response_"), id="while an answer's WAV is written"),
        pytest.param(WRITES.format(name="recorded"), id="while the answer is recorded"),
        pytest.param(WRITES.format(name="chat_history"), id="while a line is taken"),
    ],
)
def test_at_no_moment_does_ctrl_c_end_the_chat_or_lose_a_word(tmp_path, moment):
    flags = (*FAKE, "--record", "recorded")
    terminal = Terminal(tmp_path, flags=flags, pressing=f"{moment} and os.path.exists('begun')").ready()
    (tmp_path / "begun").touch()
    assert "assistant: One." in terminal.say("One.")
    assert "assistant: Two." in terminal.say("Two.")
    assert "saved 2 turns" in terminal.say("/save talk.jsonl")
    assert said(tmp_path / "talk.jsonl")[-4:] == ["One.", "One.", "Two.", "Two."]
    assert terminal.leave("/exit\r") == 0
    rows = pq.read_table(tmp_path / "recorded" / "manifest.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert len(list((tmp_path / "outputs" / "chat").glob("*.wav"))) == 2


def test_a_signal_at_the_prompt_does_not_end_the_chat(tmp_path):
    terminal = Terminal(tmp_path, *FAKE).ready()
    terminal.say("One.")
    terminal.type("Tw")
    terminal.screen("Tw")
    terminal.kill(signal.SIGINT)
    assert "assistant: Two." in terminal.say("o.")
    assert "you: One." in terminal.say("/history")
    assert terminal.leave() == 0


def test_while_the_models_load_ctrl_c_ends_the_command_in_one_line(tmp_path):
    terminal = Terminal(tmp_path, *FAKE, pressing="event == 'import' and args[0] == 'voicegen.voicechat.pipeline'")
    terminal.screen("voicegen: interrupted", pexpect.EOF)
    assert terminal.ended() == 130


def test_while_the_chat_closes_ctrl_c_loses_nothing_that_was_kept(tmp_path):
    flags = (*FAKE, "--record", "recorded")
    # once, when the recording's lock is given back
    pressing = "event == 'fcntl.flock' and os.path.exists('leaving') and not os.unlink('leaving')"
    terminal = Terminal(tmp_path, flags=flags, pressing=pressing).ready()
    assert "assistant: One." in terminal.say("One.")
    (tmp_path / "leaving").touch()
    terminal.type("/exit\r")
    terminal.screen("voicegen: interrupted")
    assert terminal.ended() == 130

    again = Terminal(tmp_path, flags=flags).ready()
    assert "assistant: Two." in again.say("Two.")
    assert again.leave() == 0
    rows = pq.read_table(tmp_path / "recorded" / "manifest.parquet").to_pylist()
    assert [(row["question"], row["status"]) for row in rows] == [("One.", "ok"), ("Two.", "ok")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_other_signals_end_a_chat_at_the_prompt_and_in_an_answer(tmp_path, number):
    talker = Talker()
    with serving(talker) as server:
        terminal = Terminal(tmp_path, *with_server(server)).ready()
        terminal.kill(number)
        assert terminal.ended() == 130

        terminal = Terminal(tmp_path, *with_server(server)).ready()
        terminal.ask("count")
        terminal.screen("one more, one more")
        terminal.kill(number)
        assert terminal.ended() == 130
