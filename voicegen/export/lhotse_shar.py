"""`--to lhotse-shar`: Lhotse's Shar, in which cuts and audio are read one after another, wherever the folder lies.

The format: https://lhotse.readthedocs.io/en/latest/cuts.html, as `lhotse.shar.SharWriter` writes it. That would encode
the audio anew; here the files' bytes stay, and with them what their metadata says.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicegen.export.exporter import Exporter
from voicegen.export.lhotse import INSTALL, cuts_of
from voicegen.export.rows import ExportRows
from voicegen.export.sound import Sound

if TYPE_CHECKING:
    from lhotse import MonoCut

SHARD_ROWS: Final = 1000


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/cuts.000000.jsonl.gz and SPLIT/recording.000000.tar and so on."""
    for split in rows.splits:
        with SharFolder(folder / split, ["recording"]) as shar:
            for row in rows.rows(split):
                for cut, sound in cuts_of(row):
                    shar.add(cut, [sound])


class SharFolder:
    """A folder of Shar that is being written, as a context manager.

    Args:
        folder: is made, which Lhotse's writers do not.
        fields: the recordings of each cut: `recording`, and custom ones.
    """

    def __init__(self, folder: Path, fields: Sequence[str]) -> None:
        from lhotse.shar.writers import JsonlShardWriter, TarWriter

        folder.mkdir()
        self._open = ExitStack()
        self._cuts = self._open.enter_context(JsonlShardWriter(f"{folder}/cuts.%06d.jsonl.gz", SHARD_ROWS))
        self._audio = {
            field: self._open.enter_context(TarWriter(f"{folder}/{field}.%06d.tar", SHARD_ROWS)) for field in fields
        }

    def __enter__(self) -> SharFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def add(self, cut: MonoCut, sounds: Sequence[Sound]) -> None:
        """Adds a cut, and the audio of its recordings, in the order of the fields."""
        from lhotse.shar.utils import to_shar_placeholder
        from lhotse.utils import fastcopy

        placeholders = {}
        for (field, tar), sound in zip(self._audio.items(), sounds, strict=True):
            placeholders[field] = to_shar_placeholder(getattr(cut, field), cut)
            tar.write(f"{cut.id}.{sound.container}", io.BytesIO(sound.data))
            tar.write(f"{cut.id}.json", io.BytesIO(json.dumps(placeholders[field].to_dict()).encode()), count=False)
        recording = placeholders.pop("recording")
        self._cuts.write(fastcopy(cut, recording=recording, custom={**(cut.custom or {}), **placeholders}))


SPEC: Final = Exporter(
    name="lhotse-shar",
    help="the same as Shar: tar shards that are read one after another, and may be moved",
    write=write,
    adds=("side",),
    load='lhotse.CutSet.from_shar(in_dir="{folder}/{split}")',
    beside=False,
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
