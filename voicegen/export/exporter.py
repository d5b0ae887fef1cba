"""An exporter is one row: its `SPEC` says what it is called, what it writes, and what that needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from voicegen.errors import MissingDependency

if TYPE_CHECKING:
    from voicegen.bounds import Container
    from voicegen.export.rows import ExportRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """What is known of a format before a row is read. Its module imports no package that it needs alone.

    Attributes:
        name: as `--to` has it.
        help: one line: what is written, and who reads it.
        write: writes the rows into an empty folder, in flat memory.
        load: the Python that loads it back, or one split of it whole; `{folder}` and `{split}` in the places of their
            names, as `loading` fills them in.
        adds: columns of its own, beside the manifest's.
        container: the only kind of audio file that it holds; None: any.
        beside: whether other files can lie beside its audio, as those of `--times` do.
        parquet: whether it is data/SPLIT-*.parquet with the audio in them, which the card tells `datasets`.
        sampling_rate: the only one that it holds, in Hz; None: any.
        pairs: whether it holds questions with their answers, both spoken.
        answers_alone: whether it has no place for the questions' audio of a run that has both.
        words: whether it needs to know when each word is said.
        without_audio: whether it can hold rows that have no audio, as failed ones have none.
        needs: modules that must be importable.
        install: the command that installs them.
    """

    name: str
    help: str
    write: Callable[[ExportRows, Path], None]
    load: str
    adds: tuple[str, ...] = ()
    container: Container | None = None
    beside: bool = True
    parquet: bool = False
    sampling_rate: int | None = None
    pairs: bool = False
    answers_alone: bool = False
    words: bool = False
    without_audio: bool = False
    needs: tuple[str, ...] = ()
    install: str = ""

    def loading(self, folder: str | Path, split: str) -> str:
        """The Python that loads an export in `folder`, or its `split`; for the summary and the card."""
        return self.load.format(folder=_quoted(str(folder)), split=_quoted(split))

    def ready(self) -> Self:
        """Itself.

        Raises:
            MissingDependency: a package that it needs is not installed; says the command that installs it.
        """
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            raise MissingDependency(f"--to {self.name} needs {', '.join(missing)}: install it with {self.install}")
        return self


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
