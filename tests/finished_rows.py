"""A lookup of finished rows in memory, as the ledger gives them from disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voicegen.records import Clip, ManifestRow


class FinishedRows:
    """Finished rows by index."""

    def __init__(self, rows: Iterable[ManifestRow]) -> None:
        self._rows = {row.index: row for row in rows}

    @property
    def end(self) -> int:
        """One past the last finished row."""
        return max(self._rows, default=-1) + 1

    def get(self, indexes: range) -> dict[int, ManifestRow]:
        """The finished rows among `indexes`."""
        return {index: self._rows[index] for index in indexes if index in self._rows}


class EveryRow:
    """Every row is finished; made when it is looked up, so that the lookup takes no memory."""

    def __init__(self, rows: int) -> None:
        self.end = rows

    def get(self, indexes: range) -> dict[int, ManifestRow]:
        """The rows."""
        return {index: self.row(index) for index in indexes}

    def row(self, index: int) -> ManifestRow:
        """One row."""
        return spoken_row(index)


def spoken_row(index: int, **fields: Any) -> ManifestRow:
    """A row that went well."""
    clip = Clip(index, f"audio/{index:06d}.wav", 22_050, 11_025 * (index + 1), f"{index:064x}", -3.0)
    values: dict[str, Any] = {
        "seed": index + 100,
        "answer": f"Answer **{index}**.",
        "answer_spoken": f"Answer {index}.",
        "voice": "joe",
        "clip": clip,
        "finish_reason": "stop",
        "prompt_tokens": 20,
        "completion_tokens": 30 + index,
        "chat_seconds": 0.5,
        "tts_seconds": 0.25,
    }
    return ManifestRow(index, "ok", **(values | fields))


def failed_row(index: int, error: str = "input: column 'question' is empty") -> ManifestRow:
    """A row that could not be made."""
    return ManifestRow(index, "failed", seed=index, error=error)
