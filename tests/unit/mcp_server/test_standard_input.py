import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from voicegen.errors import ConfigError
from voicegen.mcp_server.standard_input import ended_by_signals


@pytest.fixture
def typed():
    """A descriptor: what is written to it is read from standard input."""
    kept = os.dup(0)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)
    yield writer
    os.dup2(kept, 0)


def test_what_comes_is_passed_on_until_its_end(typed):
    with ended_by_signals():
        os.write(typed, b"hello\n")
        assert os.read(0, 100) == b"hello\n"
        os.close(typed)
        assert os.read(0, 100) == b""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_for_whoever_waits(typed, end):
    before = signal.getsignal(end)

    def wait_for_input():
        with ThreadPoolExecutor(1) as pool, ended_by_signals():
            waiting = pool.submit(os.read, 0, 100)
            signal.raise_signal(end)
            assert waiting.result(10) == b""
            assert signal.getsignal(end) is before

    with pytest.raises(KeyboardInterrupt):
        wait_for_input()
    os.close(typed)


def test_without_it_there_is_one_line(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigError, match="serve with --http"), ended_by_signals():
        pass
