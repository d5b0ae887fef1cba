"""A run's folder: whose it is (the lock), what it holds (the identity), and where things lie in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from voicegen import __version__
from voicegen.errors import OutputError
from voicegen.files import output_error, remove_temporaries, write_atomic

FORMAT = 1
Identity = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where things lie in a run's folder."""

    root: Path

    @property
    def run_json(self) -> Path:
        """The identity of the run."""
        return self.root / "run.json"

    @property
    def ledger(self) -> Path:
        """The folder of the ledger's files."""
        return self.root / "ledger"

    @property
    def audio(self) -> Path:
        """The folder of the WAVs."""
        return self.root / "audio"

    @property
    def manifest(self) -> Path:
        """The manifest, derived from the ledger."""
        return self.root / "manifest.parquet"

    @property
    def log(self) -> Path:
        """The log of every session of the run."""
        return self.root / "logs" / "run.log"

    @property
    def lock(self) -> Path:
        """Held while a process works in the folder."""
        return self.root / ".lock"


def config_hash(identity: Identity) -> str:
    """The first 16 hex digits of the identity's SHA-256."""
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class RunFolder:
    """Takes a folder for a run, as a context manager that holds its lock.

    A new or empty folder starts a run; one that holds a run of the same identity goes on with it.

    Args:
        root: the folder.
        identity: what decides the run's result, as flat JSON values.
        files: the file behind a hash of the identity, by the hash's key, for messages.
        overwrite: moves a run that is in the way aside, to `NAME.old-TIME`, and starts anew.

    Raises:
        OutputError: another process holds the folder, it cannot be written, it holds a run of another identity (the
            message lists what differs), or files that are no run.
    """

    def __init__(
        self, root: Path, identity: Identity, *, files: Mapping[str, Path] | None = None, overwrite: bool = False
    ) -> None:
        self.paths = RunPaths(root)
        self.identity = dict(identity)
        self._files = dict(files or {})
        self.moved_to: Path | None = None
        self._overwrite = overwrite
        self._lock: FileLock | None = None
        self._record: dict[str, Any] = {}

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """The models that made the run so far, by stage, as `remember_model` was told."""
        models: Mapping[str, Mapping[str, Any]] = self._record.get("models", {})
        return models

    def remember_model(self, stage: str, info: Mapping[str, Any]) -> None:
        """Writes down which model a stage uses.

        Raises:
            OutputError: the run was made with another model or revision so far.
        """
        known = self.models.get(stage)
        if known is not None and dict(known) != dict(info):
            keys = [key for key in info if known.get(key) != info[key]]
            differs = ", ".join(f"{key}: {known.get(key)} then, {info[key]} now" for key in keys)
            local = str(known.get("revision")).startswith("local-")
            back = "put its files back as they were" if local else f"pin it with {stage}.revision=..."
            raise OutputError(
                f"{self.paths.root} was made with another {stage} model ({differs}); "
                f"{back} to go on with it, or start anew with another name=... or overwrite=true"
            )
        if known is None:
            self._record = {**self._record, "models": {**self.models, stage: dict(info)}}
            self._write_record()

    def __enter__(self) -> Self:
        new_lock = False
        try:
            self.paths.root.mkdir(parents=True, exist_ok=True)
            new_lock = not self.paths.lock.exists()
            self._acquire()
            self._take()
        except BaseException as error:
            if new_lock and self._lock is not None:
                with suppress(OSError):
                    self.paths.lock.unlink()  # before it is released, or it could be another process's by then
            self.__exit__(None, None, None)
            if isinstance(error, OSError):
                raise output_error(self.paths.root, error) from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _acquire(self) -> None:
        self._lock = FileLock(self.paths.lock)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock = None
            raise OutputError(
                f"{self.paths.root} is in use by another voicegen process: wait for it, "
                "or give this run another name=..."
            ) from None

    def _take(self) -> None:
        remove_temporaries(self.paths.root)
        record = self._read_record()
        if self._overwrite and (record is not None or self.paths.ledger.is_dir()):
            self._move_aside()
            record = None
        elif record is not None and not any(self.paths.ledger.glob("*.jsonl")):
            record = None  # an earlier start failed before its first row: there is nothing to go on with, or to lose
        if record is None:
            if not self.paths.run_json.exists():
                self._refuse_foreign_files()
            self._record = {
                "format": FORMAT,
                "voicegen": __version__,
                "created": datetime.now().astimezone().isoformat(timespec="seconds"),
                "config_hash": config_hash(self.identity),
                "identity": self.identity,
            }
            self._write_record()
        else:
            self._refuse_another_identity(record)
            self._record = record

    def _read_record(self) -> dict[str, Any] | None:
        try:
            record = json.loads(self.paths.run_json.read_text("utf-8"))
            if record["format"] != FORMAT:
                raise OutputError(
                    f"{self.paths.run_json}: format {record['format']} is of another voicegen version; "
                    "go on with that version, or start anew with overwrite=true"
                )
            return dict(record)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            if self._overwrite:
                return {}
            raise OutputError(
                f"{self.paths.run_json} cannot be read as a run's record: restore it, or start anew with overwrite=true"
            ) from None

    def _write_record(self) -> None:
        text = json.dumps(self._record, indent=2, ensure_ascii=False) + "\n"
        write_atomic(self.paths.run_json, text.encode())

    def _refuse_foreign_files(self) -> None:
        ours = {self.paths.lock.name, ".gitkeep", ".DS_Store"}
        foreign = sorted(path.name for path in self.paths.root.iterdir() if path.name not in ours)
        if self.paths.ledger.name in foreign:
            raise OutputError(
                f"{self.paths.root} holds a run whose {self.paths.run_json.name} is gone: restore it, "
                "or start anew with overwrite=true (which moves the old run aside)"
            )
        if foreign:
            raise OutputError(
                f"{self.paths.root} holds files that are no run ({', '.join(foreign[:3])}"
                f"{', ...' if len(foreign) > 3 else ''}): choose an empty folder with output_dir=... or name=..."
            )

    def _refuse_another_identity(self, record: Mapping[str, Any]) -> None:
        then = record.get("identity", {})
        keys = sorted(key for key in {*then, *self.identity} if then.get(key) != self.identity.get(key))
        if keys:
            groups = {key.removesuffix("kind") for key in keys if key.endswith(".kind")}
            keys = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(groups))]
            differs = "; ".join(self._difference(key, then) for key in keys)
            raise OutputError(
                f"{self.paths.root} holds a run with other settings ({differs}): set them back to go on with it, "
                "or start anew with another name=... or overwrite=true (which moves the old run aside)"
            )

    def _difference(self, key: str, then: Mapping[str, Any]) -> str:
        if key in self._files and key in then:
            return f"{key}: {self._files[key]} is not the file of then, or has changed since"
        return f"{key}: {_short(then.get(key))} then, {_short(self.identity.get(key))} now"

    def _move_aside(self) -> None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        root = self.paths.root
        target = root.with_name(f"{root.name}.old-{stamp}")
        number = 1
        while target.exists():
            number += 1
            target = root.with_name(f"{root.name}.old-{stamp}-{number}")
        root.rename(target)
        if self._lock is not None:
            self._lock.release()
        self.moved_to = target
        root.mkdir(parents=True)
        self._acquire()


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
