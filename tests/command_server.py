"""Starts commands without the second that Python takes to import their packages.

A server has the packages imported and forks for each command. The fork is a process of its own, as one that is started
cold: its own working folder, environment, streams, exit code and memory. Nothing of voicegen has run in it before but
what Hydra composes of the shipped configs, which takes half of a small run.
"""

from __future__ import annotations

import atexit
import contextlib
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
from typing import IO, Any

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


@dataclass(slots=True)
class Forked:
    """A command that is running, to be asked as a `Popen` is."""

    pid: int
    server: subprocess.Popen[str]
    outputs: Sequence[IO[bytes]] = ()
    returncode: int | None = None

    def wait(self, timeout: float = 240) -> int:
        """Its exit code.

        Raises:
            subprocess.TimeoutExpired: It runs still.
        """
        if self.returncode is None:
            self._wait_for_its_end(timeout)
            self.server.stdin.write(f"{self.pid}\n")
            self.server.stdin.flush()
            self.returncode = int(self.server.stdout.readline())
        return self.returncode

    def _wait_for_its_end(self, timeout: float) -> None:
        ended = os.pidfd_open(self.pid)
        try:
            if not select.select([ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("", timeout)
        finally:
            os.close(ended)

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float = 240) -> tuple[str, ...]:
        """What it has written when it has ended."""
        self.wait(timeout)
        with contextlib.ExitStack() as closing:
            return tuple(closing.enter_context(output).read().decode() for output in self.outputs)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


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
        forked = self._captured(stdin or "", environment, module=module, words=words, cwd=cwd)
        try:
            out, err = forked.communicate(timeout)
        except subprocess.TimeoutExpired:
            forked.kill()
            forked.wait()
            raise
        return subprocess.CompletedProcess(list(words), forked.wait(), out, err)

    def start(self, words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Forked:
        """`python -m voicegen WORDS`, running in a session of its own."""
        return self._captured("", environment, module="voicegen", words=words, cwd=cwd, leads=True)

    def start_in_terminal(
        self,
        words: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str],
        terminal: str,
        module: str = "voicegen",
        ignoring: Sequence[int] = (),
    ) -> Forked:
        """`python -m MODULE WORDS`, running in a session of its own, on the terminal of this name."""
        return self._fork(environment, module=module, words=words, cwd=cwd, terminal=terminal, ignoring=ignoring)

    def _captured(self, stdin: str, environment: Mapping[str, str], **request: Any) -> Forked:
        """A command that reads and writes files without a name, which the server opens as ours."""
        files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 (`communicate` closes them)
        with files[0]:
            files[0].write(stdin.encode())
            files[0].flush()
            streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in files]
            forked = self._fork(environment, streams=streams, **request)
        forked.outputs = files[1:]
        return forked

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
        streams = [os.open(path, mode) for path, mode in _streams_of(request)]
        child = os.fork()
        if child == 0:
            become(request, streams)
            return
        for stream in streams:
            os.close(stream)
        print(child, flush=True)


def _streams_of(request: Mapping[str, Any]) -> list[tuple[str, int]]:
    """A terminal, or what takes the place of the three standard streams; opened while the client has them open."""
    if "terminal" in request:
        return [(request["terminal"], os.O_RDWR | os.O_NOCTTY)]
    return list(zip(request["streams"], (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY), strict=True))


def become(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Makes this fork the process that `python -m MODULE WORDS` starts as, and runs it to its end."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number in request.get("ignoring", ()):
        signal.signal(number, signal.SIG_IGN)
    if "terminal" in request:
        os.login_tty(streams[0])
        sys.stdout.reconfigure(line_buffering=True)
    else:
        if request.get("leads"):
            os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open to the end)
    sys.argv[1:] = request["words"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
