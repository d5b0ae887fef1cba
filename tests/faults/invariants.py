"""What must hold of a run's files, told by reading them with nothing of voicegen's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.product import manifest_rows, wav_hashes

_PLACE: Final = ("path", "offset", "size")
"""The columns of the manifest, behind `audio_`, that say where a clip lies."""


class Broken(AssertionError):
    """What is left of a fault is not what must be there."""


def check_record(run: Path, recorded: Iterable[int] = ()) -> None:
    """Holds what a run that has ended, or was ended, has on record against what it has.

    Args:
        run: its folder.
        recorded: rows that it held to be on record.

    Raises:
        Broken: they are not; or a row is there as good whose audio is not, or is another; or it is there twice.
    """
    good: set[int] = set()
    for row in _lines(run):
        if row["status"] != "ok":
            continue
        if row["index"] in good:
            raise Broken(f"row {row['index']} is on record twice")
        good.add(row["index"])
        clip = row["clip"]
        found = _hash(run, clip["path"], clip.get("offset"), clip.get("num_bytes", 0))
        if found is None:
            raise Broken(f"row {row['index']} is on record, and its audio is not there")
        if found != clip["sha256"]:
            raise Broken(f"row {row['index']} is on record with other audio than is there")
    if lost := set(recorded).difference(good):
        raise Broken(f"rows {sorted(lost)} were on record, and are no more")


def check_whole(run: Path, unbroken: Path, rows: int) -> None:
    """Holds a finished run against an unbroken one, and its manifest against its audio.

    Raises:
        Broken: it is not, but for timings, what the unbroken run is.
    """
    made = manifest_rows(run)
    if [row["index"] for row in made] != list(range(rows)):
        raise Broken(f"the manifest's rows are {[row['index'] for row in made]}")
    good = [row for row in made if row["status"] == "ok"]
    named = {row["audio_path"]: row["audio_sha256"] for row in good}
    packed = [row for row in good if row["audio_offset"] is not None]
    there = {row["audio_path"]: _hash(run, *(row[f"audio_{what}"] for what in _PLACE)) for row in packed}
    audio = {**wav_hashes(run), **there}
    if len(named) != len(good) or named != audio:
        raise Broken(f"the manifest names other audio than is there: {sorted({*named.items()} ^ {*audio.items()})}")
    if idle := {path.name for path in run.glob("shards/*")}.difference(path.split("/")[1] for path in there):
        raise Broken(f"shards that no row's audio is in: {sorted(idle)}")
    for row, whole in zip(made, manifest_rows(unbroken), strict=True):
        if packed:  # where in shards differs by how rows met
            row, whole = ({**one, **dict.fromkeys(f"audio_{what}" for what in _PLACE)} for one in (row, whole))
        if row != whole:
            raise Broken(f"row {row['index']} differs: {row} from {whole}")
    there = {path.name for path in run.iterdir() if not path.name.startswith("aside-")}
    if more := there.symmetric_difference(path.name for path in unbroken.iterdir()):
        raise Broken(f"other files than of an unbroken run: {sorted(more)}")
    if left := [path for path in run.rglob(".*") if path.name != ".lock"]:
        raise Broken(f"left over: {left}")


def _hash(run: Path, path: str, offset: int | None, size: int) -> str | None:
    """The SHA-256 of a clip: of a file, or of bytes of the shard that it is packed in; None where that is not there."""
    file = run / (path if offset is None else path.rpartition("/")[0])
    if not file.is_file():
        return None
    data = file.read_bytes()
    return hashlib.sha256(data if offset is None else data[offset : offset + size]).hexdigest()


def _lines(run: Path) -> Iterator[dict[str, Any]]:
    """What the ledger has of rows, but for pieces that a crash has left torn."""
    for file in sorted(run.glob("ledger/*.jsonl")):
        for line in file.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n") and b"\0" not in line:
                yield json.loads(line)
