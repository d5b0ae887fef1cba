"""A signal is heard wherever Python is when it comes."""

import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator

import pytest

from voicegen.signals import hearing_signals, wakeup_kept

SECONDS = 60


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGURG)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signal_to_another_thread(number: int) -> None:
    """As one that comes between Python's last look and a wait of the main thread: it does not end that wait."""
    threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), number)).start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_that_does_not_end_a_wait_is_heard_all_the_same(number: int, times: int) -> None:
    reader, writer = os.pipe()

    def wait() -> None:
        signal_to_another_thread(number)
        os.read(reader, 1)

    before = signal.getsignal(number)
    for _ in range(times):
        signal.signal(number, before)  # a second SIGHUP is not heard
        with pytest.raises(KeyboardInterrupt), hearing_signals():
            wait()
    os.close(writer)
    os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interruption_inside_a_finalizer_or_a_callback_is_not_dropped(number: int) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(number)

    class Referred:
        pass

    def finalize() -> None:
        Finalized()
        threading.Event().wait(SECONDS)

    def call_back() -> None:
        referred = Referred()
        reference = weakref.ref(referred, lambda _: signal.raise_signal(number))
        del referred
        threading.Event().wait(SECONDS)
        assert reference() is None

    for drop in (finalize, call_back):
        with pytest.raises(KeyboardInterrupt), hearing_signals():
            drop()


def test_ctrl_c_that_was_dropped_goes_to_the_handler_that_there_is_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenOff(KeyboardInterrupt):
        pass

    heard = threading.Event()

    def breaks_off(_signum: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, lambda _signum, _frame: heard.set())
        raise BrokenOff

    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, breaks_off)
    try:
        with hearing_signals():
            Finalized()
            assert heard.wait(SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_of_finalizers_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Finalized:
        def __del__(self) -> None:
            raise ValueError

    with hearing_signals():
        Finalized()
    assert [dropped.exc_type for dropped in told] == [ValueError]
    assert sys.unraisablehook == told.append


def test_an_event_loop_that_handled_signals_does_not_end_the_hearing() -> None:
    def read_and_wait() -> None:
        with wakeup_kept():
            signal.set_wakeup_fd(-1)
        signal_to_another_thread(signal.SIGTERM)
        threading.Event().wait(SECONDS)

    with pytest.raises(KeyboardInterrupt), hearing_signals():
        read_and_wait()


def test_a_signal_that_a_command_was_told_to_ignore_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with hearing_signals():
        signal.raise_signal(signal.SIGHUP)
