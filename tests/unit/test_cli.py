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
    assert capfd.readouterr().err.splitlines() == ["voicegen: cannot write to standard output: no space left on device"]


def test_another_error_of_the_system_is_not_taken_for_one_of_the_output(monkeypatch):
    def fail(_words):
        raise OSError(5, "the disk is broken")

    monkeypatch.setattr("voicegen.commands.doctor.main", fail)
    with pytest.raises(OSError, match="the disk is broken"):
        main(["doctor"])
