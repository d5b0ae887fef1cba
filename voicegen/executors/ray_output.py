"""What Ray says goes to the run's log, and not to the terminal of whoever runs it."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_log = logging.getLogger(__name__)


@contextmanager
def logging_to_run() -> Iterator[None]:
    """Has what Ray warns of go to the run's log: it is for who runs the cluster, and names settings of Ray's own."""
    logger = logging.getLogger("ray")
    handlers, propagate = logger.handlers[:], logger.propagate
    logger.handlers[:], logger.propagate = [_ToRunLog(logging.WARNING)], False
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = handlers, propagate


@contextmanager
def stderr_to_run() -> Iterator[None]:
    """Has what Ray's compiled part says meanwhile go there, too: it writes to descriptor 2, past all of Python.

    What this process's Python says on stderr is still shown.
    """
    python, shown = sys.stderr, os.dup(2)
    with os.fdopen(shown, "w", buffering=1, errors="backslashreplace") as terminal, tempfile.TemporaryFile() as said:
        with suppress(OSError, ValueError, AttributeError):
            if python.fileno() == 2:
                python.flush()
                sys.stderr = terminal
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(shown, 2)
            sys.stderr = python
            said.seek(0)
            for line in said.read().decode(errors="replace").splitlines():
                _log.warning("%s", line)


class _ToRunLog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _log.log(record.levelno, "%s", record.getMessage())
