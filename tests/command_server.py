"""Starts commands without the second that Python takes to import their packages.

A server has the packages imported and forks for each command. The fork is a process of its own, as one that is started
cold: its own working folder, environment, streams, exit code and memory. Nothing of voicegen has run in it before but
what Hydra composes of the shipped configs, which takes half of a small run.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from voicegen.job.composing import compose

PACKAGES = (  # what next to every command imports; torch makes a fork slower than a cold start
    "filelock",
    "hydra._internal.hydra",
    "hydra.core.override_parser.overrides_parser",
    "openai.resources.chat.completions",
    "openai._legacy_response",
    "pandas",
    "prompt_toolkit.shortcuts",
    "pyarrow.compute",
    "rich.live",
    "s3fs",
    "soundfile",
    "voicegen.commands.chat",
    "voicegen.commands.run",
    "voicegen.job.run_job",
    "voicegen.report.page",
    "voicegen.store.folder",
)


@dataclass(frozen=True, slots=True)
class Forked:
    """A command that is running."""

    pid: int
    server: subprocess.Popen[str]

    def wait(self, timeout: float = 240) -> int:
        """Its exit code, as of a `Popen`."""
        self.server.stdin.write(f"{self.pid}\n")
        self.server.stdin.flush()
        if not select.select([self.server.stdout], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("", timeout)
        return int(self.server.stdout.readline())


class CommandServer:
    """The client's end: starts commands, from a server that starts with the first one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[str] | None = None

    def run(
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        stdin: str | None,
        timeout: float,
        module: str = "voicegen",
    ) -> subprocess.CompletedProcess[str]:
        """Runs `python -m MODULE WORDS`, as `subprocess.run` with its output captured.

        Raises:
            subprocess.TimeoutExpired: It took more than `timeout` seconds, and was killed.
        """
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            streams[0].write_text(stdin or "", "utf-8")
            forked = self._fork(environment, module=module, words=words, cwd=cwd, streams=streams)
            try:
                exit_code = forked.wait(timeout)
            except subprocess.TimeoutExpired:
                self._kill()
                raise
            return subprocess.CompletedProcess(
                list(words), exit_code, *(path.read_text("utf-8") for path in streams[1:])
            )

    def start(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], terminal: str, module: str = "voicegen"
    ) -> Forked:
        """`python -m MODULE WORDS`, running in a session of its own, on the terminal of this name."""
        return self._fork(environment, module=module, words=words, cwd=cwd, terminal=terminal)

    def _fork(self, environment: Mapping[str, str], **request: Any) -> Forked:
        server = self._running(environment)
        server.stdin.write(json.dumps({**request, "environment": dict(environment)}, default=str) + "\n")
        server.stdin.flush()
        return Forked(int(server.stdout.readline()), server)

    def _running(self, environment: Mapping[str, str]) -> Any:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                cwd=self._root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            atexit.register(self.close)
        return self._process

    def _kill(self) -> None:
        """Ends the server by force, and what it has forked; the next command starts another."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Ends the server; the next command starts another."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def serve() -> None:
    """Forks for each command on standard input and answers with its number; waits for the one whose number is there.

    Returns at the end of standard input, or in a fork.
    """
    for package in PACKAGES:
        import_module(package)
    compose(["preset=fake"])
    gc.freeze()  # or a fork's first collection would write to, and so copy, every page
    while line := sys.stdin.readline():
        request = json.loads(line)
        if isinstance(request, int):
            print(os.waitstatus_to_exitcode(os.waitpid(request, 0)[1]), flush=True)
            continue
        terminal = request.get("terminal") and os.open(request["terminal"], os.O_RDWR | os.O_NOCTTY)
        child = os.fork()
        if child == 0:
            become(request, terminal)
            return
        if terminal is not None:
            os.close(terminal)
        print(child, flush=True)


def become(request: Mapping[str, Any], terminal: int | None) -> None:
    """Makes this fork the process that `python -m MODULE WORDS` starts as, and runs it to its end."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if terminal is None:
        _stream_to_files(request["streams"])
    else:
        _lead_a_session(terminal)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open to the end)
    sys.argv[1:] = request["words"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _stream_to_files(streams: Sequence[str]) -> None:
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (stream, mode) in enumerate(zip(streams, modes, strict=True)):
        opened = os.open(stream, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)


def _lead_a_session(terminal: int) -> None:
    os.login_tty(terminal)
    sys.stdout.reconfigure(line_buffering=True)


if __name__ == "__main__":
    serve()
