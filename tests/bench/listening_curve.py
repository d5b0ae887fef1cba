"""What recognition finds, against the good takes that it holds for bad, as its bounds are moved.

    python -m tests.bench.planted_defects --truthfulqa TruthfulQA.csv --part sixth --rows ROWS.jsonl
    python -m tests.bench.listening_curve ROWS.jsonl [--bounds 0.5 0.75 1 1.5 2 3] [--rule misheard] [--kind names]

Prints percent of takes held for bad, by kind of text of the good ones and by fault of the others. At 1 the bounds are
those of the quality; at 2 a measurement may be twice as far. Those of the checks beside recognition stay as they are.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voicegen.job.composing import compose
from voicegen.quality.check import Bounds, Measurement
from voicegen.quality.checks import checks_on
from voicegen.quality.verdict import judge_by

MOVED = "recognition"
Rules = list[tuple[Measurement, Bounds]]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="what planted_defects.py --rows has written")
    parser.add_argument("--bounds", type=float, nargs="+", default=[0.5, 0.75, 1, 1.25, 1.5, 2, 3, 1000])
    parser.add_argument("--rule", help="the only one whose bound is moved, as misheard")
    parser.add_argument("--kind", help="of texts, whose takes alone are told of")
    parser.add_argument("--quality", default="strict")
    options = parser.parse_args()
    rows = map(json.loads, options.rows.read_text(encoding="utf-8").splitlines())
    takes = _by_name(row for row in rows if options.kind in (None, row["kind"]))
    print(f"| bounds times | {' | '.join(headings(takes))} |")
    print(f"| --- |{' ---: |' * len(takes)}")
    for times in options.bounds:
        rules = _rules(options.quality, times, options.rule)
        print(f"| {times:g} | {' | '.join(f'{share(scores, rules):.1f}' for scores in takes.values())} |")


def headings(takes: Mapping[str, Sequence[object]]) -> list[str]:
    """The columns' headings: each with how many takes it is of."""
    return [f"{name} ({len(scores)})" for name, scores in takes.items()]


def share(takes: Sequence[Mapping[str, Any]], rules: Rules) -> float:
    """Percent of takes that the rules hold for bad, by what was measured of them."""
    return 100 * sum(judge_by(scores, rules).status != "ok" for scores in takes) / len(takes)


def moved(bounds: Bounds, times: float) -> Bounds:
    """Bounds that allow so many times as much."""
    return bounds.model_copy(
        update={
            "max": None if bounds.max is None else bounds.max * times,
            "min": None if bounds.min is None else bounds.min / times,
        }
    )


def _rules(quality: str, times: float, only: str | None) -> Rules:
    return [
        (measurement, moved(its.rules[measurement.name], times) if _is_moved(check.name, measurement, only) else bounds)
        for check, its in checks_on(compose([f"quality={quality}"]).quality.checks)
        for measurement in check.measurements
        if (bounds := its.rules.get(measurement.name)) is not None
    ]


def _is_moved(check: str, measurement: Measurement, only: str | None) -> bool:
    return check == MOVED if only is None else measurement.name == only


def _by_name(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """What was measured, of good takes by kind of text, of others by fault."""
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[f"good, {row['kind']}" if row["fault"] == "good" else row["fault"]].append(row["scores"])
    return dict(found)


if __name__ == "__main__":
    main()
