"""Defects of a run that a harness worth its name must find: each makes the run careless in one way."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from voicegen import files
from voicegen.pipeline.ledger import LedgerWriter
from voicegen.pipeline.writer import Writer
from voicegen.store.folder import FolderStore


def _ledger_first() -> None:
    """Lines are written before the audio that they promise."""

    def durable(writer: Any, files: Any, rows: Any) -> Any:
        entries = writer._lines.append(rows)
        writer._store.put(files)
        return entries

    Writer._durable = durable  # type: ignore[method-assign]


def _never_synced() -> None:
    """Nothing is synced, and so neither is audio before its lines."""
    os.fsync = lambda _descriptor: None  # type: ignore[assignment]


def _folders_not_synced() -> None:
    """No name is synced, and so neither is the audio's before its lines."""
    files.sync_folder = lambda _folder: None  # type: ignore[assignment]


def _line_twice() -> None:
    """A row is put on record twice."""
    append = LedgerWriter.append
    LedgerWriter.append = lambda writer, rows: append(writer, [*rows, *rows])  # type: ignore[method-assign]


def _row_twice() -> None:
    """The audio of a row is there a second time."""
    put = FolderStore.put

    def twice(store: FolderStore, files: Any) -> None:
        copies = [(name.replace("/0", "/1"), data) for name, data in files if name.endswith("7.wav")]
        put(store, [*files, *copies])

    FolderStore.put = twice  # type: ignore[method-assign]


DEFECTS: Mapping[str, Callable[[], None]] = {
    "ledger first": _ledger_first,
    "never synced": _never_synced,
    "folders not synced": _folders_not_synced,
    "line twice": _line_twice,
    "row twice": _row_twice,
}
