import json
import re
import shutil
import zlib
from base64 import b64decode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voicegen
from voicegen.cli import main

ANSWERS = [f"Here are {number} of them." for number in range(6)]


def run(folder, name, answers, *words, ids=None):
    lines = [f'{given},Question {given}?,"{text}"' for given, text in zip(ids or "abcdef", answers, strict=False)]
    (folder / f"{name}.csv").write_text("id,question,answer\n" + "\n".join(lines) + "\n")
    voicegen.run(
        *("preset=fake", "quality=off", "questions.answer_column=answer", *words),
        settings={"questions.path": str(folder / f"{name}.csv"), "output_dir": str(folder / name)},
    )
    return folder / name


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three runs, each made once."""
    folder = tmp_path_factory.mktemp("made")
    run(folder, "old", ANSWERS)
    run(folder, "new", [*ANSWERS[:3], "It is all new.", "Another one.", "One more."], ids="abcdeg")
    run(folder, "others", ANSWERS[:2], ids="xy")
    return folder


@pytest.fixture
def two(made, tmp_path, monkeypatch):
    """Runs of six rows; the second has other answers in two, lacks the last row, and has one of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def packed(path):
    found = re.findall(
        r'<script type="application/octet-stream" id="([^"]+)">([^<]*)</script>', path.read_text("utf-8")
    )
    return {name: zlib.decompress(b64decode(data)) for name, data in found}


def shown(path):
    """What the page has of each row: its ids in the first and the second run, and what differs."""
    found = packed(path)
    pair = json.loads(found["head"])["pair"]
    ids = {side: json.loads(found[f"{prefix}texts-0"])["id"] for side, prefix in (("before", "before-"), ("after", ""))}
    return {
        (None if before < 0 else ids["before"][before], None if after < 0 else ids["after"][after]): pair["difference"][
            "names"
        ][code]
        for before, after, code in zip(
            pair["places"]["before"], pair["places"]["after"], pair["difference"]["codes"], strict=True
        )
    }


def test_the_page_lies_in_the_second_run_and_is_printed(two, capsys):
    assert main(["report", "old", "new"]) == 0
    assert capsys.readouterr().out == "new/report-with-old.html\n"
    assert json.loads(packed(two / "new/report-with-old.html")["head"])["pair"]["folder"] == "../old/"


def test_rows_are_matched_by_their_ids_and_say_what_differs_as_diff_does(two, capsys):
    main(["report", "old", "new"])
    found = shown(two / "new/report-with-old.html")
    assert found == {
        ("a", "a"): "none",  # but for the tags of its file, which name the run that it is of
        ("b", "b"): "none",
        ("c", "c"): "none",
        ("d", "d"): "answer, spoken form, audio",
        ("e", "e"): "answer, spoken form, audio",
        (None, "g"): "only in new",
        ("f", None): "only in old",
    }
    assert main(["diff", "old", "new"]) == 3
    assert "changed   answer of 2 rows: d, e" in capsys.readouterr().out


def test_rows_in_which_more_than_the_sound_differs_come_first(two):
    run(two, "fast", [*ANSWERS[:3], "It is all new.", "Another one.", "One more."], "tts.speed=2", ids="abcdeg")
    for name, ranks in (("new", [3, 3, 3, 0, 0, 1, 1]), ("fast", [2, 2, 2, 0, 0, 1, 1])):
        main(["report", "old", name])
        page = packed(two / name / "report-with-old.html")
        assert json.loads(page["head"])["pair"]["difference"]["ranks"] == ranks


def test_of_two_runs_of_the_same_nothing_differs(two):
    words = ("questions.answer_column=answer", "preset=fake", "quality=off")
    voicegen.run(*words, settings={"questions.path": str(two / "old.csv"), "output_dir": str(two / "again")})
    main(["report", "old", "again"])
    assert set(shown(two / "again/report-with-old.html").values()) == {"none"}


def test_both_runs_are_whole_in_the_page_with_histograms_of_the_same_bars(two):
    main(["report", "old", "new"])
    found = packed(two / "new/report-with-old.html")
    after = json.loads(found["head"])
    before = after["pair"]["before"]
    assert (before["run"]["name"], after["run"]["name"]) == ("old", "new")
    assert (before["totals"]["ok"], after["totals"]["ok"]) == (6, 6)
    assert json.loads(found["before-texts-0"])["answer"][4] == ANSWERS[4]
    assert json.loads(found["texts-0"])["answer"][3] == "It is all new."
    one, other = (
        {measure["name"]: measure["histogram"] for measure in head["measures"]}["duration"] for head in (before, after)
    )
    assert one["edges"] == other["edges"]
    assert sum(one["counts"]) == sum(other["counts"]) == 6
    assert before["pictures"]["rows"] == after["pictures"]["rows"] == list(range(6))


def test_medians_are_of_rows_that_are_good_in_both(two):
    table = pq.read_table(two / "new/manifest.parquet")
    for name, cells in (("status", ["ok", "rejected"] + ["ok"] * 4), ("duration", [2.0, 900.0, 3.0, 4.0, 5.0, 700.0])):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), [pa.array(cells, table.schema.field(name).type)])
    pq.write_table(table, two / "new/manifest.parquet")
    main(["report", "old", "new"])
    pair = json.loads(packed(two / "new/report-with-old.html")["head"])["pair"]
    (duration,) = [measure for measure in pair["medians"] if measure["label"] == "Duration"]
    assert duration["values"][1] == 3.5


def test_of_runs_too_large_for_the_table_rows_that_differ_are_kept(two, monkeypatch):
    monkeypatch.setattr("voicegen.report.pair.MOST_ROWS", 5)
    monkeypatch.setattr("voicegen.report.pair.MOST_PICTURES", 2)
    main(["report", "old", "new"])
    assert {("d", "d"), ("e", "e"), (None, "g"), ("f", None)} <= set(shown(two / "new/report-with-old.html"))
    assert len(shown(two / "new/report-with-old.html")) == 5
    head = json.loads(packed(two / "new/report-with-old.html")["head"])
    assert head["totals"]["rows"] == 6
    assert len(head["pictures"]["rows"]) <= 2


def test_a_name_of_any_letters_leads_to_the_first_run_s_clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a#1").mkdir()
    run(tmp_path / "a#1", "it's 100% <old>", ANSWERS)
    run(tmp_path, "new", ANSWERS)
    assert main(["report", "a#1/it's 100% <old>", "new"]) == 0
    page = tmp_path / "new" / "report-with-it's 100% <old>.html"
    assert json.loads(packed(page)["head"])["pair"]["folder"] == "../a%231/it%27s%20100%25%20%3Cold%3E/"
    assert "<title>it&#x27;s 100% &lt;old&gt; and new" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("new", "new"), "new and new are the same run: give two"),
        (("new", "../{here}/new"), "are the same run: give two"),
        (("nowhere", "new"), "nowhere: there is no manifest.parquet: give the folder of a run"),
        (("new", "others"), "new and others have no row in common, by their ids: give two runs of the same input"),
        (("old", "new", "others"), "report takes the folder of one run, such as outputs/default, or of two"),
    ],
)
def test_what_cannot_be_put_side_by_side_is_refused_in_one_line(two, words, message, capsys):
    capsys.readouterr()
    assert main(["report", *(word.format(here=two.name) for word in words)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
