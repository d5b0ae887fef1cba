"""Keeps the manifest readable and fresh during a run, for a small share of its time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Self

FIRST_AFTER = 2.0  # seconds
SHARE = 0.05  # of the run's time at the most

_log = logging.getLogger(__name__)


class ManifestRefresher:
    """Writes the manifest now and then in a thread of its own, and at the end, as a context manager.

    The longer a rewrite takes, the rarer it comes: never more than 5 percent of the time. A rewrite that fails in the
    middle of a run is logged, because the ledger holds everything; the last one raises.

    Args:
        write: writes it.
        at_once: whether the work waits for a first one, as where there is none; one of many rows takes minutes.
    """

    def __init__(self, write: Callable[[], None], *, at_once: bool) -> None:
        self._write = write
        self._at_once = at_once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="voicegen-manifest", daemon=True)

    def __enter__(self) -> Self:
        if self._at_once:
            self._write()
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self._stop.set()
        self._thread.join()
        if error is None or isinstance(error, KeyboardInterrupt):
            self._write()
        else:
            self._try_write()  # the error that ends the run is the one to tell

    def _run(self) -> None:
        pause = FIRST_AFTER
        while not self._stop.wait(pause):
            began = time.monotonic()
            self._try_write()
            pause = max(FIRST_AFTER, (time.monotonic() - began) / SHARE)

    def _try_write(self) -> None:
        try:
            self._write()
        except Exception:
            _log.warning("the manifest could not be rewritten; the ledger holds every row", exc_info=True)
