"""What a run would take, by what rows of another one took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicegen.config import JobConfig
from voicegen.errors import OutputError
from voicegen.pipeline.run_folder import Session, read_record
from voicegen.remote import AnyPath, RemotePath
from voicegen.store import Store

_DECIDES = (
    "speak",
    "chat.kind",
    "chat.model",
    "chat.max_tokens",
    "chat.num_answers",
    "tts.kind",
    "tts.model",
    "tts.speed",
)


@dataclass(frozen=True, slots=True)
class Pace:
    """What the rows of one session took, and whose it was; `tried`: too few to fill a batch, and so slower."""

    session: Session
    source: str
    tried: bool = False

    def seconds(self, rows: int) -> float:
        """The time of so many rows."""
        return self.session.seconds / self.session.rows * rows

    def audio_seconds(self, rows: int) -> float:
        """Of so many rows, seconds of audio."""
        return self.session.audio_seconds / self.session.rows * rows

    def wav_bytes(self, rows: int) -> float:
        """The size of the WAVs of so many rows."""
        return self.session.wav_bytes / self.session.rows * rows


def trial_folder(config: JobConfig) -> Path:
    """Where rows that are only tried are put: beside the run, never in it, and on this machine."""
    if isinstance(config.output_dir, RemotePath):
        return Path("outputs", f"{config.output_dir.name}.try")
    folder = config.output_dir if config.output_dir.name.strip(".") else config.output_dir.resolve()
    return folder.with_name(f"{folder.name}.try")


def known_pace(config: JobConfig, identity: Mapping[str, Any]) -> Pace | None:
    """The pace of the run's own last session, else of the latest of the runs beside it with the same models."""
    own = _pace(config.output_dir, identity)
    if own is not None:
        return own
    beside = trial_folder(config).parent
    folders = sorted(beside.iterdir()) if beside.is_dir() else []
    paces = [pace for folder in folders if folder.is_dir() and (pace := _pace(folder, identity))]
    return max(paces, key=lambda pace: (not pace.tried, pace.session.ended), default=None)


def _pace(folder: AnyPath, identity: Mapping[str, Any]) -> Pace | None:
    try:
        record = read_record(Store(folder))
    except OutputError:
        return None
    session = None if record is None else Session.of(record)
    if record is None or session is None or not session.rows:
        return None
    then = record["identity"]
    if any(then.get(key) != identity.get(key) for key in _DECIDES):
        return None
    return Pace(session, f"{session.rows} rows of {folder}", tried=then.get("job") == "try")
