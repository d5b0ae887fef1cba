import json

import pytest

import voicegen
from tests.product import manifest_rows
from tests.product import voicegen as command
from tests.question_files import text_file
from voicegen.errors import ConfigError, OutputError

VOICES = "voice.names=[a,b,c]"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs 60 rows with fake models; returns the manifest's rows."""
    monkeypatch.chdir(tmp_path)
    lines = [f"Of {number * 7919} things which is number {number}{'x' * (number % 7)}?" for number in range(60)]
    text_file(tmp_path / "q.csv", "question\n" + "\n".join(lines) + "\n")

    def run(*words):
        voicegen.run("preset=fake", "quality=off", "questions.path=q.csv", "name=r", "split.near=false", *words)
        return manifest_rows(tmp_path / "outputs" / "r")

    return run


def without_split(rows):
    return [{**row, "split": None} for row in rows]


def test_a_finished_run_is_split_and_split_anew_without_making_anything_again(run, tmp_path):
    rows = run()
    assert {row["split"] for row in rows} == {"train"}
    record = json.loads((tmp_path / "outputs/r/run.json").read_text())
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs/r/audio").iterdir()}
    split = run("split.test=0.3")
    assert {row["split"] for row in split} == {"train", "test"}
    assert without_split(split) == without_split(rows)
    again = run("split.test=0.3", "split.validation=0.3")
    assert {row["split"] for row in again} == {"train", "validation", "test"}
    assert [row["split"] == "test" for row in again] == [row["split"] == "test" for row in split]
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "outputs/r/audio").iterdir()}
    after = json.loads((tmp_path / "outputs/r/run.json").read_text())
    assert after.pop("split") == {"validation": 0.3, "test": 0.3, "near": False}
    assert after == record


def test_a_run_says_that_its_rows_are_split_anew_and_how_many_are_in_each_part(tmp_path):
    words = ("run", "preset=fake", "questions.limit=6", "name=r")
    command(*words, cwd=tmp_path)
    done = command(*words, "split.test=0.2", "split.validation=0.2", cwd=tmp_path)
    assert done.returncode == 0
    assert "rows are split anew: all train then, validation 0.2 and test 0.2 now" in done.stderr
    assert "split     train " in done.stdout


def test_voices_of_test_speak_test_and_nothing_else(run):
    rows = run("split.test=0.3", VOICES, "split.test_voices=[c]", "voice.assign=round_robin")
    assert {row["voice"] for row in rows if row["split"] == "test"} == {"c"}
    assert {row["voice"] for row in rows if row["split"] == "train"} == {"a", "b"}


def test_voices_of_test_are_part_of_what_decides_the_result(run):
    run("split.test=0.3", VOICES, "split.test_voices=[c]")
    with pytest.raises(OutputError, match=r"split.test: 0.3 then, 0.2 now"):
        run("split.test=0.2", VOICES, "split.test_voices=[c]")
    with pytest.raises(OutputError, match=r"split\.test_voices"):
        run("split.test=0.3", VOICES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split.test=0.7", "split.validation=0.4"], "add up to 1 or less"),
        (["split.test=1.5"], r"split.test=1.5: .*less than or equal to 1|split.test=1.5: .*1"),
        (["split.test_voices=[c]", VOICES], r"set split.test"),
        (["split.test_voices=[d]", "split.test=0.1", VOICES], "d is not among the voices that speak"),
        (["split.test_voices=[a,b,c]", "split.test=0.1", VOICES], "leaves no voice for train"),
    ],
)
def test_a_split_that_cannot_be_is_refused_in_one_line(run, words, message):
    with pytest.raises(ConfigError, match=message) as refused:
        run(*words)
    assert "\n" not in str(refused.value)


def test_the_summary_counts_repeated_questions_and_answers(tmp_path):
    path = text_file(tmp_path / "q.csv", "question\nWhy is the sky blue?\nWhy is the sky blue\nWho wrote Hamlet?\n")
    done = command("run", "preset=fake", f"questions.path={path}", "name=r", cwd=tmp_path)
    assert "repeats   1 question (1 the same, 0 nearly); 1 answer (1 the same, 0 nearly)" in done.stdout


def test_rows_that_are_tried_beforehand_have_the_split_and_the_voice_that_the_run_gives_them(run, tmp_path):
    words = ("split.test=0.3", VOICES, "split.test_voices=[c]")
    tried = command(
        "run", "preset=fake", "quality=off", "questions.path=q.csv", "name=r", "split.near=false", *words, "--try", 9,
        cwd=tmp_path,
    )  # fmt: skip
    assert tried.returncode == 0, tried.stderr
    made = {row["index"]: row for row in run(*words)}
    rows = manifest_rows(tmp_path / "outputs" / "r.try")
    assert len(rows) == 9
    assert all(
        (row["split"], row["voice"]) == (made[row["index"]]["split"], made[row["index"]]["voice"]) for row in rows
    )
