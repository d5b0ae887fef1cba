"""Where temporary files lie, for the errors of that disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicegen.files import telling


@contextmanager
def telling_of_scratch() -> Iterator[None]:
    """Makes the system's errors in the block that uses temporary files ours; `TMPDIR` says where they lie."""
    with telling(Path(tempfile.gettempdir())):
        yield
