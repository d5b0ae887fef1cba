"""The chat as a user meets it: a process in a pseudo-terminal, keys going in and a screen coming out."""

from __future__ import annotations

import re
import time

import pexpect
import pytest

from tests.chat_terminal import CTRL_D, LEFT, PROMPT, SECONDS, TAKEN, UP, Talker, Terminal, with_server
from tests.openai_server import serving
from voicegen.audio.audio_file import read_audio


@pytest.fixture
def talker():
    return Talker()


@pytest.fixture
def server(talker):
    with serving(talker) as server:
        yield server
        talker.left.set()
        talker.go_on.set()
        talker.over.set()


def test_typing_streaming_interrupting_and_every_command(tmp_path, server, talker):
    flags = ("--chat-model", "m", "--max-tokens", "50", "--system-prompt", "Be brief, {please}.", "--voice", "ann")
    terminal = Terminal(tmp_path, *flags, *with_server(server)).ready()

    shown = terminal.say("hello")
    assert "assistant: You said hello. That is all." in shown
    assert re.search(r"first token \d+\.\d+ s, first audio \d+\.\d+ s, .*\naudio .* times real time: outputs/", shown)
    saved = re.search(r"outputs/chat/response_\d{8}_\d{6}\.wav", shown)
    assert len(read_audio(tmp_path / saved[0])[0])
    body = server.requests[-1].body
    assert (body["model"], body["max_tokens"]) == ("m", 50)
    assert [message["content"] for message in body["messages"]] == ["Be brief, {please}.", "hello"]

    terminal.ask("wait")
    terminal.screen("Before.")  # on the screen while the server has not said the rest
    talker.go_on.set()
    assert "After it." in terminal.until_prompt()

    terminal.ask("count")
    terminal.screen("one more, one more")
    terminal.interrupt()
    assert "(interrupted)" in terminal.until_prompt()
    assert talker.left.wait(SECONDS)  # the request was closed too
    assert "You said on." in terminal.say("on")
    assert "one more" in server.requests[-1].body["messages"][-2]["content"]

    terminal.type("never sent")
    terminal.interrupt()
    terminal.screen(TAKEN, PROMPT)
    assert "You said hello." in terminal.say(f"helo{LEFT}l")  # editing in the line

    history = terminal.say("/history")
    assert "you: wait" not in terminal.say("/clear")
    assert "assistant: You said on." in history
    assert "(interrupted)" in history
    assert "forgotten" not in terminal.say("/history")
    assert "voice: eve" in terminal.say("/voice eve")
    assert "system prompt: Be odd." in terminal.say("/system Be odd.")
    assert "You said four." in terminal.say("four")
    assert [message["content"] for message in server.requests[-1].body["messages"]] == ["Be odd.", "four"]
    assert "You said four." in terminal.say("/retry")
    assert [message["content"] for message in server.requests[-1].body["messages"]] == ["Be odd.", "four"]
    assert "saved 1 turn to talk.jsonl" in terminal.say("/save talk.jsonl")
    terminal.type("/sa\t")  # Tab completes the command, then the file
    terminal.screen("ve")
    terminal.type(" tal\t")
    terminal.screen("k.jsonl")
    assert "saved 1 turn to talk.jsonl" in terminal.say("")
    assert len((tmp_path / "talk.jsonl").read_text().splitlines()) == 3
    assert "/system TEXT" in terminal.say("/help")
    assert "did you mean /history?" in terminal.say("/histori")
    assert terminal.leave("/exit\r") == 0

    again = Terminal(tmp_path, *with_server(server)).ready()
    assert "did you mean /history?" in again.say(UP + UP)  # the lines of the last chat are there
    assert again.leave(CTRL_D) == 0


@pytest.mark.parametrize("silence", ["hang", "stall", "busy"])
def test_one_ctrl_c_is_enough_while_the_server_says_nothing(tmp_path, server, talker, silence):
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m").ready()
    terminal.ask(silence)
    terminal.screen({"hang": "", "stall": "Begun.", "busy": "the server asks to wait"}[silence])
    assert talker.came.wait(SECONDS)
    pressed = time.monotonic()
    terminal.interrupt()
    assert "(interrupted)" in terminal.until_prompt()
    assert time.monotonic() - pressed < 20
    assert "You said on." in terminal.say("on")
    said = [message["content"].strip() for message in server.requests[-1].body["messages"]]
    assert said[1:] == (["stall", "Begun.", "on"] if silence == "stall" else ["on"])
    assert terminal.leave(CTRL_D) == 0


def test_ctrl_d_during_an_answer_leaves_when_it_is_over(tmp_path, server, talker):
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m").ready()
    terminal.ask("wait")
    terminal.screen("Before.")
    terminal.type(CTRL_D)
    talker.go_on.set()
    terminal.screen("After it.", pexpect.EOF)


def test_a_line_typed_during_an_answer_is_the_next_question(tmp_path, server, talker):
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m").ready()
    terminal.ask("wait")
    terminal.screen("Before.")
    terminal.type("next\r")
    talker.go_on.set()
    assert "next" not in terminal.until_prompt()
    terminal.screen("You said next.")
    terminal.screen(PROMPT)
    assert terminal.leave(CTRL_D) == 0


def test_the_starter_models_answer_aloud_and_stop_when_they_are_told_to(tmp_path):
    terminal = Terminal(tmp_path, "--max-tokens", "400").ready()
    shown = terminal.say("What is the capital of France?")
    assert "Paris" in shown
    saved = re.search(r"outputs/chat/response_\d{8}_\d{6}\.wav", shown)
    samples, rate = read_audio(tmp_path / saved[0])
    assert len(samples) > rate / 2
    assert abs(samples).max() > 0.05

    terminal.ask("Tell me a very long story about a dog, a cat and a bird.")
    terminal.screen("assistant: ", " ")
    terminal.interrupt()
    shown = terminal.until_prompt()
    assert "(interrupted)" in shown
    assert "response_" not in shown
    assert "(interrupted)" in terminal.say("/history")
    assert terminal.leave(CTRL_D) == 0
