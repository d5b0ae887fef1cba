"""In which form a dataset lies in a folder, and so which code its card has to load it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voicegen.dataset.manifest_file import MANIFEST

_RUN_CODE: Final = """\
Every row with its audio, as a torch Dataset:

```python
import voicegen

dataset = voicegen.load_manifest("{folder}")
```

By Hugging Face's `datasets`, without voicegen:

```python
import datasets, {modules}soundfile

rows = datasets.load_dataset("{folder}", split="train")
rows = rows.filter(lambda row: row["status"] == "ok" and row["split"] == "train")
{reading}
```

The file is one, and so `datasets` calls all of it train: the column `split` says which part a row is in.
"""

_READING: Final = """\
samples, rate = soundfile.read("{folder}/" + rows[0]["audio_path"])"""

_READING_PACKED: Final = """\
clip = rows[0]
with open("{folder}/" + clip["audio_path"].rpartition("/")[0], "rb") as shard:
    shard.seek(clip["audio_offset"])
    samples, rate = soundfile.read(io.BytesIO(shard.read(clip["audio_size"])))"""

_DECODING: Final = """\
`datasets` decodes audio with torchcodec and the system's FFmpeg, and needs neither to load it. These two lines need
neither at all:

```python
import datasets, io, soundfile

rows = datasets.load_dataset("{folder}", split="{split}").cast_column("audio", datasets.Audio(decode=False))
samples, rate = soundfile.read(io.BytesIO(rows[0]["audio"]["bytes"]))
```
"""


@dataclass(frozen=True, slots=True)
class Form:
    """In which form rows lie in a folder.

    Attributes:
        code: the part of the card that says how to load them.
        config: how `datasets` is to read it; None where it is not meant to, or finds that by itself.
        limits: that the form has, a sentence or two each.
    """

    code: str
    config: Mapping[str, str] | None = None
    limits: Sequence[str] = ()


def run_form(folder: str, version: str, *, packed: bool = False) -> Form:
    """A run's folder, of this name and version of its data; `packed`: its clips are in shards."""
    reading, modules = (_READING_PACKED, "io, ") if packed else (_READING, "")
    code = _RUN_CODE.replace("{reading}", reading).replace("{modules}", modules)
    return Form(code.replace("{folder}", _quoted(folder)), {"data_files": MANIFEST, "version": version})


def export_form(folder: str, loading: str, split: str, *, parquet: bool) -> Form:
    """An export.

    Args:
        folder: its name; or of a dataset on the hub, OWNER/NAME.
        loading: the Python that loads it, or its first split.
        split: the first that has rows.
        parquet: whether it is data/SPLIT-*.parquet with the audio in them.
    """
    code = f"```python\nimport {', '.join(_modules(loading))}\n\ndataset = {loading}\n```\n"
    if not parquet:
        return Form(code)
    return Form(f"{code}\n{_DECODING.replace('{folder}', _quoted(folder)).replace('{split}', split)}")


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _modules(line: str) -> list[str]:
    names = [node for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return sorted({node.id for node in names} - made - set(dir(builtins)))
