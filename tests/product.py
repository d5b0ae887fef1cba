"""Runs the product as a user does, in a process of its own, and reads what it leaves behind."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.command_server import CommandServer, Forked
from voicegen.cli import main

ROOT = Path(__file__).resolve().parent.parent
TIMINGS = ("chat_seconds", "tts_seconds")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "voicegen", *map(str, words)]


def environment() -> dict[str, str]:
    """As a user's, but offline; compiled modules are kept, or every process would compile torch's anew."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def voicegen(
    *words: object, cwd: Path, stdin: str | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """The finished process, its output as text; forked with its packages imported, where a fork of them is safe."""
    if sys.platform != "linux":
        return cold_voicegen(*words, cwd=cwd, stdin=stdin, timeout=timeout)
    return run_module("voicegen", *words, cwd=cwd, stdin=stdin, timeout=timeout)


def run_module(
    module: str, *words: object, cwd: Path, stdin: str | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """The finished process of `python -m MODULE WORDS`, forked with voicegen's packages imported; on Linux."""
    return _server().run([*map(str, words)], cwd, environment(), stdin, timeout, module)


def start_in_terminal(
    terminal: str,
    *words: object,
    cwd: Path,
    environment: Mapping[str, str],
    module: str = "voicegen",
    ignoring: Sequence[int] = (),
) -> Forked | subprocess.Popen[bytes]:
    """`python -m MODULE WORDS`, running in a session of its own on the terminal of this name; forked, as `voicegen`."""
    if sys.platform == "linux":
        return _server().start_in_terminal([*map(str, words)], cwd, environment, terminal, module, ignoring)

    def lead() -> None:
        for number in ignoring:
            signal.signal(number, signal.SIG_IGN)
        os.login_tty(os.open(terminal, os.O_RDWR | os.O_NOCTTY))

    return subprocess.Popen([sys.executable, "-m", module, *map(str, words)], cwd=cwd, env=environment, preexec_fn=lead)


def cold_voicegen(
    *words: object, cwd: Path, stdin: str | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """The finished process, its output as text; started by a new interpreter."""
    return subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def warm_voicegen(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command finished in this process, which has the models' packages loaded already."""
    out, err = io.StringIO(), io.StringIO()
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exit_code = main([*map(str, words)])
    finally:
        signal.signal(signal.SIGTERM, terminate)
    return subprocess.CompletedProcess([*map(str, words)], exit_code, out.getvalue(), err.getvalue())


@functools.cache
def _server() -> CommandServer:
    return CommandServer(ROOT)


def start(*words: object, cwd: Path) -> Forked | subprocess.Popen[str]:
    """The process, running, in a session of its own; forked, as `voicegen`. Its output is there when it has ended."""
    if sys.platform == "linux":
        return _server().start([*map(str, words)], cwd, environment())
    return cold_start(*words, cwd=cwd)


def cold_start(*words: object, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """The process, running, in a session of its own; started by a new interpreter."""
    return subprocess.Popen(
        command(*words),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def manifest_rows(run: Path, *, timings: bool = False) -> list[dict[str, Any]]:
    """The manifest, row by row, by default without what differs between two runs of the same."""
    table = pq.read_table(run / "manifest.parquet")
    return table.drop_columns([] if timings else list(TIMINGS)).to_pylist()


def wav_hashes(run: Path) -> dict[str, str]:
    """Every file below `audio/`, by name, with the hash of its bytes."""
    files = sorted(path for path in (run / "audio").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def questions_csv(path: Path, count: int) -> Path:
    """A file of `count` short questions, every one different."""
    lines = ["id,question,topic", *(f"q{number},What is {number} plus {number}?,sums" for number in range(count))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
