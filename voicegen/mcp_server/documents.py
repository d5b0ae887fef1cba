"""The documents of a server, to be searched by its clients."""

from __future__ import annotations

import threading
from pathlib import Path

from voicegen.records import Passage
from voicegen.retrieval.vdb import VectorDB


class Documents:
    """An index that `voicegen index` made, for many threads.

    Args:
        path: the file.

    Raises:
        InputError: there is no such index, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._index = VectorDB(path)
        self._one_at_a_time = threading.Lock()

    def search(self, question: str, k: int) -> list[Passage]:
        """The `k` passages nearest to a question, the nearest first.

        Raises:
            VoicegenError: the sentence model cannot be found or loaded.
        """
        with self._one_at_a_time:
            return self._index.find([question], k)[0]
