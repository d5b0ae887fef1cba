"""The run.json of a merged run: what it was made from, and what holds for all of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from voicegen import __version__
from voicegen.audio.origin import DIGITAL_SOURCE_TYPE
from voicegen.dataset.splits import Shares
from voicegen.errors import InputError
from voicegen.merging.manifest import Splitting
from voicegen.merging.numbering import Numbering, Part
from voicegen.merging.sources import Source
from voicegen.pipeline.run_folder import FORMAT, MERGED, config_hash, run_hash

_TEST_VOICES = "split.test_voices"

V = TypeVar("V")


def merged_record(numbering: Numbering) -> dict[str, Any]:
    """The record: of shards of one run that run's, of different runs what all of them have in common."""
    sources = [source for part in numbering.parts for source in part.sources]
    records = [source.record for source in sources]
    together = {"provenance": _provenance(sources), MERGED: [_origin(part) for part in numbering.parts]}
    if numbering.is_one_run:
        whole = max(sources, key=lambda source: len(source.inputs)).record
        kept = {key: value for key, value in whole.items() if key != "last_session"}
        return {**kept, "created": min(record["created"] for record in records), **together}
    identity = {
        **_common(source.identity for source in sources),
        "job": "merge",
        "runs": [run_hash(part.sources[0].record) for part in numbering.parts],
    }
    split = records[0].get("split")
    return {
        "format": FORMAT,
        "voicegen": __version__,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "config_hash": config_hash(identity),
        "identity": identity,
        "models": _common(record.get("models", {}) for record in records),
        **({} if split is None else {"split": split}),
        **together,
    }


def splitting_of(sources: Sequence[Source]) -> Splitting:
    """What the rows of runs are split by.

    Raises:
        InputError: it is not the same for all.
    """
    first = _split(sources[0])
    for source in sources[1:]:
        if _split(source) != first:
            raise InputError(
                f"{sources[0].store} and {source.store} are split differently ({_said(first)}; "
                f"{_said(_split(source))}): give both the same split.*, which makes nothing again, and merge them then"
            )
    record, test_voices = first
    shares = Shares() if record is None else Shares(record["validation"], record["test"])
    return Splitting(shares, True if record is None else record["near"], test_voices)


def _split(source: Source) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    return source.record.get("split"), tuple(source.identity.get(_TEST_VOICES) or ())


def _said(split: tuple[Mapping[str, Any] | None, tuple[str, ...]]) -> str:
    record, test_voices = split
    said = "all train" if record is None else ", ".join(f"{key} {value}" for key, value in record.items())
    return f"{said}, test_voices {', '.join(test_voices)}" if test_voices else said


def _origin(part: Part) -> dict[str, Any]:
    record = part.sources[0].record
    return {
        "runs": [source.name for source in part.sources],
        "rows": len(part.present),
        "config_hash": run_hash(record),
        "created": record.get("created"),
        "voicegen": record.get("voicegen"),
        "models": record.get("models", {}),
    }


def _provenance(sources: Sequence[Source]) -> dict[str, Any]:
    licences: dict[str, list[str | None]] = {}
    voices: dict[str, Any] = {}
    for source in sources:
        given = source.record.get("provenance", {})
        for stage, licence in given.get("licences", {}).items():
            for each in licence if isinstance(licence, list) else [licence]:
                if each not in licences.setdefault(stage, []):
                    licences[stage].append(each)
        for name, voice in given.get("voices", {}).items():
            voices[name if voices.get(name, voice) == voice else f"{source.name}/{name}"] = voice
    return {
        "synthetic": True,
        "digital_source_type": DIGITAL_SOURCE_TYPE,
        "licences": {stage: found[0] if len(found) == 1 else found for stage, found in licences.items()},
        "voices": voices,
    }


def _common(mappings: Iterable[Mapping[str, V]]) -> dict[str, V]:
    """What all have alike."""
    first, *others = mappings
    return {key: value for key, value in first.items() if all(key in each and each[key] == value for each in others)}
