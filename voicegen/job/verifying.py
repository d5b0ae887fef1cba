"""Measures a run from its files alone, and queues what is broken for the next command that goes on with it.

Mending moves files aside: a row whose audio is gone is made again by the next session, at the attempt that it was made
by (`pipeline/clips.py`), and so with the same bytes; a manifest that is gone is written anew. Of a shard with a broken
clip the others are packed anew first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voicegen.dataset.manifest_edit import put_outcomes
from voicegen.dataset.manifest_faults import manifest_faults
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.errors import ConfigError, InputError, OutputError
from voicegen.faults import Fault, FaultKind
from voicegen.job.listening import quality_for, take_faults
from voicegen.job.progress import row_bar
from voicegen.pipeline.audio_faults import audio_faults, shard_faults, stray_audio
from voicegen.pipeline.ledger import LEDGER, Ledger
from voicegen.pipeline.plan import AUDIO, REJECTED
from voicegen.pipeline.repacking import Repacking
from voicegen.pipeline.run_folder import RUN_JSON, audio_of, read_record, run_hash, why_it_stays
from voicegen.quality.listener import QualityConfig
from voicegen.remote import AnyPath, RemotePath
from voicegen.store import Store
from voicegen.store.folder import Aside

EXAMPLES: Final = 3
"""Faults of a kind that are told one by one."""

_MADE_AGAIN: Final = (FaultKind.NAME, FaultKind.MISSING, FaultKind.CHANGED, FaultKind.FORMAT)
_STAYS: Final = {
    FaultKind.RECORD: "restore run.json, or start anew with another name=...",
    FaultKind.TAKE: "the same settings make the same takes again; try another quality=... under another name=...",
}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What is wrong with a run.

    Attributes:
        counts: of faults, by kind.
        examples: the first faults of each kind.
        fixed: whether faults were to be fixed.
        made_again: rows that the next command on the run makes again, where they were.
        aside: the folder that files were moved to, where any were.
    """

    counts: Mapping[FaultKind, int]
    examples: Mapping[FaultKind, tuple[Fault, ...]]
    fixed: bool = False
    made_again: int = 0
    aside: Path | None = None

    def lines(self) -> Iterator[str]:
        """The page that says so: a line a kind of fault, then what was done about them and what could not be."""
        for kind in FaultKind:
            if count := self.counts.get(kind):
                more = f"; and {count - EXAMPLES} more" if count > EXAMPLES else ""
                yield f"{kind.value}: {count}: {'; '.join(map(str, self.examples[kind]))}{more}"
        if not self.fixed:
            return
        if self.aside is not None:
            yield f"moved aside, to {self.aside}; nothing was deleted"
        if self.made_again or self.counts.get(FaultKind.MANIFEST) or self.counts.get(FaultKind.ROW):
            rows = "1 row" if self.made_again == 1 else f"{self.made_again} rows"
            again = f"makes {rows} again and writes the manifest" if self.made_again else "writes the manifest"
            yield f"the next voicegen run with the run's settings {again}"
        for kind, remedy in _STAYS.items():
            if self.counts.get(kind):
                yield f"not fixed, {kind.value}: {remedy}"


def verify_run(root: AnyPath, *, listen: bool = False, quality: str | None = None, fix: bool = False) -> VerifyReport:
    """Measures a run; shows on a terminal how far it is.

    Args:
        root: the run's folder.
        listen: whether the audio is listened to.
        quality: by the checks of this name, such as `basic`; None: by the run's own.
        fix: queue what is broken for the next command that goes on with the run.

    Raises:
        InputError: there is no run.
        OutputError: its record or its ledger cannot be read, it is in use, or files cannot be moved aside.
        ConfigError: there are no such checks, or the run has none; `fix` is for a run at a URL.
    """
    if fix and isinstance(root, RemotePath):
        raise ConfigError(f"{root} is a URL, and --fix moves files in a folder: copy the run here, or leave it out")
    store = Store(root)
    is_there = isinstance(root, RemotePath) or root.is_dir()
    if not is_there or store.read(RUN_JSON) is None:
        gone = is_there and LEDGER in store.names()
        raise InputError(
            f"{root} holds a run whose {RUN_JSON} is gone: restore it"
            if gone
            else f"{root}: there is no run: give the folder of one, such as outputs/NAME"
        )
    with store.hold() if fix else store.kept_still():
        verification = _Verification(store, fix=fix)
        return verification.report(quality_for(verification.identity, quality) if listen else None)


class _Verification:
    """A run whose files stay as they are meanwhile."""

    def __init__(self, store: Store, *, fix: bool) -> None:
        self._store = store
        self._fix = fix
        self._record = read_record(store) or {}
        self.identity: Mapping[str, Any] = self._record.get("identity", {})
        self._audio = audio_of(self.identity, store)
        if fix and (why := why_it_stays(self._record)) is not None:
            raise OutputError(f"{store} {why}; leave out --fix")
        names = store.names()
        if not store.names(LEDGER) and {MANIFEST, AUDIO, REJECTED}.intersection(names):
            raise OutputError(f"{store} holds a run whose {LEDGER} is gone: restore it")
        self._ledger = Ledger(store)

    def report(self, quality: QualityConfig | None) -> VerifyReport:
        """Finds the faults, listens by these checks, and mends what can be."""
        counts: Counter[FaultKind] = Counter()
        examples: defaultdict[FaultKind, list[Fault]] = defaultdict(list)
        aside = Aside(self._store)
        again = bytearray(self._ledger.end)
        shards, broken = self._ledger.shards(), defaultdict[str, set[int]](set)
        for fault in self._faults(quality, broken):
            counts[fault.kind] += 1
            if len(examples[fault.kind]) < EXAMPLES:
                examples[fault.kind].append(fault)
            shard = fault.path if fault.path in shards else fault.path.rpartition("/")[0]
            if fault.kind in _MADE_AGAIN and shard in shards:
                broken[shard].update([] if fault.index is None else [fault.index])
            elif self._fix and fault.kind in (*_MADE_AGAIN, FaultKind.STRAY):
                aside.put(fault.path)  # a row that has none on record may have one all the same
            if fault.kind in _MADE_AGAIN and fault.index is not None:
                again[fault.index] = 1
        if self._fix:
            self._mend(broken, aside, manifest=not counts[FaultKind.MANIFEST])
        if self._fix and (counts[FaultKind.MANIFEST] or counts[FaultKind.ROW]):
            aside.put(MANIFEST)
        return VerifyReport(
            counts,
            {kind: tuple(found) for kind, found in examples.items()},
            fixed=self._fix,
            made_again=sum(again),
            aside=None if aside.folder is None else self._store.folder / aside.folder,
        )

    def _mend(self, broken: Mapping[str, Collection[int]], aside: Aside, *, manifest: bool) -> None:
        """Moves broken shards aside, once what is whole in them lies in others; a manifest that is good says where."""
        with closing(Repacking(self._store, self._ledger)) as repacking:
            for shard, lost in broken.items():
                saved = repacking.save(shard, lost)
                if saved and manifest and self._store.changed(MANIFEST):
                    put_outcomes(self._store, {row.index: row for row in saved})
                aside.put(shard)

    def _faults(self, quality: QualityConfig | None, broken: Collection[str]) -> Iterator[Fault]:
        """What is wrong; those of its shards in which clips are broken are told so as it is found."""
        if self._record.get("config_hash") != run_hash(self._record):
            yield Fault(FaultKind.RECORD, RUN_JSON, "its settings do not give its config_hash")
        store, ledger, audio = self._store, self._ledger, self._audio
        yield from manifest_faults(store, ledger, len(ledger))
        with closing(row_bar("verifying", len(ledger))) as bar:
            yield from audio_faults(store, ledger, audio, bar.update)
        yield from shard_faults(store, [shard for shard in ledger.shards() if shard not in broken])
        yield from stray_audio(store, ledger, audio)
        if quality is not None:
            clips = ledger.count("ok") * (2 if self.identity.get("speak") == "both" else 1)
            with closing(row_bar("listening", clips)) as bar:
                speed = float(self.identity.get("tts.speed") or 1)
                yield from take_faults(store, ledger, quality, bar.update, speed=speed)
