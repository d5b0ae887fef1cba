"""A run's log file: every session's messages, and the error that ended one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from voicegen.errors import OutputError, VoicegenError
from voicegen.store import Journal, Store
from voicegen.text.shown import shown

LOG = "logs/run.log"
"""The log's name in a run's store."""

_log = logging.getLogger("voicegen.run")


@contextmanager
def logging_to(store: Store, *, show: bool) -> Iterator[None]:
    """Writes voicegen's log to the run's; shows what the models warn of on standard error as well."""
    logger = logging.getLogger("voicegen")
    level = logger.level
    with ExitStack() as undo:
        handler = _JournalHandler(store.log(LOG))
        handler.setFormatter(_Shown("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        undo.callback(handler.close)
        logger.addHandler(handler)
        undo.callback(logger.removeHandler, handler)
        if show:
            warnings = logging.StreamHandler()
            warnings.setFormatter(_Shown())
            warnings.setLevel(logging.WARNING)
            for models in map(logging.getLogger, ("voicegen.chat", "voicegen.tts", "voicegen.servers")):
                models.addHandler(warnings)
                undo.callback(models.removeHandler, warnings)
        logger.setLevel(logging.INFO)
        undo.callback(logger.setLevel, level)
        try:
            yield
        except VoicegenError as error:
            _log.error("%s", error)
            raise
        except Exception:
            _log.exception("an unexpected error")
            raise


class _Shown(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


class _JournalHandler(logging.Handler):
    """Adds a line a message; a log that cannot be written ends no run."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OutputError):
            self._journal.add(f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        with suppress(OutputError):
            self._journal.close()
        super().close()
