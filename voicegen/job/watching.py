"""What a run takes down of its executor's work: models, finished rows, why rows failed, how far it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict
from typing import Any, Self

from voicegen.errors import OutputError
from voicegen.executors.job import Work
from voicegen.job.progress import ProgressDisplay
from voicegen.pipeline.clips import Clips
from voicegen.pipeline.ledger import Entry, Ledger
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.run_folder import RunFolder
from voicegen.records import ModelInfo

_log = logging.getLogger("voicegen.run")


class RunWatch:
    """The `Watch` of a run, as a context manager around its executor.

    Args:
        folder: keeps which models made the run.
        ledger: is told of finished rows.
        clips: the audio of those.
        display: shows how far it is.
        loading: what goes on until the models are ready.
        refresher: what else goes on from the start of the work to its end.

    Attributes:
        cut_answers: rows that are ok, but whose answer was cut.
    """

    def __init__(
        self,
        folder: RunFolder,
        ledger: Ledger,
        clips: Clips,
        display: ProgressDisplay,
        *,
        loading: AbstractContextManager[Any],
        refresher: AbstractContextManager[Any],
    ) -> None:
        self.cut_answers = 0
        self._folder = folder
        self._ledger = ledger
        self._clips = clips
        self._display = display
        self._loading = loading
        self._refresher = refresher
        self._work = ExitStack()

    def __enter__(self) -> Self:
        self._work.enter_context(self._loading)
        return self

    def __exit__(self, *error: Any) -> None:
        self._work.__exit__(*error)
        if self._display.tally.written:
            with suppress(OutputError):  # on a full disk, which another error tells of
                self._folder.remember_session(self._display.tally.session())

    def loaded(self, stage: str, model: ModelInfo) -> None:
        """Writes down the model of a stage.

        Raises:
            OutputError: the run was made with another one so far.
        """
        self._folder.remember_model(stage, asdict(model))

    def started(self) -> None:
        """The work begins."""
        self._work.close()  # nothing is loading any more
        self._keep_indexes()
        self._work.enter_context(self._display)
        self._work.enter_context(self._refresher)

    def worked(self, work: Work) -> None:
        """A stage is that much further."""
        self._display.worked(work)

    def made(self, outcomes: Sequence[Outcome]) -> None:
        """Rows wait to be durable with others."""

    def written(self, entries: Sequence[Entry]) -> None:
        """Rows are finished, and durable."""
        self._ledger.add(entries)
        self._keep_indexes()
        self._display.written(entries)
        for row in (entry.row for entry in entries):
            self.cut_answers += row.status == "ok" and row.finish_reason == "length"
            if row.error is not None:
                _log.warning("row %d %s: %s", row.index, row.status, row.error)

    def _keep_indexes(self) -> None:
        """Keeps what lets the next session of a large run begin soon."""
        if self._ledger.keep_index() or self._clips.is_worth_keeping:
            self._clips.keep()

    def told(self, text: str) -> None:
        """Something happened that the user is to know."""
        _log.warning("%s", text)
        self._display.say(text)
