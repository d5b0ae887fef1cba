"""Starts commands without the second that Python takes to import their packages.

A server has the packages imported and forks for each command. The fork is a process of its own, as one that is started
cold: its own working folder, environment, streams, exit code and memory. Nothing of voicegen has run in it before.
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
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGES = (  # what next to every command imports; torch makes a fork slower than a cold start
    "filelock",
    "hydra._internal.hydra",
    "hydra.core.override_parser.overrides_parser",
    "pandas",
    "pyarrow.compute",
    "rich.live",
    "s3fs",
    "soundfile",
    "voicegen.commands.run",
    "voicegen.job.run_job",
    "voicegen.report.page",
    "voicegen.store.folder",
)


class CommandServer:
    """The client's end: runs one command at a time, from a server that starts with the first one."""

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
        server = self._running(environment)
        with tempfile.TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            streams[0].write_text(stdin or "", "utf-8")
            request = {
                "module": module,
                "words": list(words),
                "cwd": str(cwd),
                "environment": dict(environment),
                "streams": [str(stream) for stream in streams],
            }
            server.stdin.write(json.dumps(request) + "\n")
            server.stdin.flush()
            if not select.select([server.stdout], [], [], timeout)[0]:
                os.killpg(server.pid, signal.SIGKILL)
                self.close()
                raise subprocess.TimeoutExpired(list(words), timeout)
            exit_code = int(server.stdout.readline())
            return subprocess.CompletedProcess(
                list(words), exit_code, *(path.read_text("utf-8") for path in streams[1:])
            )

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
    """Forks for each line of standard input and answers with the exit code; returns at its end, or in a fork."""
    for package in PACKAGES:
        import_module(package)
    gc.freeze()  # or a fork's first collection would write to, and so copy, every page
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            become(json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(request: Mapping[str, Any]) -> None:
    """Makes this fork the process that `python -m MODULE WORDS` starts as, and runs it to its end."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (stream, mode) in enumerate(zip(request["streams"], modes, strict=True)):
        opened = os.open(stream, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (it stays open to the end)
    sys.argv[1:] = request["words"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve()
