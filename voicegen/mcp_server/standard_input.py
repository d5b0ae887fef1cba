"""Standard input that a signal ends: whoever waits for a line of it reads the end, as if the client had gone.

A thread that waits for input cannot be cancelled, and the SDK's event loop waits for that thread.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

from voicegen.errors import ConfigError

_STDIN: Final = 0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While it lasts, a signal ends standard input; afterwards it is a KeyboardInterrupt. For the main thread.

    A second signal does what it did before.

    Raises:
        ConfigError: there is no standard input.
        KeyboardInterrupt: a signal came.
    """
    if sys.stdin is None:
        raise ConfigError("standard input is closed, where a client would talk: serve with --http")
    source = os.dup(_STDIN)
    ours, theirs = socket.socketpair()
    os.dup2(theirs.fileno(), _STDIN)
    theirs.close()
    threading.Thread(target=_pass_on, args=(source, ours), name="voicegen-stdin", daemon=True).start()
    try:
        with _heard(ours) as came:
            yield
    finally:
        os.dup2(source, _STDIN)
    if came:
        raise KeyboardInterrupt


def _pass_on(source: int, to: socket.socket) -> None:
    with suppress(OSError):  # nobody reads any more
        while data := os.read(source, 1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


@contextmanager
def _heard(to: socket.socket) -> Iterator[list[int]]:
    """Lists the signals that came; the first ends what is sent."""
    came: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def end(signum: int, _frame: FrameType | None) -> None:
        came.append(signum)
        restore()
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    for one in _SIGNALS:
        if signal.getsignal(one) is not signal.SIG_IGN:  # nohup
            before[one] = signal.signal(one, end)
    try:
        yield came
    finally:
        restore()
