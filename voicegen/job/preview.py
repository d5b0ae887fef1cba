"""What a run would do, said before it does it: the input, who answers and speaks, and how much of it there will be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicegen import build
from voicegen.config import JobConfig
from voicegen.dataset.growth import check_growth
from voicegen.dataset.overview import InputOverview, overview
from voicegen.dataset.questions import QuestionFile
from voicegen.job.pace import Pace, known_pace
from voicegen.job.places import place_of
from voicegen.job.planning import naming_of, part_of, rows_of
from voicegen.job.run_job import checked_input, identity_of
from voicegen.job.summary import length
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.run_folder import INPUT, Prospect, RunFolder
from voicegen.remote import RemotePath
from voicegen.store import Store


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do.

    Attributes:
        questions: the input.
        found: what is in it, `questions.limit` heeded.
        rows: that the run would have.
        left: of them, not made yet.
        prospect: what the run's folder is.
        pace: what rows took, where that is known.
    """

    config: JobConfig
    questions: QuestionFile
    found: InputOverview
    rows: int
    left: int
    prospect: Prospect
    pace: Pace | None

    @classmethod
    def of(cls, config: JobConfig) -> Preview:
        """Reads and checks the whole input, and looks at the run's folder; loads and writes nothing.

        Raises:
            VoicegenError: as `run_job` for the settings, the input and the folder.
        """
        questions = checked_input(config)
        total = questions.inspect()
        identity = identity_of(config, total.sha256)
        store = Store(config.output_dir)
        prospect = RunFolder(
            *(store, identity), files={INPUT: questions.named}, overwrite=config.overwrite, grow=config.questions.grow
        ).look()
        if prospect is Prospect.GROWS:
            check_growth(store, questions, naming_of(config), len(Ledger(store)))
        found = overview(questions, config.questions.limit)
        rows = rows_of(part_of(config, questions), config.answers_per_question)
        left = _left(Ledger(store), rows, config) if prospect in (Prospect.GOES_ON, Prospect.GROWS) else len(rows)
        return cls(config, questions, found, len(rows), left, prospect, known_pace(config, identity))

    def lines(self) -> Iterator[str]:
        """The page that says so."""
        yield from self._input()
        yield f"answers   {self._answers()}"
        for key, cast in self.config.casts.items():
            voices = ", ".join(cast.speaking) or "the model's own voice"
            whose = {"voice": "", "voice.question": "questions: "}[key]
            yield f"speech    {place_of(self.config.tts)[1]}; {whose}{voices}"
        yield f"run       {self._folder()}"
        yield from self._amounts()

    def _answers(self) -> str:
        if self.config.speak == "question":
            return "none: the questions themselves are spoken, and no chat model is loaded"
        column = self.config.questions.answer_column
        return place_of(self.config.chat)[1] if column is None else f"ready, in column {column}: no chat model"

    def look_at_models(self) -> None:
        """Refuses what can be seen to fail of models that are here; fetches none that is not, and loads none.

        Raises:
            VoicegenError: as `build.look`.
        """
        build.signer(self.config)
        chat = self.config.chat if self.config.asks else None
        if all(place_of(settings)[0] for settings in (chat, self.config.tts) if settings is not None):
            build.look(self.config)

    def _input(self) -> Iterator[str]:
        found = self.found
        turns = f", {_counted(found.conversations, 'conversation')}" if found.conversations else ""
        yield f"input     {_counted(found.rows, 'row')} of {self.questions.told}{turns}"
        if found.unreadable:
            yield f"  {_counted(found.unreadable, 'row')} cannot be read, and will fail:"
            yield from (f"    {problem}" for problem in found.problems)
        if found.repeated:
            yield f"  {_counted(found.repeated, 'question')} asked again:"
            yield from (f"    {repeat}" for repeat in found.repeats)

    def _folder(self) -> str:
        where = self.config.output_dir
        if self.prospect in (Prospect.GOES_ON, Prospect.GROWS):
            grown = ", as the input has grown" if self.prospect is Prospect.GROWS else ""
            return f"{where}: goes on after {self.rows - self.left} finished rows, {self.left} left{grown}"
        aside = "; the run that is there is moved aside" if self.prospect is Prospect.IN_THE_WAY else ""
        return f"{where}: new, {_counted(self.left, 'row')}{aside}"

    def _amounts(self) -> Iterator[str]:
        place = self.config.output_dir
        free = None if isinstance(place, RemotePath) else shutil.disk_usage(_existing(place)).free
        if not self.left:
            yield "left      nothing"
        elif self.pace is None:
            if free is not None:
                yield f"disk      {_size(free)} free"
            yield "audio, disk and time are not known before rows were made: --try 5 makes five"
        else:
            needed = self.pace.wav_bytes(self.left)
            yield f"audio     about {length(self.pace.audio_seconds(self.left))}"
            if free is None:
                yield f"storage   about {_size(needed)} of audio"
            else:
                short = "" if needed < free else ": too little; give output_dir=... on a larger disk"
                yield f"disk      about {_size(needed)} of audio; {_size(free)} free{short}"
            most = "; a long run fills its batches and is faster" if self.pace.tried else ""
            yield f"time      about {length(self.pace.seconds(self.left))}{most}"
            yield f"  by {self.pace.source}"


def _left(ledger: Ledger, rows: range, config: JobConfig) -> int:
    """Rows that a session would make, of `rows`."""
    again = ledger.count("failed", rows) + ledger.count("rejected", rows) if config.retry_failed else 0
    return ledger.unfinished(rows) + again


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
