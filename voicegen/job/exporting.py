"""Exports a run: from what the command line says to a folder in its place, with progress and a summary."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from voicegen.dataset.minimal_card import CARD
from voicegen.errors import ConfigError, InputError
from voicegen.export.choice import Counts, Selection
from voicegen.export.destination import Written, export_folder, measure, replaceable
from voicegen.export.encoding import is_lossy
from voicegen.export.exporter import Exporter
from voicegen.export.formats import exporter
from voicegen.export.rows import ExportRows
from voicegen.export.sound import Wanted
from voicegen.job.progress import row_bar
from voicegen.pipeline.run_folder import read_record, what_is_lacking
from voicegen.report.card import NOT_ALL, card
from voicegen.report.card_facts import CARD_COLUMNS, card_facts
from voicegen.report.card_form import export_form
from voicegen.store import Store

_UNSIGNED: Final = "Audio that was encoded anew has lost the C2PA signature that it has in the run."
_LOSSY: Final = (
    "The audio was encoded as {encoding}, which loses some of it. `audio_sha256` is of the samples that were encoded, "
    "as 32-bit floats in little-endian order, since the same samples do not always give the same file."
)


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was exported to where, in how many seconds.

    Attributes:
        unsigned: whether it has lost the signatures that the run's audio has.
        unasked: whether it leaves out the questions' audio that the run has.
        broken_off: rows that it leaves out since they come after a turn that is not in it.
        lacking: says that the run has not all rows of its input; None where it has, or where that is not known.
        replaced: the export that was there.
    """

    format: Exporter
    place: Path
    counts: Counts
    written: Written
    seconds: float
    unsigned: bool = False
    unasked: bool = False
    broken_off: int = 0
    lacking: str | None = None
    replaced: Written | None = None

    @property
    def counted(self) -> Iterator[str]:
        """The lines that say how much there is."""
        counts = self.counts
        statuses = ", ".join(f"{count} {status}" for status, count in counts.by_status.items())
        splits = ", ".join(f"{name} {count}" for name, count in counts.by_split.items())
        yield f"exported  {statuses} of {counts.rows} rows, {counts.hours:.2f} hours: {splits}"
        if self.lacking:
            yield f"input     {self.lacking}"
        if self.broken_off:
            yield f"left out  {self.broken_off} turns that come after one that is not in the export"

    def lines(self) -> Iterator[str]:
        """The page that says so."""
        counts, megabytes = self.counts, self.written.size / 1e6
        yield from self.counted
        yield f"written   {self.place}: {self.written.files} files, {megabytes:.1f} MB in {self.seconds:.1f} s"
        if self.replaced:
            yield f"replaced  the export that was there: {self.replaced.files} files, {self.replaced.size / 1e6:.1f} MB"
        if self.unsigned:
            yield f"signed    {_UNSIGNED}"
        if self.unasked:
            yield f"left out  the questions' audio: --to {self.format.name} has no place for it"
        yield f"load      {self.format.loading(self.place, next(iter(counts.by_split)))}"


def export_run(
    run: str | Path,
    to: str,
    place: Path,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    times: str | None = None,
    called: str | None = None,
) -> ExportSummary:
    """Exports the chosen rows of a run, finished or not, and shows on a terminal how far it is.

    Args:
        run: its folder, or its manifest.
        to: the format's name.
        place: the folder that the export becomes; another export there is replaced.
        selection: which rows.
        wanted: what their audio is to be; what is not said stays as in the run.
        times: in which format of `voicegen.export.times.TIMES` files with the times of the words lie beside the audio.
        called: how it will be asked for, where that is not by the folder's name.

    Raises:
        ConfigError: there is no such format, or it cannot hold the rows; the condition cannot be used.
        InputError: there is no run, no row is chosen or has the times wanted, or audio is missing or damaged.
        MissingDependency: the format needs a package that is not installed.
        OutputError: something else is at `place`, or it cannot be written.
    """
    began = time.monotonic()
    format = exporter(to)
    if "failed" in selection.statuses and not format.without_audio:
        raise ConfigError(
            f"--to {to} holds rows with audio alone, and failed ones have none: give --status ok,rejected"
        )
    if format.container is not None and wanted.container not in (None, format.container):
        raise ConfigError(f"--to {to} holds {format.container} files alone: leave --format out")
    if format.pairs and is_lossy(wanted.container):
        raise ConfigError(
            f"--to {to} puts clips together, which {wanted.container} would cost a second time: take flac"
        )
    if times is not None and not format.beside:
        raise ConfigError(f"--to {to} has no files beside its audio, and has the times of words in itself: no --times")
    if format.sampling_rate is not None and wanted.sampling_rate not in (None, format.sampling_rate):
        raise ConfigError(f"--to {to} holds audio of {format.sampling_rate} Hz alone: leave --sample-rate out")
    wanted = Wanted(format.sampling_rate or wanted.sampling_rate, format.container or wanted.container)
    rows = ExportRows(run, selection, wanted, times, format.adds, unbroken=format.pairs)
    if format.pairs and not rows.pairs:
        raise InputError(f"{rows.folder}: --to {to} holds questions with their answers: make the run with speak=both")
    if format.words and not rows.has_words:
        raise InputError(
            f"{rows.folder}: --to {to} needs the times of words, which are found where a recognizer listens: "
            "make the run with quality=strict"
        )
    replaced, record = replaceable(place), read_record(Store(rows.folder)) or {}
    lacking = what_is_lacking(record, rows.counts.rows)
    with (
        export_folder(place, rows.folder) as folder,
        row_bar("exporting", rows.counts.chosen) as bar,
    ):
        rows.tell = bar.update
        format.write(rows, folder)
        made_anew = rows.encoded or format.pairs  # of two files one dialogue
        unsigned = made_anew and "c2pa.signed" in record.get("identity", {})
        limits = [_LOSSY.format(encoding=wanted.container)] if is_lossy(wanted.container) else []
        limits += [_UNSIGNED] if unsigned else []
        limits += [NOT_ALL.format(lacking)] if lacking else []
        _write_card(format, rows, folder, called or place.resolve().name, record, limits)
    return ExportSummary(
        *(format, place, rows.counts, measure(place), time.monotonic() - began),
        unsigned=unsigned,
        unasked=format.answers_alone and rows.pairs,
        broken_off=rows.broken_off,
        lacking=lacking,
        replaced=replaced,
    )


def _write_card(
    format: Exporter, rows: ExportRows, folder: Path, called: str, record: Mapping[str, Any], limits: Sequence[str]
) -> None:
    facts = card_facts(rows.columns(CARD_COLUMNS))
    form = export_form(called, format.loading(called, rows.splits[0]), rows.splits[0], parquet=format.parquet)
    name = rows.folder.resolve().name
    (folder / CARD).write_text(card(name, facts, record, replace(form, limits=limits)), "utf-8")
