"""Packs clips into shards as they are made: a shard is made whole and put, and then its rows go on record.

Many small files are slow in a store of objects, and millions slow anywhere. In a shard of either kind the bytes of a
clip lie in one piece, so that whoever knows its place (`ClipPlace`) reads it by one read of them.

- tar: NUMBER.wav and NUMBER.question.wav, in order, which WebDataset takes for the fields of a sample NUMBER
  (https://github.com/webdataset/webdataset). Owners, modes and times are left out: equal clips give an equal shard.
- parquet: a row a clip, its `audio` a `struct<bytes, path>`, as Hugging Face's `datasets` have it.

A shard is called after the session and the writer that made it, its number there and its content: so a writer that was
thought dead, and comes after another one has its place, puts nothing in the place of what that one put; and shards of
different runs can lie in one folder.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from io import BufferedReader
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from voicegen.bounds import Shards
from voicegen.pipeline.plan import REJECTED
from voicegen.records import Clip, ManifestRow

SHARDS: Final = "shards"
"""The folder of them in a run's store; those of rejected rows' takes are in `shards/rejected`."""

_GROUP_ROWS: Final = 100  # of a Parquet file: what a reader that wants one clip by its row reads at once
_DIGITS: Final = 12  # of a hash, in hex: enough for the shards of all runs that are merged

Made = tuple[ManifestRow, Sequence[bytes]]
"""A row and the bytes of its clips, in their order."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How clips are packed.

    Attributes:
        kind: of the shards.
        size: bytes of audio with which a shard is closed.
        seconds: after which it is closed however small it is, counted from its first clip: so much work a kill costs.
    """

    kind: Shards
    size: float
    seconds: float


class OpenShards:
    """The rows of a writer that wait until their shards are closed: that of good takes, and that of rejected ones.

    Args:
        packing: how they are packed.
        writer: whose they are: its session and name.
        clock: seconds that never go back.
    """

    def __init__(self, packing: Packing, writer: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._packing = packing
        self._writer = writer
        self._clock = clock
        self._rows: list[Made] = []
        self._size = 0
        self._began = 0.0
        self._count = 0

    def add(self, rows: Sequence[Made]) -> None:
        """Takes rows whose clips are to be packed."""
        if not self._rows:
            self._began = self._clock()
        self._rows += rows
        self._size += sum(len(data) for _, clips in rows for data in clips)

    @property
    def are_full(self) -> bool:
        """Whether it is time to close them."""
        return self._size >= self._packing.size or self._clock() - self._began >= self._packing.seconds

    def close(self) -> tuple[list[tuple[str, bytes]], list[ManifestRow]]:
        """The shards by their names, and the rows as they are once those are put; then others are begun."""
        rows, self._rows, self._size = self._rows, [], 0
        files: list[tuple[str, bytes]] = []
        places: dict[str, tuple[str, int]] = {}  # by the path that a clip had
        for folder, are_rejected in ((SHARDS, False), (f"{SHARDS}/{REJECTED}", True)):
            clips = sorted(
                (PurePosixPath(clip.path).name, data, clip.path)
                for row, its in rows
                if (row.status == "rejected") == are_rejected
                for clip, data in zip(row.clips, its, strict=True)
            )
            if clips:
                shard, offsets = _PACKERS[self._packing.kind]([(name, data) for name, data, _ in clips])
                digest = sha256(shard).hexdigest()[:_DIGITS]
                name = f"{folder}/{self._writer}-{self._count:06d}-{digest}.{self._packing.kind}"
                files.append((name, shard))
                for (member, _, path), offset in zip(clips, offsets, strict=True):
                    places[path] = f"{name}/{member}", offset
        self._count += bool(files)
        return files, [_placed(row, places) for row, _ in rows]


def is_as_named(shard: str, file: BufferedReader) -> bool:
    """Whether the bytes of a shard are those that its name was made of."""
    return PurePosixPath(shard).stem.endswith(f"-{file_digest(file, 'sha256').hexdigest()[:_DIGITS]}")


def _placed(row: ManifestRow, places: Mapping[str, tuple[str, int]]) -> ManifestRow:
    def placed(clip: Clip | None) -> Clip | None:
        if clip is None:
            return None
        path, offset = places[clip.path]
        return replace(clip, path=path, offset=offset)

    return replace(row, clip=placed(row.clip), asked=row.asked and replace(row.asked, clip=placed(row.asked.clip)))


def _tar(files: Sequence[tuple[str, bytes]]) -> tuple[bytes, list[int]]:
    """A tar of files, and where the bytes of each begin in it."""
    shard, offsets = io.BytesIO(), []
    with tarfile.TarFile(fileobj=shard, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            offsets.append(tar.offset + tarfile.BLOCKSIZE)  # behind its header, which is one block of a short name
            tar.addfile(member, io.BytesIO(data))
    return shard.getvalue(), offsets


def _parquet(files: Sequence[tuple[str, bytes]]) -> tuple[bytes, list[int]]:
    """A Parquet file of a row a file, and where the bytes of each begin in it: plain, so that they are as they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    audio = [{"bytes": data, "path": name} for name, data in files]
    fields = [("index", pa.int64()), ("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    features = {"info": {"features": {"audio": {"_type": "Audio"}}}}
    schema = pa.schema(fields, {"huggingface": json.dumps(features)})
    table = pa.table({"index": [int(name.partition(".")[0]) for name, _ in files], "audio": audio}, schema)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        _GROUP_ROWS,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        column_encoding="PLAIN",
    )
    shard, offsets, end = sink.getvalue().to_pybytes(), [], 0
    for _, data in files:
        offsets.append(shard.index(data, end))
        end = offsets[-1] + len(data)
    return shard, offsets


_PACKERS: Final[Mapping[Shards, Callable[[Sequence[tuple[str, bytes]]], tuple[bytes, list[int]]]]] = MappingProxyType(
    {"tar": _tar, "parquet": _parquet}
)
