"""Merges runs, or shards of one, to a run of its own: there whole or not at all."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.minimal_card import CARD
from voicegen.dataset.relation_counts import RelationCounts, relation_counts
from voicegen.errors import InputError, OutputError
from voicegen.export.destination import whole_folder
from voicegen.job.listening import checks_of_run
from voicegen.job.progress import row_bar
from voicegen.job.summary import relation_lines
from voicegen.merging.manifest import BLOCK, MergedManifest
from voicegen.merging.numbering import Numbering, Part
from voicegen.merging.record import merged_record, splitting_of
from voicegen.merging.sources import Source, names_of
from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.plan import audio_path
from voicegen.pipeline.run_folder import RUN_JSON
from voicegen.pipeline.same_audio import reject_same_audio
from voicegen.quality.checks.duplicates import DuplicatesSettings
from voicegen.records import STATUSES, Clip, ManifestRow, Side
from voicegen.report import REPORT, write_report
from voicegen.report.card import write_run_card
from voicegen.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeSummary:
    """What was merged to where."""

    place: Path
    numbering: Numbering
    prefixes: Sequence[str]
    rows: Counter[str] = field(default_factory=Counter)
    rates: Counter[int] = field(default_factory=Counter)
    relations: RelationCounts = field(default_factory=RelationCounts)

    def lines(self) -> Iterator[str]:
        """The page that says so."""
        parts = self.numbering.parts
        sources = sum(len(part.sources) for part in parts)
        what = f"{sources} shards of one run" if self.numbering.is_one_run else f"{len(parts)} runs"
        statuses = ", ".join(f"{self.rows[status]} {status}" for status in STATUSES)
        yield f"merged    {what} into {self.place}: {statuses}"
        for part, prefix in zip(parts, self.prefixes, strict=True):
            if len(part.present) < part.rows:
                yield f"input     of {part.called}: {len(part.present)} of the {part.rows} rows are there"
            if part.several:
                yield f"twice     {_counted(part.several)} in more than one of {part.called}: the best of each is taken"
            if prefix:
                yield f"ids       of {part.called} are taken by a run before it: here they begin with {prefix}"
        if len(self.rates) > 1:
            rates = ", ".join(f"{rate} Hz ({_counted(count)})" for rate, count in sorted(self.rates.items()))
            yield f"rates     {rates}: load_manifest(..., sample_rate={min(self.rates)}) makes them one"
        yield from relation_lines(self.relations)
        yield f"manifest  {self.place / MANIFEST}"


def merge_runs(folders: Sequence[Path], place: Path, *, allow_incomplete: bool = False) -> MergeSummary:
    """Merges runs in the order given, and shows on a terminal how far it is.

    Shards of one run become that run, as it would be without shards. Rows of different runs are numbered through. Audio
    is hard-linked where that can be, else copied. The runs themselves stay as they are.

    Args:
        folders: of the runs: two or more.
        place: the folder that the merged run becomes; nothing may be there.
        allow_incomplete: merge what there is of runs that do not have all rows of their input.

    Raises:
        InputError: there is no run, it does not have all rows, audio is missing, or they do not go together.
        OutputError: a run is in use, its files cannot be read, or there is no place to write.
    """
    place = place.resolve()
    with ExitStack() as stack:
        sources = []
        for name, folder in zip(names_of(folders), folders, strict=True):
            if not folder.is_dir():
                raise InputError(f"{folder}: there is no run: give the folder of one, such as outputs/NAME")
            stack.enter_context(Store(folder).kept_still())
            sources.append(Source.of(name, Store(folder)))
        _refuse_other_audio(sources)
        splitting = splitting_of(sources)
        numbering = Numbering.of(sources)
        if not allow_incomplete:
            _refuse_incomplete(numbering.parts)
        for source in sources:
            _refuse_within(place, source)
        with whole_folder(place, _refuse_anything) as folder:
            store = Store(folder)
            manifest = MergedManifest(numbering, splitting)
            summary = MergeSummary(place, numbering, manifest.prefixes["id"])
            _put_rows(store, numbering, summary)
            ledger = Ledger(store)
            if numbering.is_one_run:
                _reject_same_audio(store, ledger, sources[0])
            manifest.write(store, ledger)
            for status in STATUSES:
                summary.rows[status] = ledger.count(status)
            record = json.dumps(merged_record(numbering), indent=2, ensure_ascii=False) + "\n"
            store.put([(RUN_JSON, record.encode())])
            _write_pages(store, place.name)
            return replace(summary, relations=relation_counts(store))


def _put_rows(store: Store, numbering: Numbering, summary: MergeSummary) -> None:
    """Puts the rows' audio, then their ledger lines, a block at a time; counts their rates."""
    with (
        closing(LedgerWriter(store, 0, "merge")) as writer,
        row_bar("merging", sum(len(part.present) for part in numbering.parts)) as bar,
    ):
        for part, indexes in numbering.blocks(BLOCK):
            rows = [
                _put(store, numbering, source, row, int(part.numbers[row.index]))
                for number, source in enumerate(part.sources)
                for row in source.ledger.get(part.of(number, indexes).tolist()).values()
            ]
            writer.append(sorted(rows, key=lambda row: row.index))
            summary.rates.update(row.clip.sampling_rate for row in rows if row.clip and row.status == "ok")
            bar.update(len(rows))


def _put(store: Store, numbering: Numbering, source: Source, row: ManifestRow, index: int) -> ManifestRow:
    """Puts a row's audio under its number in the merged run, and returns the row as it is there."""

    def put(clip: Clip, side: Side) -> Clip:
        place, offset = clip.place, clip.offset
        size = source.store.size(place.file)
        whole = size == place.size if offset is None else size is not None and size >= offset + place.size
        if size is None or (place.size and not whole):
            raise InputError(
                f"{source.store}/{clip.path} is {'missing' if size is None else 'not as it was written'}: "
                f"voicegen verify {source.store} --fix and the run's own command make it again"
            )
        if offset is not None:  # a shard keeps its name, whatever its rows are called now
            if store.size(place.file) is None:
                store.share(place.file, source.store, place.file)
            return replace(clip, index=index)
        own = numbering.is_one_run
        path = clip.path if own else audio_path(index, row.status, numbering.end, source.audio, side)
        store.share(path, source.store, clip.path)
        return replace(clip, index=index, path=path)

    asked = row.asked and replace(row.asked, clip=row.asked.clip and put(row.asked.clip, "question"))
    return replace(row, index=index, clip=row.clip and put(row.clip, "answer"), asked=asked)


def _reject_same_audio(store: Store, ledger: Ledger, source: Source) -> None:
    """Judges rows with the same audio as the whole run does: a shard has not seen those of others."""
    if (settings := checks_of_run(source.identity).get("duplicates")) is not None:
        reject_same_audio(store, ledger, DuplicatesSettings.model_validate(settings))


def _write_pages(store: Store, name: str) -> None:
    """Makes the pages that show the run; what goes wrong costs them alone."""
    for page, write in ((CARD, write_run_card), (REPORT, write_report)):
        try:
            write(store, name)
        except Exception as error:
            _log.warning("no %s could be made: %s", page, error, exc_info=True)


def _refuse_anything(place: Path) -> None:
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise OutputError(f"{place} is there already: choose another folder, or move that one away")


def _refuse_within(place: Path, source: Source) -> None:
    run = source.store.folder.resolve()
    if place == run or run in place.parents:
        raise OutputError(f"{place} is in a run that is merged: choose a folder outside of it")


def _refuse_other_audio(sources: Sequence[Source]) -> None:
    first = sources[0]
    for source in sources[1:]:
        if source.audio != first.audio:
            raise InputError(
                f"{first.store} has {_called(first)} and {source.store} {_called(source)}: the files of a run are of "
                "one kind; make one of the runs anew with the other's tts.format and tts.subtype, or export both"
            )


def _called(source: Source) -> str:
    return f"{source.audio.container} files of {source.audio.subtype}"


def _refuse_incomplete(parts: Sequence[Part]) -> None:
    for part in parts:
        if len(part.present) < part.rows:
            raise InputError(
                f"{part.called}: {len(part.present)} of the {part.rows} rows of the input are there: make the others "
                "(the run's own command, or its other shards), or merge what there is with --allow-incomplete"
            )


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"
