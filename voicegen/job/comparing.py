"""What changed between two runs: settings and models, rows by their ids, and the measures of rows that both have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from voicegen.dataset.manifest_file import columns_there, flat, open_manifest
from voicegen.pipeline.run_folder import read_record, what_is_lacking
from voicegen.report.differences import COMPARED, differences, files_alone, medians
from voicegen.report.statistics import COLUMNS
from voicegen.store import Store

EXAMPLES: Final = 3
"""Rows of a kind of change that are told by their ids."""

_LONGEST: Final = 60  # characters of a setting


@dataclass(frozen=True, slots=True)
class RunDifference:
    """What differs between a first and a second run.

    Attributes:
        settings: the two values of each setting, and of what is known of each model, that differ; None: not there.
        rows: of the first and of the second.
        added: ids of rows that only the second has, in its order.
        removed: ids of rows that only the first has, in its order.
        changed: ids of rows that both have and that differ, by what differs.
        files: ids of rows that both have, whose audio files differ and sound the same.
        lacking: what says of a run that it has not all rows of its input, by its folder.
        measures: label, and median in the first and the second, of good rows that both have; where they differ.
    """

    settings: Mapping[str, tuple[Any, Any]]
    rows: tuple[int, int]
    added: Sequence[str]
    removed: Sequence[str]
    changed: Mapping[str, Sequence[str]]
    files: Sequence[str]
    lacking: Mapping[str, str]
    measures: Sequence[tuple[str, str, str]]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.settings or self.added or self.removed or self.changed or self.files)

    def lines(self) -> Iterator[str]:
        """The page that says so; nothing where nothing differs."""
        for key, (first, second) in self.settings.items():
            yield f"setting   {key}: {_short(first)} -> {_short(second)}"
        if self:
            yield from (f"input     {run}: {what}" for run, what in self.lacking.items())
        if self.added or self.removed:
            yield f"rows      {self.rows[0]} -> {self.rows[1]}"
        for what, ids in (("added", self.added), ("removed", self.removed)):
            if ids:
                yield f"  {_counted(ids)} {what}: {_examples(ids)}"
        for what, ids in self.changed.items():
            yield f"changed   {what} of {_counted(ids)}: {_examples(ids)}"
        if self.files:
            yield f"files     of {_counted(self.files)} differ in tags or signature alone: {_examples(self.files)}"
        for label, first_median, second_median in self.measures:
            yield f"measure   {label}, median of rows that are ok in both: {first_median} -> {second_median}"


def compare_runs(first: Path, second: Path) -> RunDifference:
    """Compares two runs, finished or not, by their run.json and their manifests; no audio is read.

    Raises:
        ConfigError: a path is a URL.
        InputError: there is no manifest, or it is not voicegen's.
        OutputError: a run.json cannot be read.
    """
    one, other = _rows(first), _rows(second)
    both = one.index.intersection(other.index, sort=False)
    before, after = one.loc[both], other.loc[both]
    changed = {what: both[differ].tolist() for what, differ in differences(before, after).items()}
    return RunDifference(
        settings=_settings(first, second),
        rows=(len(one), len(other)),
        added=other.index.difference(one.index, sort=False).tolist(),
        removed=one.index.difference(other.index, sort=False).tolist(),
        changed={what: ids for what, ids in changed.items() if ids},
        files=both[files_alone(before, after)].tolist(),
        lacking=dict(_lacking((first, len(one)), (second, len(other)))),
        measures=list(_measures(before, after)),
    )


def _rows(run: Path) -> pd.DataFrame:
    """The manifest's columns that are compared, by the rows' ids."""
    manifest, _ = open_manifest(run)
    wanted = dict.fromkeys(("id", *COMPARED, *COLUMNS))
    columns = columns_there(manifest.schema_arrow, wanted)
    rows: pd.DataFrame = flat(manifest.read(columns=columns)).to_pandas()
    return rows.set_index("id")


def _measures(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    for measure, *values in medians(before, after):
        one, other = (f"{value:.{measure.digits}f}" for value in values)
        if one != other:
            unit = f" ({measure.unit})" if measure.unit else ""
            yield f"{measure.label}{unit}", one, other


def _settings(first: Path, second: Path) -> dict[str, tuple[Any, Any]]:
    one, other = _facts(first), _facts(second)
    keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    return {key: (one.get(key), other.get(key)) for key in keys}


def _facts(run: Path) -> dict[str, Any]:
    """What decided a run's result, and which models made it."""
    record = _record(run)
    models: Mapping[str, Mapping[str, Any]] = record.get("models", {})
    of_models = {f"{stage} model's {key}": value for stage, model in models.items() for key, value in model.items()}
    split = {f"split.{key}": value for key, value in (record.get("split") or {}).items()}
    return {**split, **record.get("identity", {}), **of_models}


def _record(run: Path) -> dict[str, Any]:
    return read_record(Store(run if run.is_dir() else run.parent)) or {}


def _lacking(*runs: tuple[Path, int]) -> Iterator[tuple[str, str]]:
    for run, rows in runs:
        if what := what_is_lacking(_record(run), rows):
            yield str(run), what


def _counted(ids: Sequence[str]) -> str:
    return "1 row" if len(ids) == 1 else f"{len(ids)} rows"


def _examples(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - EXAMPLES} more" if len(ids) > EXAMPLES else ""
    return f"{', '.join(ids[:EXAMPLES])}{more}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
