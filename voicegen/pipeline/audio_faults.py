"""Holds a run's audio files against its ledger: names, bytes, format, and that each has a row and each row its own."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final

import soundfile

from voicegen.audio.audio_format import AudioFormat, is_audio
from voicegen.cores import usable_cores
from voicegen.errors import OutputError
from voicegen.faults import Fault, FaultKind
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import AUDIO, REJECTED, ROWS_PER_FOLDER, audio_path, clip_name
from voicegen.pipeline.shards import SHARDS, is_as_named
from voicegen.records import Clip, ManifestRow, Side
from voicegen.store import Store
from voicegen.store.clips import read_clip

_BLOCK: Final = 1000  # rows read from the ledger together


def audio_faults(
    store: Store, ledger: Ledger, audio: AudioFormat, advance: Callable[[int], Any] = lambda _rows: None
) -> Iterator[Fault]:
    """Reads the audio file of every row that has one and yields what is wrong, in the order of the rows.

    Args:
        store: the run's.
        ledger: of what was done.
        audio: what the audio files are to be.
        advance: is told of rows that were looked at.
    """
    total_rows = laid_out_for(ledger)
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, ledger.end, _BLOCK):
            rows = ledger.get(range(start, start + _BLOCK))
            for faults in pool.map(partial(_faults, store, audio, total_rows), rows.values()):
                yield from faults
            advance(len(rows))


def shard_faults(store: Store, shards: Iterable[str]) -> Iterator[Fault]:
    """Reads shards whole and yields those that are not what their names say, as what is between clips counts, too.

    Args:
        store: the run's.
        shards: in which each clip is as it is on record.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        for fault in pool.map(partial(_shard_fault, store), shards):
            if fault is not None:
                yield fault


def _shard_fault(store: Store, shard: str) -> Fault | None:
    try:
        with store.reading(shard) as file:
            if is_as_named(shard, file):
                return None
    except OutputError as error:
        return Fault(FaultKind.CHANGED, shard, str(error))
    return Fault(FaultKind.CHANGED, shard, "its SHA-256 is not that in its name, though its clips are whole")


def stray_audio(store: Store, ledger: Ledger, audio: AudioFormat) -> Iterator[Fault]:
    """Yields the audio files below `audio/` and `rejected/`, and the shards, that no row has."""
    known = ledger.shards()
    for file in store.files(SHARDS):
        if file.name not in known:
            yield Fault(FaultKind.STRAY, file.name, "no clip on record lies in it")
    total_rows = laid_out_for(ledger)
    files = (file.name for folder in (AUDIO, REJECTED) for file in store.files(folder))
    found = filter(is_audio, files)
    while names := list(islice(found, _BLOCK)):
        clips = {name: clip_name(PurePosixPath(name).stem) for name in names}
        rows = ledger.get({clip[0] for clip in clips.values() if clip is not None})
        for name, called in clips.items():
            row = rows.get(called[0]) if called is not None else None
            if called is None or row is None:
                yield Fault(FaultKind.STRAY, name, "the ledger has no row of this number")
                continue
            planned = audio_path(row.index, row.status, total_rows, audio, called[1])
            if planned not in {path for path, _ in _planned(row, total_rows, audio)}:
                yield Fault(FaultKind.STRAY, name, "the row has none", row.index)
            elif name != planned:
                yield Fault(FaultKind.STRAY, name, f"the row has {planned}", row.index)


def laid_out_for(ledger: Ledger) -> int:
    """A number of rows for which the plan has the layout that most of the first finished rows have."""
    rows = ledger.get(islice(ledger.finished(), _BLOCK)).values()
    layouts = Counter(row.clip.path.count("/") for row in rows if row.clip is not None and row.clip.offset is None)
    return 0 if layouts[1] >= layouts[2] else ROWS_PER_FOLDER + 1


def _planned(row: ManifestRow, total_rows: int, audio: AudioFormat) -> Iterator[tuple[str, Clip | None]]:
    """Where a row's audio is to lie, and what is on record of it."""
    if row.clip is not None or row.status == "ok":
        yield _path(row, row.clip, total_rows, audio), row.clip
    if row.asked is not None and (row.asked.clip is not None or row.status == "ok"):
        yield _path(row, row.asked.clip, total_rows, audio, "question"), row.asked.clip


def _path(row: ManifestRow, clip: Clip | None, total_rows: int, audio: AudioFormat, beside: Side = "answer") -> str:
    """Where a clip is to lie: one that is packed where the record says."""
    if clip is not None and clip.offset is not None:
        return clip.path
    return audio_path(row.index, row.status, total_rows, audio, beside)


def _faults(store: Store, audio: AudioFormat, total_rows: int, row: ManifestRow) -> list[Fault]:
    found = (_fault(store, audio, row, *planned) for planned in _planned(row, total_rows, audio))
    return [fault for fault in found if fault is not None]


def _fault(store: Store, audio: AudioFormat, row: ManifestRow, planned: str, clip: Clip | None) -> Fault | None:
    if clip is None:
        return Fault(FaultKind.MISSING, planned, "none is on record", row.index)
    if clip.path != planned:
        return Fault(FaultKind.NAME, planned, f"the ledger has {clip.path}", row.index)
    try:
        data = read_clip(store, clip.place)
        if data is None:
            return Fault(FaultKind.MISSING, clip.path, "there is no such file", row.index)
        if clip.num_bytes and len(data) != clip.num_bytes:
            return Fault(FaultKind.CHANGED, clip.path, f"{len(data)} bytes, not {clip.num_bytes}", row.index)
        if sha256(data).hexdigest() != clip.sha256:
            return Fault(FaultKind.CHANGED, clip.path, "its bytes have another SHA-256", row.index)
        what = _wrong_format(soundfile.info(io.BytesIO(data)), clip, audio)
    except soundfile.LibsndfileError as error:
        what = f"no audio: {error.error_string}"
    except OutputError as error:
        return Fault(FaultKind.CHANGED, clip.path, str(error), row.index)
    return None if what is None else Fault(FaultKind.FORMAT, clip.path, what, row.index)


def _wrong_format(file: Any, clip: Clip, audio: AudioFormat) -> str | None:
    """How a file's header differs from what is on record."""
    found = (file.format, file.subtype, file.channels, file.samplerate, file.frames)
    meant = (audio.container.upper(), audio.subtype, 1, clip.sampling_rate, clip.num_samples)
    if found == meant:
        return None
    said, named = (
        f"{container} {sample}, {channels} channel{'s' * (channels != 1)}, {rate} Hz, {frames} samples"
        for container, sample, channels, rate, frames in (found, meant)
    )
    return f"{said}, not {named}"
