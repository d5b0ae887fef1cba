import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voicegen
from tests.product import questions_csv, warm_voicegen
from tests.question_files import text_file


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Makes a run of this name with fake models."""
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 6)

    def run(name, *words):
        voicegen.run("preset=fake", "quality=basic", "questions.path=q.csv", f"name={name}", *words)

    return run


def diff(tmp_path, *words):
    return warm_voicegen("diff", *words, cwd=tmp_path)


def test_two_runs_of_the_same_differ_in_nothing(run, tmp_path):
    run("a")
    run("b")
    done = diff(tmp_path, "outputs/a", "outputs/b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_setting_and_the_audio_that_it_changed_are_told_and_answers_that_stayed_are_not(run, tmp_path):
    run("a")
    run("b", "tts.speed=0.5")
    done = diff(tmp_path, "outputs/a", "outputs/b/manifest.parquet")
    assert done.returncode == 3
    assert "setting   tts.speed: 1.0 -> 0.5" in done.stdout
    assert "changed   audio of 6 rows: q0, q1, q2 and 3 more" in done.stdout
    assert "answer" not in done.stdout
    assert "measure   Duration (s), median of rows that are ok in both: " in done.stdout


def test_audio_is_compared_by_its_samples_and_files_that_sound_the_same_are_told_apart(run, tmp_path):
    run("a", "speak=both")
    run("b", "speak=both", "text.url=skip")
    run("c", "speak=both", "tts.format=flac")
    for other in ("b", "c"):
        done = diff(tmp_path, "outputs/a", f"outputs/{other}")
        assert "files     of 6 rows differ in tags or signature alone: q0, q1, q2 and 3 more" in done.stdout
        assert "changed" not in done.stdout


def test_audio_of_a_run_from_before_its_samples_had_a_hash_is_compared_by_its_files(run, tmp_path):
    run("a")
    run("b", "text.url=skip")
    path = tmp_path / "outputs/a/manifest.parquet"
    rows = pq.read_table(path)
    for older in (
        rows.drop_columns("audio_samples_sha256"),
        rows.set_column(
            rows.column_names.index("audio_samples_sha256"), "audio_samples_sha256", pa.nulls(6, pa.string())
        ),
    ):
        pq.write_table(older, path)
        assert "changed   audio of 6 rows: q0, q1, q2 and 3 more" in diff(tmp_path, "outputs/a", "outputs/b").stdout


def test_rows_that_came_went_and_changed_are_told_by_their_ids(run, tmp_path):
    run("a")
    text_file(tmp_path / "q.csv", "id,question\nq1,What is 1 plus 1?\nq2,Who are you?\nq9,Why is the sky blue?\n")
    run("b")
    done = diff(tmp_path, "outputs/a", "outputs/b")
    assert "rows      6 -> 3" in done.stdout
    assert "  1 row added: q9" in done.stdout
    assert "  4 rows removed: q0, q3, q4 and 1 more" in done.stdout
    assert "changed   question of 1 row: q2" in done.stdout
    assert "changed   answer of 1 row: q2" in done.stdout


def test_another_split_is_told(run, tmp_path):
    run("a")
    run("b", "split.test=0.5", "split.near=false")
    done = diff(tmp_path, "outputs/a", "outputs/b")
    assert "setting   split.test: null -> 0.5" in done.stdout
    assert "changed   split of " in done.stdout


def test_what_is_no_run_is_refused_in_one_line(run, tmp_path):
    run("a")
    for words in (["outputs/a"], ["outputs/a", "outputs/none"], ["outputs/a", "outputs/a", "seed=1"]):
        done = diff(tmp_path, *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
