"""The chat in a terminal, or between two pipes: reads questions, shows and speaks answers, obeys slash commands."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol, Self, TextIO

from voicegen.errors import VoicegenError
from voicegen.signals import wakeup_kept
from voicegen.text.well_formed import well_formed
from voicegen.voicechat.commands import Room, is_command, run_command
from voicegen.voicechat.page import Page
from voicegen.voicechat.pipeline import VoiceChatPipeline
from voicegen.voicechat.spoken_turn import SpokenReply

_PATIENCE: Final = 0.25  # seconds that a model has to come to the end of its step


class Recorder(Protocol):
    """What keeps the turns of a chat."""

    def add(self, question: str, reply: SpokenReply) -> None:
        """Takes the turn that has just ended."""


class ChatTerminal:
    """One chat with one user.

    Args:
        pipeline: what answers.
        page: what shows the answers.
        recorder: what keeps the turns, if anything does.
        stays: whether the chat goes on after Ctrl-C; otherwise that ends it with KeyboardInterrupt.
        keep_reasoning: whether `/save` writes what the model reasoned too.
    """

    def __init__(
        self,
        pipeline: VoiceChatPipeline,
        page: Page,
        recorder: Recorder | None = None,
        *,
        stays: bool = True,
        keep_reasoning: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._page = page
        self._recorder = recorder
        self._stays = stays
        self._room = Room(pipeline, page, keep_reasoning)

    def talk(self, lines: Iterable[str]) -> None:
        """Answers and obeys line by line until the lines end or the user leaves.

        What goes wrong with one line is shown, and the chat goes on. In a chat that stays, Ctrl-C stops an answer or
        drops a line that is being typed, and does nothing at any other moment.
        """
        with _ctrl_c_held_back() if self._stays else nullcontext():
            for line in lines:
                try:
                    if not self._obey(line):
                        return
                except VoicegenError as error:
                    self._page.error(str(error))
                except _BrokenOff:
                    if not self._stays:
                        raise
                    self._page.note("(interrupted)")

    def ask(self, question: str) -> SpokenReply:
        """Shows and speaks the answer to one question; Ctrl-C stops it. Lone surrogates in it become U+FFFD.

        Raises:
            VoicegenError: the model gave no answer, or a file cannot be written.
            KeyboardInterrupt: Ctrl-C, unless the chat stays.
        """
        question = well_formed(question)
        shown = False

        def show(text: str) -> None:
            nonlocal shown
            if not shown:
                self._page.answer_begins()
            shown = True
            self._page.answer(text)

        try:
            with StopRequest() as stop:
                turn = self._pipeline.answer(question, show, lambda: stop.requested)
        finally:
            if shown:
                self._page.answer_ends()
        reply = self._pipeline.keep(turn)
        self._page.outcome(reply)
        if self._recorder is not None and reply.text:
            self._recorder.add(question, reply)
        if reply.interrupted and not self._stays:
            raise KeyboardInterrupt
        return reply

    def _obey(self, line: str) -> bool:
        """Does what a line says; false when it says to leave."""
        question: str | None = line.strip()
        if question and is_command(question):
            step = run_command(self._room, question)
            if step.leave:
                return False
            question = step.ask
        if question:
            self.ask(question)
        return True


class _BrokenOff(KeyboardInterrupt):
    """Ctrl-C in the middle of a step; other signals end the chat by a plain KeyboardInterrupt."""


class _LineDropped(Exception):
    """Ctrl-C at the prompt."""


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Ctrl-C does nothing: no command is left half done, and nothing that would end the chat is interrupted."""
    before = signal.signal(signal.SIGINT, lambda _signum, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StopRequest:
    """Turns Ctrl-C into a request, so that a model is stopped between two tokens where it can be.

    One that does not come to the end of its step, such as a server that says nothing, is broken off a moment later by a
    KeyboardInterrupt, as by a second Ctrl-C.
    """

    def __init__(self) -> None:
        self.requested = False
        self._over = False
        self._before: Any = None
        self._breaking_off = threading.Timer(_PATIENCE, _interrupt_main_thread)
        self._breaking_off.daemon = True

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True  # a signal that is still on its way says nothing any more
        self._breaking_off.cancel()
        if self._breaking_off.ident is not None:
            self._breaking_off.join()
        signal.signal(signal.SIGINT, self._before)

    def _request(self, _signum: int, _frame: FrameType | None) -> None:
        if self._over:
            return
        if self.requested:
            raise _BrokenOff
        self.requested = True
        self._breaking_off.start()


def _interrupt_main_thread() -> None:
    """Sends Ctrl-C to the thread that a handler of signals runs on; also wakes it from a wait for the system."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def piped_lines(stream: TextIO) -> Generator[str, None, None]:
    """The lines of a pipe or a file, as they come; a byte that is not UTF-8 reads as U+FFFD."""
    yield from iter(tolerant(stream).readline, "")


def tolerant(stream: TextIO) -> TextIO:
    """`stream`, which from now on reads U+FFFD where a byte cannot be decoded."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def typed_lines(history: Path | None) -> Generator[str, None, None]:
    """The lines that a user types, with editing, completion of commands and file names, and the lines of earlier chats.

    Ctrl-C drops the line being typed; Ctrl-D on an empty line ends. What is typed between two lines is kept for the
    next prompt; closing the generator gives the terminal back as it was.

    Args:
        history: the file that keeps the lines; None, or one that cannot be written, to forget them.
    """
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import FormattedText

    from voicegen.voicechat.completion import CommandCompleter

    prompt: PromptSession[str] = PromptSession(
        FormattedText([("bold ansigreen", "you: ")]),
        history=_line_history(history),
        completer=CommandCompleter(),
        complete_while_typing=False,
        interrupt_exception=_LineDropped,
    )
    # The key, not the signal: prompt_toolkit would leave a moment in which the signal ends the generator, and the chat.
    return _prompted(lambda: prompt.prompt(handle_sigint=False))


def _prompted(read: Callable[[], str]) -> Generator[str, None, None]:
    while True:
        try:
            with wakeup_kept():
                line = read()
        except _LineDropped:
            continue
        except EOFError:
            return
        with _keys_kept():
            yield line


@contextmanager
def _keys_kept() -> Iterator[None]:
    """Keys are neither shown nor obeyed, Ctrl-C apart, but wait for the next prompt.

    A terminal that edits lines itself would eat a Ctrl-D.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    kept = termios.tcgetattr(sys.stdin)
    kept[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, kept)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


def _line_history(path: Path | None) -> Any:
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("ab"):
            return FileHistory(str(path))
    except OSError:
        return InMemoryHistory()


def is_interactive() -> bool:
    """Whether a user types the questions."""
    return sys.stdin.isatty() and sys.stdout.isatty()
