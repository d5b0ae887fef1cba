import hashlib
import json
import re
import zlib
from base64 import b64decode, b64encode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voicegen
from tests.product import questions_csv
from voicegen.cli import main
from voicegen.report import write_report
from voicegen.store import Store

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> says Bob"
WORDS = ("preset=fake", "quality=off", "questions.path=q.csv", "name=r")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run of ten rows, the first of which has a hostile question."""
    monkeypatch.chdir(tmp_path)
    path = questions_csv(tmp_path / "q.csv", 10)
    path.write_text(path.read_text().replace("What is 0 plus 0?", HOSTILE))
    voicegen.run(*WORDS)
    return tmp_path / "outputs" / "r"


def blocks(page):
    """What is packed in the page, by name."""
    found = re.findall(r'<script type="application/octet-stream" id="([^"]+)">([^<]*)</script>', page)
    return {name: zlib.decompress(b64decode(data)) for name, data in found}


def edited(run, **columns):
    table = pq.read_table(run / "manifest.parquet")
    for name, cells in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), [pa.array(cells, table.schema.field(name).type)])
    pq.write_table(table, run / "manifest.parquet")


def test_a_run_ends_with_a_page_that_holds_its_rows(run):
    found = blocks((run / "report.html").read_text("utf-8"))
    head, texts = json.loads(found["head"]), json.loads(found["texts-0"])
    assert head["totals"]["ok"] == 10
    assert head["numbers"]["index"] == list(range(10))
    assert texts["question"][1] == "What is 1 plus 1?"
    assert texts["audio_path"][9] == "audio/000009.wav"
    assert texts["input"][3] == {"topic": "sums"}
    assert head["pictures"]["rows"] == list(range(10))


def test_nothing_of_a_row_stands_in_the_page_as_markup(run):
    page = (run / "report.html").read_text("utf-8")
    assert "alert" not in page
    assert json.loads(blocks(page)["texts-0"])["question"][0] == HOSTILE


def test_the_policy_allows_the_page_s_own_script_and_style_and_no_other(run):
    page = (run / "report.html").read_text("utf-8")
    for pattern, directive in (
        (r'<script type="module" async>(.*?)</script>', "script"),
        (r"<style>(.*?)</style>", "style"),
    ):
        (text,) = re.findall(pattern, page, re.DOTALL)
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive}-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page


def test_a_page_is_made_anew_only_where_rows_are_newer(run):
    made = (run / "report.html").stat().st_mtime_ns
    voicegen.run(*WORDS)
    assert (run / "report.html").stat().st_mtime_ns == made
    (run / "report.html").unlink()
    voicegen.run(*WORDS)
    assert (run / "report.html").exists()


def test_a_run_whose_page_cannot_be_made_is_as_good_as_any_other(tmp_path, monkeypatch, capsys):
    def broken(store):
        raise ValueError("no pen")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voicegen.job.run_job.write_report", broken)
    questions_csv(tmp_path / "q.csv", 2)
    assert main(["run", *WORDS]) == 0
    assert "no report.html could be made (no pen): the same command tries again" in capsys.readouterr().err


def test_the_command_prints_where_the_page_is(run, capsys):
    (run / "report.html").unlink()
    assert main(["report", "outputs/r"]) == 0
    assert capsys.readouterr().out == "outputs/r/report.html\n"
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "report takes the folder of one run"),
        (("nowhere",), "nowhere: there is no manifest.parquet: give the folder of a run, such as outputs/NAME"),
        (("seed=1",), "report takes the folder of a run and no settings"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_clip_that_is_gone_is_a_row_without_a_picture(run):
    (run / "audio" / "000004.wav").unlink()
    write_report(Store(run))
    pictures = blocks((run / "report.html").read_text("utf-8"))["pictures-0"]
    size = len(pictures) // 10
    assert not any(pictures[4 * size : 5 * size])
    assert any(pictures[5 * size :])


def test_rows_of_a_run_too_large_for_the_table_are_chosen_and_totals_are_of_all(run, monkeypatch):
    monkeypatch.setattr("voicegen.report.rows.MOST_ROWS", 6)
    edited(run, status=["ok"] * 7 + ["rejected"] + ["ok"] * 2)
    write_report(Store(run))
    found = blocks((run / "report.html").read_text("utf-8"))
    head, texts = json.loads(found["head"]), json.loads(found["texts-0"])
    assert head["totals"]["rows"] == 10
    assert len(head["numbers"]["index"]) == len(texts["id"]) == 6
    assert 7 in head["numbers"]["index"]
    assert texts["id"] == [f"q{index}" for index in head["numbers"]["index"]]


def test_texts_are_in_blocks_of_the_same_rows_as_the_numbers(run, monkeypatch):
    monkeypatch.setattr("voicegen.report.rows.BLOCK_ROWS", 3)
    write_report(Store(run))
    found = blocks((run / "report.html").read_text("utf-8"))
    ids = [json.loads(found[f"texts-{number}"])["id"] for number in range(4)]
    assert ids == [["q0", "q1", "q2"], ["q3", "q4", "q5"], ["q6", "q7", "q8"], ["q9"]]
