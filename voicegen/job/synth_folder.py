"""The folder that `voicegen synth` fills, its metadata.csv, and the page that the command ends with."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from voicegen.errors import OutputError
from voicegen.files import move_aside, write_atomic
from voicegen.records import Clip, Failure

_COLUMNS = ("file_name", "text", "duration", "error")


class SynthFolder:
    """A new or empty folder, and what has become of each text.

    Attributes:
        path: of the folder.
        clips: spoken.
        failures: not spoken.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Looks at the folder.

        Args:
            path: need not exist.
            overwrite: move what is there aside, to `NAME.old-TIME`, when the first text is asked for.

        Raises:
            OutputError: there are files in it.
        """
        self.path = path
        self.clips: list[Clip] = []
        self.failures: list[Failure] = []
        self._texts: dict[int, str] = {}
        self._began = time.monotonic()
        self._in_the_way = path.is_dir() and any(path.iterdir())
        if self._in_the_way and not overwrite:
            raise OutputError(
                f"there are files in {path} already: choose another name=... or output_dir=..., "
                "or overwrite=true, which moves them aside"
            )

    def noting(self, texts: Iterable[str | Failure]) -> Iterator[str | Failure]:
        """Passes texts on, and remembers them for metadata.csv.

        Raises:
            OutputError: what is in the way cannot be moved aside.
        """
        if self._in_the_way:  # only now, as the model that asks for texts is there
            move_aside(self.path)
        for index, text in enumerate(texts):
            if isinstance(text, str):
                self._texts[index] = text
            yield text

    def add(self, record: Clip | Failure) -> None:
        """Takes down what has become of a text."""
        if isinstance(record, Failure):
            self.failures.append(record)
        else:
            self.clips.append(record)

    def write_metadata(self) -> None:
        """Writes metadata.csv: a row a text that is done, in order; `file_name` is empty where there is no audio.

        Where no text is done nothing is written, and the folder stays free for the next try.

        Raises:
            OutputError: the folder cannot be written.
        """
        if not (self.clips or self.failures):
            return
        rows: list[tuple[int, tuple[object, ...]]] = [
            (clip.index, (clip.path, self._texts.get(clip.index, ""), f"{clip.duration:.3f}", ""))
            for clip in self.clips
        ]
        rows += [
            (failure.index, ("", self._texts.get(failure.index, ""), "", failure.error)) for failure in self.failures
        ]
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(row for _, row in sorted(rows, key=lambda row: row[0]))
        write_atomic(self.path / "metadata.csv", table.getvalue().encode(errors="replace"))

    def summary(self) -> str:
        """The page that the command ends with."""
        audio = sum(clip.duration for clip in self.clips)
        seconds = max(time.monotonic() - self._began, 1e-9)
        lines = [
            f"texts     {len(self.clips)} spoken, {len(self.failures)} not",
            f"audio     {audio:.1f} seconds, {audio / seconds:.1f} times real time, loading the model included",
            f"files     {self.path}",
        ]
        lines += [f"  text {failure.index}: {failure.error}" for failure in self.failures[:5]]
        if len(self.failures) > 5:
            lines.append(f"  and {len(self.failures) - 5} more: the column `error` of metadata.csv says why")
        return "\n".join(lines)
