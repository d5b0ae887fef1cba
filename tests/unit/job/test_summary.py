import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from voicegen.cli import main

ESCAPES = "\x1b]0;mine\x07\x1b[2J\x9b31m"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(rows, capsys, *words):
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    ready = ("questions.answer_column=answer", "tts.duration=0.05", "preset=fake")
    code = main(["run", "questions.path=q.jsonl", *ready, *words])
    return code, capsys.readouterr()


def test_the_summary_shows_the_first_rows_that_are_ok_on_a_page_of_80_columns(capsys):
    rows = [{"question": f"Why {number}? " + "多" * 60, "answer": f"So\n{number}. " * 20} for number in range(5)]
    rows[1]["answer"] = "..."
    code, shown = run(rows, capsys)
    assert code == 3
    lines = shown.out.splitlines()
    assert [line.split()[0] for line in lines if "audio/0" in line] == [
        f"audio/{number:06d}.wav" for number in (0, 2, 3)
    ]
    assert "Why 2? 多" in shown.out
    assert "      So 2. So 2." in shown.out
    assert all(cell_len(line) <= 80 for line in lines if not line.startswith("The manifest"))


def test_the_models_that_are_loaded_are_named(capsys):
    assert "loading tone\n" in run([{"question": "Why?", "answer": "So."}], capsys)[1].err
    assert (
        "loading echo and tone\n"
        in run([{"question": "Why?"}], capsys, "questions.answer_column=null", "name=b")[1].err
    )


def test_what_a_text_holds_never_steers_the_terminal_and_stays_in_the_manifest(capsys):
    rows = [{"question": f"Why{ESCAPES}?", "answer": f"So{ESCAPES}."}, {"question": "Who?", "answer": f"{ESCAPES}..."}]
    _, shown = run(rows, capsys)
    assert pq.read_table("outputs/default/manifest.parquet")["answer"][0].as_py() == f"So{ESCAPES}."
    assert main(["run", f"questions.path=no{ESCAPES}.csv"]) == 2
    for text in (shown.out, shown.err, capsys.readouterr().err, *(p.read_text() for p in Path().rglob("*.log"))):
        assert not set(text) & {"\x1b", "\x07", "\x9b"}


def test_a_ready_answer_that_json_has_as_a_number_is_spoken_and_kept(capsys):
    rows = [{"question": "How many?", "answer": 4}, {"question": "And?", "answer": 2.5}]
    assert run(rows, capsys)[0] == 0
    kept = pq.read_table("outputs/default/manifest.parquet").to_pylist()
    assert [(row["answer"], row["status"]) for row in kept] == [("4", "ok"), ("2.5", "ok")]


def test_more_reasons_than_are_shown_are_counted_and_one_row_is_one_row(capsys):
    rows = [{"question": "Why?", "answer": [number]} for number in range(7)]
    code, shown = run([*rows, {"question": "Why?", "answer": "So."}], capsys)
    assert code == 3
    assert shown.out.count("column 'answer' holds a list") == 5
    assert "\n  and 2 more reasons\n" in shown.out
    assert "\n1 row of q.jsonl into " in "\n" + run([rows[0] | {"answer": "So."}], capsys, "name=one")[1].err


def test_a_folder_of_audio_that_is_not_there_is_not_named(capsys):
    shown = run([{"question": "Why?", "answer": "So."}], capsys, "questions.limit=0")[1].out
    assert "manifest" in shown
    assert "audio in" not in shown
