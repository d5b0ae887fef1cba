import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from voicegen.cli import main


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "words", [["--version"], ["chat", "--preset", "fake", "--no-save-audio", "--single", "Hi."], ["chat", "--help"]]
)
def test_output_that_cannot_be_written_is_one_line_and_no_traceback(words, monkeypatch, capfd):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(words) == 2
    told = [line for line in capfd.readouterr().err.splitlines() if line != "loading echo"]
    assert told == ["voicegen: cannot write to standard output: no space left on device"]


_INTERRUPTED_AT_ITS_END = """
import atexit, os, runpy, signal, sys
atexit.register(lambda: [os.kill(os.getpid(), signal.SIGINT), signal.pause()])
sys.argv = ["voicegen", "--version"]
runpy.run_module("voicegen", run_name="__main__")
"""


def test_a_ctrl_c_while_python_ends_says_nothing():
    ended = subprocess.run([sys.executable, "-c", _INTERRUPTED_AT_ITS_END], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGINT
    assert ended.stderr == ""


def test_another_error_of_the_system_is_not_taken_for_one_of_the_output(monkeypatch):
    def fail(_words):
        raise OSError(5, "the disk is broken")

    monkeypatch.setattr("voicegen.commands.doctor.main", fail)
    with pytest.raises(OSError, match="the disk is broken"):
        main(["doctor"])


@pytest.fixture
def unread():
    """A stream whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8", buffering=1) as stream:
        yield stream


def test_notices_that_nobody_reads_do_not_end_a_command(monkeypatch, unread, tmp_path):
    monkeypatch.setattr(sys, "stderr", unread)
    assert main(["run", "preset=fake", f"output_dir={tmp_path / 'run'}", "questions.limit=2"]) == 0
    assert (tmp_path / "run" / "manifest.parquet").is_file()
    assert sys.stderr is unread


def test_output_that_nobody_reads_is_no_success(monkeypatch, unread):
    monkeypatch.setattr(sys, "stdout", unread)
    assert main(["--version"]) == 141


def test_a_terminal_that_goes_away_is_an_interruption(monkeypatch, capsys):
    before = {end: signal.getsignal(end) for end in (signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    monkeypatch.setattr("voicegen.commands.doctor.main", lambda _words: os.kill(os.getpid(), signal.SIGHUP))
    try:
        assert main(["doctor"]) == 130
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)
