"""A run that has a part of its input so far: all that shows it says so, and none says so of a whole one."""

import json

import pytest

import voicegen
from tests.product import questions_csv
from tests.unit.report.test_report_of_two import packed
from voicegen.cli import main

LACKING = "3 of the 8 rows of the input are there"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A whole run of eight rows, and one that has three of them."""
    folder = tmp_path_factory.mktemp("runs")
    questions_csv(folder / "q.csv", 8)
    for name, words in (("whole", ()), ("part", ("questions.limit=3",))):
        settings = {"questions.path": str(folder / "q.csv"), "output_dir": str(folder / name)}
        voicegen.run("preset=fake", "tts.duration=0.05", *words, settings=settings)
    return folder


@pytest.mark.parametrize(("name", "says"), [("part", True), ("whole", False)])
def test_an_export_and_both_cards_say_it(runs, tmp_path, capsys, name, says):
    assert main(["export", str(runs / name), "--to", "nemo", str(tmp_path / "out")]) == 0
    assert (f"input     {LACKING}" in capsys.readouterr().out) == says
    for folder in (runs / name, tmp_path / "out"):
        assert (f"It is a part of what was asked: {LACKING}." in (folder / "README.md").read_text("utf-8")) == says


def test_diff_says_which_of_two_runs_it_is_and_nothing_where_they_are_the_same(runs, capsys):
    assert main(["diff", str(runs / "whole"), str(runs / "part")]) == 3
    said = capsys.readouterr().out
    assert f"input     {runs / 'part'}: {LACKING}" in said
    assert str(runs / "whole") not in said
    assert main(["diff", str(runs / "part"), str(runs / "part")]) == 0
    assert capsys.readouterr().out == ""


def test_the_report_has_how_many_rows_the_input_comes_to(runs):
    totals = json.loads(packed(runs / "part/report.html")["head"])["totals"]
    assert (totals["rows"], totals["input"]) == (3, 8)
