"""The curve of what recognition finds, as its bounds are moved."""

import json
import sys

import pytest

from tests.bench import listening_curve


def row(fault, kind, misheard):
    return json.dumps({"fault": fault, "kind": kind, "scores": {"misheard": misheard, "peak": 0.5}})


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.jsonl"
    lines = [
        row("good", "names", 0),
        row("good", "names", 5),
        row("good", "plain", 0),
        row("words exchanged", "names", 9),
    ]
    file.write_text("\n".join(lines))
    return file


def table(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["listening_curve", *map(str, arguments)])
    listening_curve.main()
    return capsys.readouterr().out.splitlines()


def test_wider_bounds_hold_fewer_good_takes_for_bad_and_find_fewer_faults(rows, monkeypatch, capsys):
    heading, _, *lines = table(monkeypatch, capsys, rows, "--bounds", "1", "2", "3")
    assert heading == "| bounds times | good, names (2) | good, plain (1) | words exchanged (1) |"
    assert lines == ["| 1 | 50.0 | 0.0 | 100.0 |", "| 2 | 0.0 | 0.0 | 100.0 |", "| 3 | 0.0 | 0.0 | 0.0 |"]


def test_one_rule_alone_may_be_moved_and_one_kind_of_text_looked_at(rows, monkeypatch, capsys):
    heading, _, line = table(monkeypatch, capsys, rows, "--bounds", "3", "--rule", "put_in", "--kind", "names")
    assert heading == "| bounds times | good, names (2) | words exchanged (1) |"
    assert line == "| 3 | 50.0 | 100.0 |"
