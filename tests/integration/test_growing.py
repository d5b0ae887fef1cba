"""`questions.grow=true`: what was appended to the input of a run is answered, and the rest stays."""

import json

import pytest
import soundfile

from tests.product import manifest_rows, questions_csv, voicegen, wav_hashes
from voicegen.pipeline import plan

FAKE = ("preset=fake", "tts.duration=0.2")


@pytest.fixture
def run(tmp_path):
    questions_csv(tmp_path / "q.csv", 5)

    def run(*words):
        return voicegen("run", *FAKE, "questions.path=q.csv", "name=r", *words, cwd=tmp_path)

    return run


def appended(tmp_path, count=8):
    return questions_csv(tmp_path / "q.csv", count)


def as_made(folder):
    """The rows and their samples, but for what tells one run from another."""
    rows = [{**row, "config_hash": None, "audio_sha256": None} for row in manifest_rows(folder)]
    return rows, [soundfile.read(folder / row["audio_path"])[0].tolist() for row in rows]


def test_appended_rows_are_answered_and_the_rest_stays(run, tmp_path):
    run()
    folder = tmp_path / "outputs/r"
    before, made = wav_hashes(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")}
    appended(tmp_path)
    refused = run()
    assert refused.returncode == 2
    assert "questions.grow=true answers rows that were appended" in refused.stderr
    looked = run("questions.grow=true", "--dry-run")
    assert "run       outputs/r: goes on after 5 finished rows, 3 left, as the input has grown" in looked.stdout
    done = run("questions.grow=true")
    assert done.returncode == 0, done.stderr
    assert "8 ok, 0 rejected, 0 failed, of 8" in done.stdout
    assert before.items() <= wav_hashes(folder).items()
    assert all(path.stat().st_mtime_ns == changed for path, changed in made.items())
    assert voicegen("run", *FAKE, "questions.path=q.csv", "name=whole", cwd=tmp_path).returncode == 0
    assert as_made(folder) == as_made(tmp_path / "outputs/whole")
    assert "nothing was left to do" in run().stdout  # it is the input of now
    assert voicegen("verify", "outputs/r", cwd=tmp_path).stdout == ""


def test_the_record_says_what_came_when(run, tmp_path):
    run()
    appended(tmp_path)
    run("questions.grow=true", "questions.limit=6")
    appended(tmp_path, 9)
    run("questions.grow=true")
    record = json.loads((tmp_path / "outputs/r/run.json").read_text("utf-8"))
    assert [given["rows"] for given in record["inputs"]] == [5, 8, 9]
    assert record["identity"]["input.sha256"] == record["inputs"][-1]["sha256"]
    assert sorted(given["since"] for given in record["inputs"]) == [given["since"] for given in record["inputs"]]
    assert len(manifest_rows(tmp_path / "outputs/r")) == 9


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "What is 3 plus 3?",
            "Who?",
            "q.csv: row 4: was 'What is 3 plus 3?' when it was answered, and is 'Who?' now",
        ),
        ("q2,", "two,", "q.csv: row 3: its id was 'q2' when it was answered, and is 'two' now"),
        ("q0,What is 0 plus 0?,sums\n", "", "q.csv: row 1: was 'What is 0 plus 0?' when it was answered, and is 'What"),
        ("q0,", "new,Who?,x\nq0,", "q.csv: row 1: was 'What is 0 plus 0?' when it was answered, and is 'Who?' now"),
    ],
)
def test_a_row_that_was_changed_or_moved_is_named(run, tmp_path, before, after, message):
    run()
    old = wav_hashes(tmp_path / "outputs/r")
    text = appended(tmp_path).read_text("utf-8")
    (tmp_path / "q.csv").write_text(text.replace(before, after), "utf-8")
    for look in ((), ("--dry-run",)):
        refused = run("questions.grow=true", *look)
        assert refused.returncode == 2
        assert message in refused.stderr
    assert wav_hashes(tmp_path / "outputs/r") == old
    questions_csv(tmp_path / "q.csv", 5)
    assert "nothing was left to do" in run().stdout  # the refusal left the run as it was


def test_rows_that_were_taken_out_are_missed_and_other_settings_stay_refused(run, tmp_path):
    run()
    appended(tmp_path, 3)
    refused = run("questions.grow=true")
    assert "q.csv: it has 3 rows, and row 4 was 'What is 3 plus 3?' when it was answered" in refused.stderr
    appended(tmp_path)
    assert "seed: 0 then, 1 now" in run("questions.grow=true", "seed=1").stderr


def test_rows_that_nothing_was_made_of_yet_may_be_other_ones(run, tmp_path):
    run("questions.limit=2")
    text = appended(tmp_path).read_text("utf-8")
    (tmp_path / "q.csv").write_text(text.replace("What is 3 plus 3?", "Who?"), "utf-8")
    done = run("questions.grow=true")
    assert done.returncode == 0, done.stderr
    assert [row["question"] for row in manifest_rows(tmp_path / "outputs/r")][2:4] == ["What is 2 plus 2?", "Who?"]


def test_turns_may_be_appended_to_the_last_conversation_and_ready_answers_grow_as_well(tmp_path):
    (tmp_path / "q.csv").write_text("talk,question,answer\na,Hi.,<think>hm</think>Hello.\na,And you?,Well.\n", "utf-8")
    words = ("questions.path=q.csv", "questions.conversation_column=talk", "questions.answer_column=answer")
    voicegen("run", *FAKE, *words, cwd=tmp_path)
    with (tmp_path / "q.csv").open("a", encoding="utf-8") as file:
        file.write("a,Really?,Yes.\nb,Hi.,Hey.\n")
    done = voicegen("run", *FAKE, *words, "questions.grow=true", cwd=tmp_path)
    rows = manifest_rows(tmp_path / "outputs/default")
    assert [(row["conversation_id"], row["turn"], row["answer"]) for row in rows] == [
        ("a", 1, "Hello."),
        ("a", 2, "Well."),
        ("a", 3, "Yes."),
        ("b", 1, "Hey."),
    ], done.stderr


def test_new_audio_lies_where_that_of_the_first_input_does(run, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "ROWS_PER_FOLDER", 6)
    from voicegen import run as run_here

    monkeypatch.chdir(tmp_path)
    run_here(*FAKE, "questions.path=q.csv", "name=r")
    appended(tmp_path)
    run_here(*FAKE, "questions.path=q.csv", "name=r", "questions.grow=true")
    assert sorted(wav_hashes(tmp_path / "outputs/r")) == [f"audio/{number:06d}.wav" for number in range(8)]


def test_a_run_whose_manifest_is_behind_is_not_grown(run, tmp_path):
    run("questions.limit=3")
    old = (tmp_path / "outputs/r/manifest.parquet").read_bytes()
    run()
    (tmp_path / "outputs/r/manifest.parquet").write_bytes(old)
    appended(tmp_path)
    refused = run("questions.grow=true")
    assert refused.returncode == 2
    assert "does not have all finished rows" in refused.stderr


def test_a_file_after_the_others_is_answered_and_one_between_them_or_changed_is_named(tmp_path):
    def run(*words):
        return voicegen("run", *FAKE, "questions.path=d", "name=r", "questions.id_column=", *words, cwd=tmp_path)

    (tmp_path / "d").mkdir()
    for name in ("part-2", "part-10"):
        questions_csv(tmp_path / f"d/{name}.csv", 2 if name == "part-2" else 3)
    done = run()
    assert "5 rows of d (2 files) into outputs/r" in done.stderr
    before = wav_hashes(tmp_path / "outputs/r")
    assert "nothing was left to do" in run().stdout
    questions_csv(tmp_path / "d/part-11.csv", 1)
    assert "input.sha256: d is not the file of then, or has changed since" in run().stderr
    looked = run("questions.grow=true", "--dry-run")
    assert "input     6 rows of d (3 files)" in looked.stdout
    assert "goes on after 5 finished rows, 1 left, as the input has grown" in looked.stdout
    done = run("questions.grow=true")
    assert "6 ok, 0 rejected, 0 failed, of 6" in done.stdout, done.stderr
    assert before.items() <= wav_hashes(tmp_path / "outputs/r").items()
    rows = manifest_rows(tmp_path / "outputs/r")
    assert [row["source"] for row in rows] == [f"d/part-{number}.csv" for number in (2, 2, 10, 10, 10, 11)]
    assert voicegen("verify", "outputs/r", cwd=tmp_path).stdout == ""
    between = tmp_path / "d/part-3.csv"
    between.write_text("id,question,topic\nx,Who?,\n", "utf-8")
    refused = run("questions.grow=true")
    assert "d/part-3.csv: row 1: d/part-10.csv stood here when its rows were answered: files may be" in refused.stderr
    between.unlink()
    (tmp_path / "d/part-10.csv").write_text("id,question,topic\nx,Who?,\n", "utf-8")
    questions_csv(tmp_path / "d/part-12.csv", 9)
    refused = run("questions.grow=true")
    assert "d/part-10.csv: row 1: was 'What is 0 plus 0?' when it was answered, and is 'Who?' now" in refused.stderr


def test_one_file_grows_by_a_second_one(run, tmp_path):
    run("questions.id_column=")
    (tmp_path / "more.tsv").write_text("topic\tid\tquestion\nx\ty\tWho?\n", "utf-8")
    words = ("name=r", "questions.id_column=", "questions.path=[q.csv,more.tsv]", "questions.grow=true")
    done = voicegen("run", *FAKE, *words, cwd=tmp_path)
    assert "6 rows of q.csv, more.tsv (2 files) into outputs/r, going on after 5 finished" in done.stderr
    rows = manifest_rows(tmp_path / "outputs/r")
    assert [(row["id"], row["source"]) for row in rows][-2:] == [("4", "q.csv"), ("5", "more.tsv")]
    assert "nothing was left to do" in voicegen("run", *FAKE, *words, cwd=tmp_path).stdout
