"""SIGTERM and SIGHUP end a command by a KeyboardInterrupt, and no signal is lost on its way to its handler.

Python runs handlers in the main thread, between two of its steps, and has two gaps. A signal that comes just before the
thread waits for the system, or to another thread, does not end that wait. And an exception out of a handler that ran
inside a finalizer, or a weak reference's callback, is printed and dropped.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_WAKE: Final = signal.SIGURG  # ignored where nobody handles it
_PAUSE: Final = 0.05  # seconds


@contextmanager
def hearing_signals() -> Iterator[None]:
    """While it lasts, no signal is lost; from now on SIGTERM and SIGHUP are KeyboardInterrupts. For the main thread."""
    for end in (signal.SIGTERM, signal.SIGHUP):  # a batch system's or a terminal's end: writes in flight are finished
        if signal.getsignal(end) is not signal.SIG_IGN:  # nohup
            signal.signal(end, _interrupt)
    waker = _Waker()
    hook, sys.unraisablehook = sys.unraisablehook, waker.take_dropped
    wakeup = signal.set_wakeup_fd(waker.told, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        sys.unraisablehook = hook
        waker.close()


@contextmanager
def wakeup_kept() -> Iterator[None]:
    """Sets anew, in the end, what an event loop of asyncio takes away that has handled signals."""
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)


class _Waker:
    """Wakes the main thread, when a signal has come, until it has run the handlers.

    Attributes:
        told: the descriptor that Python writes the number of each signal to.
    """

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._awake = threading.Event()
        self._dropped: type[BaseException] | None = None
        self._hook = sys.unraisablehook
        self._signals, self.told = os.pipe()
        os.set_blocking(self.told, False)
        signal.signal(_WAKE, self._woken)
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        os.close(self.told)
        self._thread.join()
        os.close(self._signals)

    def take_dropped(self, dropped: Any) -> None:
        """In the place of `sys.unraisablehook`: an interruption is kept, to be raised again where it can be caught."""
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            self._hook(dropped)
            return
        self._dropped = dropped.exc_type
        os.write(self.told, bytes([signal.SIGINT]))

    def _watch(self) -> None:
        while numbers := os.read(self._signals, 64):
            if set(numbers) != {_WAKE}:  # what we send is told as well
                self._wake()

    def _wake(self) -> None:
        self._awake.clear()
        while not self._awake.is_set():
            signal.pthread_kill(self._main, _WAKE)
            self._awake.wait(_PAUSE)

    def _woken(self, _signum: int, frame: FrameType | None) -> None:
        """Runs after the handlers of all signals that came before, or just before them."""
        while frame is not None:
            if frame.f_code is _Waker.take_dropped.__code__:
                return  # what is raised there is dropped once more: the next waking raises it
            frame = frame.f_back
        self._awake.set()
        dropped, self._dropped = self._dropped, None
        if dropped is KeyboardInterrupt:
            raise KeyboardInterrupt
        if dropped is not None:  # of Ctrl-C in a chat, which may have moved on: its handler knows
            signal.raise_signal(signal.SIGINT)


def _interrupt(signum: int, _frame: object) -> None:
    if signum == signal.SIGHUP:
        signal.signal(signum, signal.SIG_IGN)  # the shell and the system both tell that a terminal has gone
    raise KeyboardInterrupt
