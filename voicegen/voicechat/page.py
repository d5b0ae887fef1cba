"""What the chat shows: answers on standard output, everything else on standard error; colours on a terminal only."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

from voicegen.text.shown import shown
from voicegen.voicechat.spoken_turn import SpokenReply


class Page:
    """Writes to a terminal with colours, and to a pipe without.

    Args:
        out: answers go here.
        err: notes and errors go here.
    """

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = _console(out or sys.stdout)
        self._err = _console(err or sys.stderr)
        self._held = ""  # white space that is shown only if more follows

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches the answers."""
        return self._out.is_terminal

    def answer_begins(self) -> None:
        """Names who speaks now; on a pipe an answer stands alone."""
        if self.is_terminal:
            self._out.print("assistant: ", style="bold cyan", end="")

    def answer(self, text: str) -> None:
        """Shows more of an answer at once."""
        text = self._held + shown(text)
        words = text.rstrip()
        self._held = text[len(words) :]
        self._out.file.write(words)
        self._out.file.flush()

    def answer_ends(self) -> None:
        """Ends the answer's last line."""
        self._held = ""
        self._out.file.write("\n")
        self._out.file.flush()

    def note(self, text: str) -> None:
        """Shows a line beside the conversation."""
        self._err.print(shown(text), style="dim", soft_wrap=True)

    def error(self, text: str) -> None:
        """Shows what went wrong, in one line."""
        self._err.print(f"voicegen: {' '.join(shown(text).splitlines())}", style="red", soft_wrap=True)

    def outcome(self, reply: SpokenReply) -> None:
        """Shows what an answer took, where its audio is, and what could not be spoken."""
        if reply.interrupted:
            self.note("(interrupted)")
        elif reply.failure is not None and not reply.failures:
            self.note(f"({reply.failure[1]})")
        if reply.passages:
            sources = dict.fromkeys(passage.source for passage in reply.passages)
            self.note(f"sources: {'; '.join(sources)}")
        self.note(_written(reply))
        if heard := _spoken(reply):
            self.note(heard)
        for failure in reply.failures:
            self.error(f"a piece could not be spoken: {failure}")
        verdict = reply.verdict
        if verdict.status != "ok" and reply.failure is None and not reply.interrupted:
            self.error(f"{verdict.reason}: ask again")


def _written(reply: SpokenReply) -> str:
    """How soon the answer came. Each of the two lines fits a terminal of 80 columns."""
    timings = reply.timings
    parts = [("first token", timings.first_token), ("first audio", timings.first_audio), ("answer", timings.last_token)]
    return ", ".join(f"{what} {seconds:.2f} s" for what, seconds in parts if seconds is not None)


def _spoken(reply: SpokenReply) -> str:
    """How much there is to hear, how fast it was made, and where it is; "" where there is nothing."""
    timings = reply.timings
    parts = []
    if timings.speedup is not None:
        parts.append(f"audio {timings.audio:.1f} s, {timings.speedup:.1f} times real time")
    if reply.audio_path is not None:
        parts.append(str(reply.audio_path))
    return ": ".join(parts)


def _console(file: TextIO) -> Console:
    return Console(file=file, highlight=False, markup=False, emoji=False)
