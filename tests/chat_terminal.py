"""The chat in a pseudo-terminal, and a server that it talks to."""

from __future__ import annotations

import json
import os
import re
import signal
import termios
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pexpect.fdpexpect
from platformdirs import user_cache_path

from tests.openai_server import Exchange, ScriptedServer, fails, piece
from tests.product import environment, start_in_terminal

SECONDS = 120
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
CTRL_C, CTRL_D, UP, LEFT = "\x03", "\x04", "\x1b[A", "\x1b[D"
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
    """The chat in a pseudo-terminal, where Ctrl-C is pressed if a condition on one of Python's audit events holds."""

    def __init__(self, folder: Path, *words: str, flags: Sequence[str] = ("--stream",), pressing: str = "") -> None:
        home = {
            "HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(user_cache_path()),  # where models lie converted
        }
        settings = {**environment(), **home, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        words = ("chat", *flags, *words)
        module = "voicegen"
        if pressing:
            words, module = (pressing, *words), "tests.pressing"
        keyboard, screen = os.openpty()
        termios.tcsetwinsize(screen, (50, 200))
        self._process = start_in_terminal(os.ttyname(screen), *words, cwd=folder, environment=settings, module=module)
        os.close(screen)
        self._screen = pexpect.fdpexpect.fdspawn(keyboard, encoding="utf-8", timeout=SECONDS)

    def ready(self) -> Terminal:
        """Waits for the first prompt."""
        self.screen("Ctrl-D leaves", PROMPT)
        return self

    def type(self, keys: str) -> None:
        self._screen.send(keys)

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
            self._screen.expect_exact(text)

    def until_prompt(self) -> str:
        self.screen(PROMPT)
        return ESCAPES.sub("", self._screen.before)

    def interrupt(self) -> None:
        self.type(CTRL_C)

    def kill(self, number: int = signal.SIGINT) -> None:
        os.kill(self._process.pid, number)

    def leave(self, keys: str = CTRL_D) -> int:
        self.type(keys)
        return self.ended()

    def ended(self) -> int:
        """Waits for the end, and gives the exit code."""
        self._screen.expect(pexpect.EOF)
        self._screen.close()
        return self._process.wait()


def with_server(server: ScriptedServer) -> list[str]:
    return ["chat=openai", "chat.model=m", f"chat.base_url={server.base_url}", "tts=tone"]
