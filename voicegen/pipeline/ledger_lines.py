"""A finished row as a line of the ledger, and back: JSON, what is not there left out."""

from __future__ import annotations

import json
from dataclasses import fields as dataclass_fields
from typing import Any

from voicegen.records import Clip, ManifestRow, PassageRecord, SpokenQuestion, TakeRecord

_ROW_FIELDS = tuple(field.name for field in dataclass_fields(ManifestRow))
_CLIP_FIELDS = tuple(field.name for field in dataclass_fields(Clip))
_TAKE_FIELDS = tuple(field.name for field in dataclass_fields(TakeRecord))
_PASSAGE_FIELDS = tuple(field.name for field in dataclass_fields(PassageRecord))
_ASKED_FIELDS = tuple(field.name for field in dataclass_fields(SpokenQuestion))
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def to_line(row: ManifestRow) -> bytes:
    """A row's line."""
    return _ENCODER.encode(to_fields(row)).encode("utf-8", "surrogatepass") + b"\n"


def to_fields(row: ManifestRow) -> dict[str, Any]:
    """A row as its line has it: what is not there is left out."""
    fields = {name: value for name in _ROW_FIELDS if (value := getattr(row, name)) not in (None, {}, ())}
    fields |= _nested(row)
    if row.passages:
        fields["passages"] = [{name: getattr(one, name) for name in _PASSAGE_FIELDS} for one in row.passages]
    if row.asked is not None:
        asked = {name: value for name in _ASKED_FIELDS if (value := getattr(row.asked, name)) not in (None, {}, ())}
        fields["asked"] = asked | _nested(row.asked)
    return fields


def _nested(kept: ManifestRow | SpokenQuestion) -> dict[str, Any]:
    """The records in a record, as JSON has them."""
    nested: dict[str, Any] = {}
    if kept.clip is not None:
        nested["clip"] = {name: value for name in _CLIP_FIELDS if (value := getattr(kept.clip, name)) is not None}
    if kept.takes:
        nested["takes"] = [{name: getattr(take, name) for name in _TAKE_FIELDS} for take in kept.takes]
    return nested


def from_line(line: bytes) -> ManifestRow:
    """The row of a line.

    Raises:
        ValueError, TypeError: it is none.
    """
    fields = _from_nested(json.loads(line.decode("utf-8", "surrogatepass")))
    if asked := fields.get("asked"):
        fields["asked"] = SpokenQuestion(**_from_nested(asked))
    if passages := fields.get("passages"):
        fields["passages"] = tuple(PassageRecord(**one) for one in passages)
    return ManifestRow(**fields)


def _from_nested(fields: dict[str, Any]) -> dict[str, Any]:
    if clip := fields.get("clip"):
        fields["clip"] = Clip(**clip)
    if takes := fields.get("takes"):
        fields["takes"] = tuple(TakeRecord(**take) for take in takes)
    return fields
