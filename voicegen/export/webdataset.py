"""`--to webdataset`: tar shards of KEY.wav KEY.json, a row's files side by side, keys in order.

With `speak=both` a row has KEY.question.wav besides, which is its field `question.wav`.

The format: https://github.com/webdataset/webdataset; the keys are the rows' numbers, which hold no dot, since what
stands behind the first one names the field. Owners, modes and times are left out, so that equal runs give equal shards.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from voicegen.export.exporter import Exporter
from voicegen.export.rows import ExportRow, ExportRows

SHARD_BYTES: Final = 500 * 10**6
"""No shard grows beyond it; a single row does, where it is larger."""

_WRITTEN: Final = 1 << 20  # bytes at a time; tarfile's own 16 kB take twice as long


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT-000000.tar and so on."""
    for split in rows.splits:
        with closing(_Shards(folder, split)) as shards:
            for row in rows.rows(split):
                shards.add(row)


class _Shards:
    """The shards of a split, one of them open."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split = folder, split
        self._number = 0
        self._tar: tarfile.TarFile | None = None

    def add(self, row: ExportRow) -> None:
        members = list(_members(row))
        size = sum(tarfile.BLOCKSIZE + -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE for _, data in members)
        if self._tar is not None and self._tar.offset + size + tarfile.RECORDSIZE > SHARD_BYTES:
            self.close()
        if self._tar is None:
            path = self._folder / f"{self._split}-{self._number:06d}.tar"
            self._tar = tarfile.TarFile(path, "w", format=tarfile.USTAR_FORMAT, copybufsize=_WRITTEN)
            self._number += 1
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            self._tar.addfile(member, io.BytesIO(data))

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None


def _members(row: ExportRow) -> Iterator[tuple[str, bytes]]:
    yield from row.files
    if row.question is not None:
        yield f"{row.question_file_name}", row.question.data
    yield f"{row.name}.json", json.dumps(row.values, ensure_ascii=False, default=str).encode()


SPEC: Final = Exporter(
    name="webdataset",
    help="tar shards under 500 MB of KEY.wav and KEY.json, keys in order: WebDataset",
    write=write,
    load='webdataset.WebDataset(sorted(map(str, pathlib.Path("{folder}").glob("{split}-*.tar"))), shardshuffle=False)',
    without_audio=True,
)
