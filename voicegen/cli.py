"""`voicegen COMMAND ...`: finds the command's module and imports only that."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from importlib import import_module
from typing import IO, Any, cast

from voicegen import __version__
from voicegen.errors import VoicegenError
from voicegen.files import allow_many_files
from voicegen.signals import hearing_signals
from voicegen.text.shown import shown

COMMANDS = {
    "run": "answer a file of questions, speak the answers, write a speech dataset",
    "chat": "talk with the model in the terminal; it answers aloud",
    "serve": "talk in the browser; chat and speech for programs, as OpenAI's API has them",
    "mcp": "serve the models to assistants, by the Model Context Protocol",
    "synth": "speak a text file, a CSV column or standard input, without a chat model",
    "index": "make an index of documents, for questions to be answered by what is in them",
    "voices": "list the voices that there are, and make a clip of each",
    "export": "write a run in the form that another tool reads: HF datasets, WebDataset, ...",
    "push": "upload a run to a dataset on Hugging Face's hub",
    "verify": "measure a run from its files alone, and queue what is broken to be made again",
    "merge": "join runs, or shards of one, to a run of its own",
    "diff": "say what changed between two runs: settings, rows, audio, measures",
    "report": "make one page to look at a run and to listen to it, offline",
    "selftest": "speak twenty sentences, listen, and say whether the speech model speaks rightly",
    "bench": "time this machine: answering, speaking, the whole run against the naive loop",
    "doctor": "say what this machine has: devices, models, optional packages",
}

_VOICE_CHAT = ("chat", "--preset", "marvis", "output_dir=var/voice_chat")

_BROKEN_PIPE = 141  # as a shell reports a command that SIGPIPE ended

_USAGE = """\
usage: voicegen COMMAND [KEY=VALUE ...] [--flags]

{commands}

voicegen COMMAND --help says more of each; voicegen --version prints the version.
Start here: voicegen run, then voicegen run questions.path=FILE.csv
"""


def usage() -> str:
    """What `voicegen --help` prints."""
    width = max(map(len, COMMANDS))
    return _USAGE.format(commands="\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the process's exit code."""
    allow_many_files()
    with ExitStack() as streams:
        streams.enter_context(redirect_stderr(cast("IO[str]", _Notices(sys.stderr))))
        if sys.stdout.isatty():  # a terminal that has gone says EIO, and what it is not shown was for it alone
            streams.enter_context(redirect_stdout(cast("IO[str]", _Notices(sys.stdout, errno.EIO))))
        return _guarded(list(sys.argv[1:] if argv is None else argv))


def voice_chat_cli(argv: Sequence[str] | None = None) -> int:
    """The command `voice-chat-cli`: `voicegen chat` with Marvis and gpt-oss, its WAVs in a folder of its own."""
    words = list(sys.argv[1:] if argv is None else argv)
    if any(word in ("-h", "--help") for word in words):
        print(f"voice-chat-cli is voicegen {' '.join(_VOICE_CHAT)}, and takes the same flags:\n")  # noqa: T201
    return main([*_VOICE_CHAT, *words])


class _Notices:
    """A stream whose reader may go: what nobody reads never ends a command.

    Args:
        stream: standard error, or a terminal.
        gone: the errors of the system that say so; any if none is named.
    """

    def __init__(self, stream: IO[str], *gone: int) -> None:
        self._stream = stream
        self._gone = gone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes `text`, or drops it and all that follows."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._drop(error)
            return len(text)

    def flush(self) -> None:
        """Writes what is held back, or drops it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def _drop(self, error: OSError) -> None:
        if self._gone and error.errno not in self._gone:
            raise error
        _drop(self._stream)


def _guarded(words: list[str]) -> int:
    try:
        exit_code = _run(words)
        sys.stdout.flush()
        return exit_code
    except VoicegenError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("interrupted; what was finished is safe", 130)
    except MemoryError:
        return _fail("out of memory; what was finished is safe: free some, or make batches smaller, and run it again")
    except BrokenPipeError:  # the reader has gone while there was work left: nobody to tell, but not a success
        _drop(sys.stdout)
        return _BROKEN_PIPE
    except OSError:
        reason = _output_problem()
        if reason is None:
            raise
        _drop(sys.stdout)
        return _fail(f"cannot write to standard output: {reason}")


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), end="")  # noqa: T201
        return 0
    if words[0] in ("-V", "--version"):
        print(f"voicegen {__version__}")  # noqa: T201
        return 0
    completing = words[0] in ("-sc", "--shell-completion")
    if words[0] not in COMMANDS and not completing:
        return _fail(_unknown_command(words[0]))
    with hearing_signals():
        if completing:
            return int(import_module("voicegen.commands.shell_completion").main(words, COMMANDS))
        command = import_module(f"voicegen.commands.{words[0]}")
        if any(word in ("-h", "--help") for word in words[1:]):
            print(command.USAGE, end="")  # noqa: T201
            return 0
        return int(command.main(words[1:]))


def _output_problem() -> str | None:
    """Why nothing can be printed, such as a full disk; None where a line break can."""
    try:
        print(flush=True)  # noqa: T201
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _drop(stream: IO[str]) -> None:
    """Throws away what was written and is still held back, so that the end of the process does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _unknown_command(word: str) -> str:
    from difflib import get_close_matches

    if "=" in word:
        return f"{word} comes after a command: voicegen run {word}"
    near = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the commands are {', '.join(COMMANDS)}"
    return f"there is no command {word}: {hint}"


def _fail(message: str, exit_code: int = 2) -> int:
    print(f"voicegen: {shown(message)}", file=sys.stderr)  # noqa: T201
    return exit_code
