"""A run's folder: that it is held by one command, and that it holds the run that is meant (the identity)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Self

from voicegen import __version__
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import DIGITAL_SOURCE_TYPE
from voicegen.errors import OutputError
from voicegen.pipeline.ledger import LEDGER
from voicegen.store import Hold, Store

FORMAT = 1
RUN_JSON = "run.json"
INPUT = "input.sha256"
"""The key of an identity that says what the input is."""
MERGED = "merged_from"
"""The key of a record that says what runs the run was merged from."""

Identity = Mapping[str, Any]


def config_hash(identity: Identity) -> str:
    """The first 16 hex digits of the identity's SHA-256."""
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def run_hash(record: Mapping[str, Any]) -> str:
    """The `config_hash` that a run has from its record: it stays what it was where the input has grown since."""
    identity, inputs = record.get("identity", {}), record.get("inputs", ())
    return config_hash({**identity, INPUT: inputs[0]["sha256"]} if len(inputs) > 1 else identity)


def made_by(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The models that made a run, each with its stage: of one that was merged all that its runs were made by."""
    records = (record, *record.get(MERGED, ()))
    models = [item for each in records for item in each.get("models", {}).items()]
    return [item for place, item in enumerate(models) if item not in models[:place]]


def rows_of_input(record: Mapping[str, Any]) -> int | None:
    """Rows that a run's whole input comes to; None where that is not known, as of a chat."""
    inputs = record.get("inputs", ())
    rows = inputs[-1].get("rows") if inputs else None
    return None if rows is None else int(rows) * int(record.get("identity", {}).get("chat.num_answers", 1))


def what_is_lacking(record: Mapping[str, Any], rows: int) -> str | None:
    """Says that a run, which has so many rows, has not all of its input; None where it has, or that is not known."""
    whole = rows_of_input(record)
    return None if whole is None or rows >= whole else f"{rows} of the {whole} rows of the input are there"


def why_it_stays(record: Mapping[str, Any]) -> str | None:
    """Why no command can make rows of a run again; None where one can."""
    if record.get("identity", {}).get("job") == "chat":
        return "is a recorded chat, and nothing can say its turns again"
    if MERGED in record:
        return "was merged from other runs, and nothing makes its rows again: go on with those, and merge them anew"
    return None


def audio_of(identity: Identity, store: Store) -> AudioFormat:
    """What a run's audio files are; runs from before there was a choice have WAVs.

    Raises:
        OutputError: its record says what cannot be.
    """
    try:
        return AudioFormat(identity.get("tts.format", "wav"), identity.get("tts.subtype", "PCM_16"))
    except ValueError as error:
        raise OutputError(f"{store}/{RUN_JSON}: {error}: restore the file") from None


class _Unreadable(OutputError):
    """A run's record that is none."""


def read_record(store: Store) -> dict[str, Any] | None:
    """What a run's `run.json` says; None where there is none.

    Raises:
        OutputError: it is of another version, or cannot be read.
    """
    written = store.read(RUN_JSON)
    if written is None:
        return None
    try:
        record = dict(json.loads(written))
        dict(record.get("identity", {}))
        if record["format"] != FORMAT:
            raise OutputError(
                f"{store}/{RUN_JSON}: format {record['format']} is of another voicegen version; "
                f"go on with that version, or {store.anew}"
            )
    except (ValueError, KeyError, TypeError):
        raise _Unreadable(f"{store}/{RUN_JSON} cannot be read as a run's record: restore it, or {store.anew}") from None
    return record


@dataclass(frozen=True, slots=True)
class Session:
    """What one session of a run did, models' loading left out of its seconds; `ended` is in ISO 8601."""

    rows: int
    seconds: float
    audio_seconds: float
    wav_bytes: int
    ended: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Session | None:
        """The last one that finished rows, as a run's record has it; None where it has none."""
        try:
            return cls(**record["last_session"])
        except (KeyError, TypeError):
            return None


class Prospect(Enum):
    """What a run's folder is to a command that is to take it."""

    NEW = "new"
    GOES_ON = "goes on"
    GROWS = "grows"  # goes on with more input than it had
    IN_THE_WAY = "in the way"


class RunFolder:
    """Takes a store for a run, as a context manager that holds it.

    A new or empty one starts a run; one that has a run of the same identity goes on with it.

    Args:
        store: where the run is to lie.
        identity: what decides the run's result, as flat JSON values.
        files: the file behind a hash of the identity, by the hash's key, for messages.
        overwrite: moves a run that is in the way aside, to `NAME.old-TIME`, and starts anew.
        grow: goes on with a run of another input; it is for the caller to see that this one has only grown.

    Raises:
        OutputError: another process holds the folder, it cannot be written, it holds a run of another identity (the
            message lists what differs), or files that are no run.
    """

    def __init__(
        self,
        store: Store,
        identity: Identity,
        *,
        files: Mapping[str, Path | str] | None = None,
        overwrite: bool = False,
        grow: bool = False,
    ) -> None:
        self.store = store
        self.identity = dict(identity)
        self._files = dict(files or {})
        self.moved_to: Store | None = None
        self._overwrite = overwrite
        self._grow = grow
        self._hold: Hold | None = None
        self._record: dict[str, Any] = {}

    @property
    def config_hash(self) -> str:
        """The run's, as its record, its manifest and its audio have it."""
        return run_hash(self._record)

    @property
    def models(self) -> Mapping[str, Mapping[str, Any]]:
        """The models that made the run so far, by stage, as `remember_model` was told."""
        models: Mapping[str, Mapping[str, Any]] = self._record.get("models", {})
        return models

    @property
    def split(self) -> Mapping[str, Any] | None:
        """What the manifest is split by; None where it is not."""
        return self._record.get("split")

    def remember_split(self, split: Mapping[str, Any] | None) -> None:
        """Writes down what the manifest is split by."""
        if split != self.split:
            others = {key: value for key, value in self._record.items() if key != "split"}
            self._record = others if split is None else {**others, "split": dict(split)}
            self._write_record()

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """What the input was, one after the other: its SHA-256, how many rows it had, and since when."""
        inputs: Sequence[Mapping[str, Any]] = self._record.get("inputs", ())
        return inputs

    @property
    def has_grown(self) -> bool:
        """Whether the run that is gone on with was made of another input so far."""
        return bool(self._record["identity"].get(INPUT) != self.identity.get(INPUT))

    def remember_input(self, rows: int) -> None:
        """Writes down the input of the identity, after those of before, and that it is the run's from now on."""
        then, now = self._record["identity"].get(INPUT), self.identity.get(INPUT)
        inputs = list(self.inputs) or ([{"sha256": then}] if then != now else [])  # of a run from before 0.2
        if inputs and inputs[-1]["sha256"] == now and not self.has_grown:
            return
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        self._record = {
            **self._record,
            "identity": self.identity,
            "inputs": [*inputs, {"sha256": now, "rows": rows, "since": since}],
        }
        self._write_record()

    def remember_model(self, stage: str, info: Mapping[str, Any]) -> None:
        """Writes down which model a stage uses; what an older version did not write down is not compared.

        Raises:
            OutputError: the run was made with another model, revision or precision so far.
        """
        known = self.models.get(stage, {})
        differing = [key for key in info if key in known and known[key] != info[key]]
        if differing:
            differs = ", ".join(f"{key}: {known[key]} then, {info[key]} now" for key in differing)
            raise OutputError(
                f"{self.store} was made with another {stage} model ({differs}); "
                f"{_way_back(stage, known, differing)} to go on with it, or {self.store.anew}"
            )
        if dict(known) != dict(info):
            self._remember(models={**self.models, stage: dict(info)})

    def remember_consents(self, consents: Mapping[str, str | None]) -> bool:
        """Writes down the user's own voices and what was said of the consent to each; returns whether that is new."""
        voices = {name: {"consent": consent} for name, consent in consents.items()}
        new: bool = voices != self._record.get("provenance", {}).get("voices", {})
        if new:
            self._remember(provenance={"voices": voices})
        return new

    def remember_session(self, session: Session) -> None:
        """Writes down what the session that ends now did, in the place of what the one before it did."""
        self._remember(last_session=asdict(session))

    def __enter__(self) -> Self:
        hold = self.store.hold()
        try:
            self._take(hold)
        except BaseException:
            hold.give_back()
            raise
        self._hold = hold
        return self

    def __exit__(self, *error: Any) -> None:
        assert self._hold is not None
        self._hold.__exit__(*error)

    def look(self) -> Prospect:
        """What taking the folder would find; changes nothing.

        Raises:
            OutputError: as the folder does when it is taken; that another process holds it is none here.
        """
        if self._is_in_the_way():
            self.store.look_aside()
            return Prospect.IN_THE_WAY
        earlier = self._earlier()
        if earlier is None:
            return Prospect.NEW
        same = earlier["identity"].get(INPUT) == self.identity.get(INPUT)
        return Prospect.GOES_ON if same else Prospect.GROWS

    def _take(self, hold: Hold) -> None:
        if self._is_in_the_way():
            self.moved_to = hold.move_aside()
        record = self._earlier()
        if record is None:
            self._record = {
                "format": FORMAT,
                "voicegen": __version__,
                "created": datetime.now().astimezone().isoformat(timespec="seconds"),
                "config_hash": config_hash(self.identity),
                "identity": self.identity,
            }
            self._write_record()
        else:
            self._record = record

    def _is_in_the_way(self) -> bool:
        return self._overwrite and (self._read_record() is not None or LEDGER in self.store.names())

    def _earlier(self) -> dict[str, Any] | None:
        """The record of the run that is gone on with; None where there is none."""
        record = self._read_record()
        if record is None or not self.store.names(LEDGER):
            # Or an earlier start failed before its first row: there is nothing to go on with, or to lose.
            self._refuse_foreign_files()
            return None
        if MERGED in record:
            raise OutputError(f"{self.store} {why_it_stays(record)}; or {self.store.anew}")
        self._refuse_another_identity(record)
        return record

    def _read_record(self) -> dict[str, Any] | None:
        try:
            return read_record(self.store)
        except _Unreadable:
            if self._overwrite:
                return {}
            raise

    def _remember(self, **changes: Any) -> None:
        self._record = {**self._record, **changes}
        self._record["provenance"] = {
            "synthetic": True,
            "digital_source_type": DIGITAL_SOURCE_TYPE,
            "licences": {stage: model.get("licence") for stage, model in self.models.items()},
            "voices": self._record.get("provenance", {}).get("voices", {}),
        }
        self._write_record()

    def _write_record(self) -> None:
        text = json.dumps(self._record, indent=2, ensure_ascii=False) + "\n"
        self.store.put([(RUN_JSON, text.encode())])

    def _refuse_foreign_files(self) -> None:
        names = self.store.names()
        if RUN_JSON in names:
            return
        foreign = [name for name in names if name not in (".gitkeep", ".DS_Store")]
        if LEDGER in foreign:
            raise OutputError(f"{self.store} holds a run whose {RUN_JSON} is gone: restore it, or {self.store.anew}")
        if foreign:
            raise OutputError(
                f"{self.store} holds files that are no run ({', '.join(foreign[:3])}"
                f"{', ...' if len(foreign) > 3 else ''}): choose an empty folder with output_dir=... or name=..."
            )

    def _refuse_another_identity(self, record: Mapping[str, Any]) -> None:
        then = record.get("identity", {})
        keys = sorted(key for key in {*then, *self.identity} if then.get(key) != self.identity.get(key))
        if self._grow:
            keys = [key for key in keys if key != INPUT]
        if keys:
            groups = {key.removesuffix("kind") for key in keys if key.endswith(".kind")}
            keys = [key for key in keys if key.endswith(".kind") or not key.startswith(tuple(groups))]
            differs = "; ".join(
                [*_listening(then, self.identity, keys), *(self._difference(key, then) for key in keys)]
            )
            raise OutputError(
                f"{self.store} holds a run with other settings ({differs}): set them back to go on with it, "
                f"or {self.store.anew}"
            )

    def _difference(self, key: str, then: Mapping[str, Any]) -> str:
        if key in self._files and key in then:
            grown = "; questions.grow=true answers rows that were appended" if key == INPUT else ""
            return f"{key}: {self._files[key]} is not the file of then, or has changed since{grown}"
        return f"{key}: {_short(then.get(key))} then, {_short(self.identity.get(key))} now"


def _listening(then: Identity, now: Identity, keys: list[str]) -> list[str]:
    """Says once that one of the two listens to takes and the other does not; takes the keys that tell so out."""
    listened, listens = (any(key.startswith("quality.") for key in identity) for identity in (then, now))
    if listened == listens:
        return []
    keys[:] = [key for key in keys if not key.startswith("quality.")]
    return ["quality: takes were judged by it then, off now" if listened else "quality: off then, on now"]


def _way_back(stage: str, known: Mapping[str, Any], differing: Sequence[str]) -> str:
    if differing == ["precision"]:
        return f"set {stage}.dtype so that it is {known['precision']} again"
    local = str(known.get("revision")).startswith("local-")
    return "put its files back as they were" if local else f"pin it with {stage}.revision=..."


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
