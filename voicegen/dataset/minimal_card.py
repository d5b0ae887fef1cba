"""What Hugging Face's `datasets` must read of a run's dataset card: that the rows are in the manifest, and which.

By itself it would take the audio alone: https://huggingface.co/docs/hub/datasets-manual-configuration. And what it has
loaded it finds again by the folder's name and the card's `configs`, without a look at the files: the rows of another
run of the name, or those that the manifest had before. So the configuration has a version, which is the manifest's own.
"""

from __future__ import annotations

import re
from hashlib import file_digest
from io import BufferedReader
from typing import Final

from voicegen.dataset.manifest_file import MANIFEST
from voicegen.store import Store

CARD: Final = "README.md"
"""The name of the dataset card (`report/card.py`)."""

MINIMAL_CARD: Final = f"""\
---
configs:
- config_name: default
  data_files: {MANIFEST}
  version: 0.0.0
---

A speech dataset made by voicegen: a row of `{MANIFEST}` has the texts, and the path of the file that speaks them.
"""
"""The card of a run that has not ended."""

_VERSION: Final = re.compile(r"(?<=^  version: )0\.0\.\d+$", re.MULTILINE)
_BYTES: Final = 6  # of the manifest's hash


def manifest_version(file: BufferedReader) -> str:
    """The version of a manifest: of its bytes alone."""
    return f"0.0.{int.from_bytes(file_digest(file, 'sha256').digest()[:_BYTES])}"


def put_version(store: Store, version: str) -> None:
    """Says the manifest's version on the run's card, which its owner may have written on, or on a minimal one.

    Raises:
        OutputError: it cannot be written.
    """
    there = store.read(CARD)
    card = MINIMAL_CARD if there is None else there.decode(errors="surrogateescape")
    told = with_version(card, version).encode(errors="surrogateescape")
    if told != there:
        store.put([(CARD, told)])


def version_on(card: str) -> str | None:
    """The version of its data that a card says."""
    found = _VERSION.search(card)
    return found and found[0]


def with_version(card: str, version: str) -> str:
    """A card with another version, where it says one."""
    return _VERSION.sub(version, card, count=1)
