"""The chat as a user meets it: a process in a pseudo-terminal, keys going in and a screen coming out."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from platformdirs import user_cache_path

from tests.openai_server import Exchange, ScriptedServer, fails, piece, serving
from tests.product import command, environment
from voicegen.audio.wav import read_wav

SECONDS = 120
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
CTRL_D, UP, LEFT = "\x04", "\x1b[A", "\x1b[D"
PROMPT, TAKEN = "\x1b[?2004h", "\x1b[?2004l"  # pasting in brackets goes on with a prompt, and off when a line is taken


class Talker:
    """A server that answers `You said ...` in pieces; `count` goes on until the client leaves."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.came = threading.Event()
        self.over = threading.Event()
        self.left = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.question == "hang":
            self.came.set()
            self.over.wait(SECONDS)
            return
        if exchange.question == "busy":
            self.came.set()
            fails(429, Retry_After="100")(exchange)
            return
        exchange.send_events(done=False)
        for event in self._events(exchange.question):
            exchange.handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def _events(self, question: str) -> Iterator[dict]:
        if question == "count":
            yield from self._endless()
        if question == "stall":
            self.came.set()
            yield piece(content="Begun. ")
            self.over.wait(SECONDS)
        elif question == "wait":
            yield piece(content="Before. ")
            assert self.go_on.wait(SECONDS)
            yield piece(content="After it.")
        else:
            for word in f"You said {question}. That is all.".split(" "):
                yield piece(content=word + " ")
        yield piece(finish="stop")

    def _endless(self) -> Iterator[dict]:
        try:
            while not self.left.wait(0.01):
                yield piece(content="one more, ")
        finally:
            self.left.set()


class Terminal:
    """The chat in a pseudo-terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        home = {
            "HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(user_cache_path()),  # where models lie converted
        }
        program, *arguments = command("chat", "--stream", *words)
        self._process = pexpect.spawn(
            program,
            arguments,
            cwd=str(folder),
            env={**environment(), **home, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"},
            encoding="utf-8",
            timeout=SECONDS,
            dimensions=(50, 200),
        )
        self.screen("Ctrl-D leaves", PROMPT)

    def type(self, keys: str) -> None:
        self._process.send(keys)

    def ask(self, line: str) -> None:
        """Types a line, and waits until it is taken."""
        self.type(f"{line}\r")
        self.screen(TAKEN)

    def say(self, line: str) -> str:
        """Types a line, and gives what is on the screen until the next prompt."""
        self.ask(line)
        return self.until_prompt()

    def screen(self, *expected: str) -> None:
        for text in expected:
            self._process.expect_exact(text)

    def until_prompt(self) -> str:
        self.screen(PROMPT)
        return ESCAPES.sub("", self._process.before)

    def interrupt(self) -> None:
        self._process.sendintr()

    def leave(self, keys: str = CTRL_D) -> int:
        self.type(keys)
        self._process.expect(pexpect.EOF)
        self._process.close()
        return self._process.exitstatus


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


def with_server(server: ScriptedServer) -> list[str]:
    return ["chat=openai", "chat.model=m", f"chat.base_url={server.base_url}", "tts=tone"]


def test_typing_streaming_interrupting_and_every_command(tmp_path, server, talker):
    flags = ("--chat-model", "m", "--max-tokens", "50", "--system-prompt", "Be brief, {please}.", "--voice", "ann")
    terminal = Terminal(tmp_path, *flags, *with_server(server))

    shown = terminal.say("hello")
    assert "assistant: You said hello. That is all." in shown
    assert re.search(r"first token \d+\.\d+ s, first audio \d+\.\d+ s, .* times real time", shown)
    saved = re.search(r"outputs/chat/response_\d{8}_\d{6}\.wav", shown)
    assert len(read_wav(tmp_path / saved[0])[0])
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

    again = Terminal(tmp_path, *with_server(server))
    assert "did you mean /history?" in again.say(UP + UP)  # the lines of the last chat are there
    assert again.leave(CTRL_D) == 0


@pytest.mark.parametrize("silence", ["hang", "stall", "busy"])
def test_one_ctrl_c_is_enough_while_the_server_says_nothing(tmp_path, server, talker, silence):
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m")
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
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m")
    terminal.ask("wait")
    terminal.screen("Before.")
    terminal.type(CTRL_D)
    talker.go_on.set()
    terminal.screen("After it.", pexpect.EOF)


def test_a_line_typed_during_an_answer_is_the_next_question(tmp_path, server, talker):
    terminal = Terminal(tmp_path, *with_server(server), "--chat-model", "m")
    terminal.ask("wait")
    terminal.screen("Before.")
    terminal.type("next\r")
    talker.go_on.set()
    assert "next" not in terminal.until_prompt()
    terminal.screen("You said next.")
    terminal.screen(PROMPT)
    assert terminal.leave(CTRL_D) == 0


def test_the_starter_models_answer_aloud_and_stop_when_they_are_told_to(tmp_path):
    terminal = Terminal(tmp_path, "--max-tokens", "400")
    shown = terminal.say("What is the capital of France?")
    assert "Paris" in shown
    saved = re.search(r"outputs/chat/response_\d{8}_\d{6}\.wav", shown)
    samples, rate = read_wav(tmp_path / saved[0])
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
