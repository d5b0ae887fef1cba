"""`--to lhotse-shar`: Lhotse's Shar, in which cuts and audio are read one after another, wherever the folder lies.

The format: https://lhotse.readthedocs.io/en/latest/cuts.html, as `lhotse.shar.SharWriter` writes it. That would encode
the audio anew; here the files' bytes stay, and with them what their metadata says.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Final

from voicegen.export.exporter import Exporter
from voicegen.export.lhotse import INSTALL, cut_of
from voicegen.export.rows import ExportRows

SHARD_ROWS: Final = 1000


def write(rows: ExportRows, folder: Path) -> None:
    """Writes SPLIT/cuts.000000.jsonl.gz and SPLIT/recording.000000.tar and so on."""
    from lhotse import AudioSource
    from lhotse.shar.utils import to_shar_placeholder
    from lhotse.shar.writers import JsonlShardWriter, TarWriter
    from lhotse.utils import fastcopy

    for split in rows.splits:
        place = folder / split
        place.mkdir()  # which Lhotse's writers do not
        with (
            JsonlShardWriter(f"{place}/cuts.%06d.jsonl.gz", SHARD_ROWS) as cuts,
            TarWriter(f"{place}/recording.%06d.tar", SHARD_ROWS) as audio,
        ):
            for row in rows.rows(split):
                assert row.sound is not None  # the format holds no other rows
                cut = cut_of(row, AudioSource("memory", [0], ""))
                recording = to_shar_placeholder(cut.recording, cut)
                audio.write(f"{row.name}.{row.sound.container}", io.BytesIO(row.sound.data))
                audio.write(f"{row.name}.json", io.BytesIO(json.dumps(recording.to_dict()).encode()), count=False)
                cuts.write(fastcopy(cut, recording=recording))


SPEC: Final = Exporter(
    name="lhotse-shar",
    help="the same as Shar: tar shards that are read one after another, and may be moved",
    write=write,
    load='lhotse.CutSet.from_shar(in_dir="{folder}/{split}")',
    beside=False,
    needs=("lhotse", "urllib3"),
    install=INSTALL,
)
