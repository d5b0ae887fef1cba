import csv
import shutil

import pyarrow.parquet as pq
import pytest

import voicegen
from tests.product import manifest_rows, questions_csv
from voicegen.cli import main
from voicegen.job import marking
from voicegen.job.marking import BY_EAR, apply_marks
from voicegen.job.verifying import verify_run
from voicegen.pipeline.ledger import Ledger
from voicegen.store import Store

WORDS = ("preset=fake", "quality=off", "questions.path=q.csv", "name=r")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run and its questions."""
    folder = tmp_path_factory.mktemp("finished")
    questions_csv(folder / "q.csv", 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        voicegen.run(*WORDS)
    return folder


@pytest.fixture
def run(finished, tmp_path, monkeypatch):
    """A finished run of six rows; a copy of the test's own."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "r"


def marks_csv(run, **marks):
    """The CSV that the page gives for marks by `row_INDEX`."""
    rows = manifest_rows(run)
    path = run.parent.parent / "marks.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "id", "audio_sha256", "mark"])
        for name, mark in marks.items():
            row = rows[int(name.removeprefix("row_"))]
            writer.writerow([row["index"], row["id"], row["audio_sha256"] or "", mark])
    return path


def apply(capsys, *words):
    capsys.readouterr()
    exit_code = main(["verify", "outputs/r", "--marks", *map(str, words)])
    told = capsys.readouterr()
    return exit_code, (told.out or told.err).splitlines()


def test_a_row_that_a_listener_rejects_is_rejected_in_every_place(run, capsys):
    assert apply(capsys, marks_csv(run, row_2="reject")) == (
        0,
        [
            "0 rows accepted, 1 row rejected",
            "retry_failed=true with the run's settings makes what is rejected again, by another seed",
        ],
    )
    row = manifest_rows(run)[2]
    assert (row["status"], row["error"], row["mark"]) == ("rejected", BY_EAR, "reject")
    assert row["audio_path"] == "rejected/000002.wav"
    assert row["takes"][-1]["reason"] == BY_EAR
    assert (run / "rejected" / "000002.wav").exists()
    assert not (run / "audio" / "000002.wav").exists()
    assert len(voicegen.load_manifest(run)) == 5
    assert not verify_run(run).counts


def test_it_stays_rejected_until_it_is_to_be_made_again_by_another_seed(run, capsys):
    first = manifest_rows(run)[2]
    apply(capsys, marks_csv(run, row_2="reject"))
    assert voicegen.run(*WORDS).rejected == 1
    assert voicegen.run(*WORDS, "retry_failed=true").rejected == 0
    row = manifest_rows(run)[2]
    assert (row["status"], row["attempts"], row["mark"]) == ("ok", 2, None)
    assert [take["attempt"] for take in row["takes"]] == [1, 2]
    assert row["takes"][1]["seed"] != first["takes"][0]["seed"]
    assert not verify_run(run).counts


def test_a_row_that_a_listener_accepts_is_as_it_was_and_says_so(run, capsys):
    before = manifest_rows(run)
    assert apply(capsys, marks_csv(run, row_0="accept", row_4="accept"))[0] == 0
    after = manifest_rows(run)
    assert [row.pop("mark") for row in after] == ["accept", None, None, None, "accept", None]
    assert after == [{name: cell for name, cell in row.items() if name != "mark"} for row in before]
    assert not verify_run(run).counts


def test_marks_outlive_the_next_manifest(run, capsys):
    apply(capsys, marks_csv(run, row_0="accept"))
    (run / "manifest.parquet").unlink()
    voicegen.run(*WORDS)
    assert manifest_rows(run)[0]["mark"] == "accept"


def test_the_same_marks_again_change_nothing(run, capsys):
    path = marks_csv(run, row_0="accept", row_1="reject")
    apply(capsys, path)
    files = sorted(path.name for path in (run / "ledger").iterdir())
    assert apply(capsys, path)[1][0] == "1 row accepted, 1 row rejected"
    assert sorted(path.name for path in (run / "ledger").iterdir()) == files


def test_marks_that_were_cut_off_before_they_were_in_the_manifest_come_there_by_the_same_command(
    run, capsys, monkeypatch
):
    path = marks_csv(run, row_0="accept", row_1="reject")
    with monkeypatch.context() as cut_off:
        cut_off.setattr(marking, "put_outcomes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            apply_marks(run, path)
    assert [row["mark"] for row in manifest_rows(run)] == [None] * 6
    shutil.copy(run / "rejected/000001.wav", run / "audio/000001.wav")  # as before it was moved
    apply(capsys, path)
    assert [row["mark"] for row in manifest_rows(run)] == ["accept", "reject", *[None] * 4]
    assert not verify_run(run).counts


def test_a_mark_of_audio_that_was_made_again_since_is_left_out(run, capsys):
    path = marks_csv(run, row_1="accept", row_3="reject")
    path.write_text(path.read_text().replace(manifest_rows(run)[3]["audio_sha256"], "0" * 64))
    assert apply(capsys, path) == (
        3,
        ["1 row accepted, 0 rows rejected", "left as they are: 1 row made again since they were heard (3)"],
    )
    assert Ledger(Store(run)).status(3) == "ok"


def test_a_manifest_from_before_there_were_marks_is_given_their_column(run, capsys):
    table = pq.read_table(run / "manifest.parquet").drop_columns(["mark"])
    pq.write_table(table, run / "manifest.parquet")
    apply(capsys, marks_csv(run, row_5="accept"))
    assert [row["mark"] for row in manifest_rows(run)] == [None] * 5 + ["accept"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,mark\n0,accept\n", "there is no column 'audio_sha256': give the file that the report's page downloads"),
        ("index,audio_sha256,mark\n0,,good\n", "line 2: the mark is 'good': write accept or reject"),
        ("index,audio_sha256,mark\n6,,accept\n", "line 2: the run has no row '6': are the marks of another run?"),
        ("index,audio_sha256,mark\nx,,accept\n", "line 2: the run has no row 'x'"),
        ("", "cannot be read as a CSV of marks"),
    ],
)
def test_what_are_no_marks_of_the_run_are_refused_in_one_line(run, text, message, capsys):
    (run.parent.parent / "m.csv").write_text(text)
    exit_code, (line,) = apply(capsys, "m.csv")
    assert exit_code == 2
    assert message in line


def test_marks_are_applied_alone(run, capsys):
    assert apply(capsys, "m.csv", "--fix") == (
        2,
        ["voicegen: --marks stands alone: leave out --fix and --listen, or give them afterwards"],
    )
    assert apply(capsys, "gone.csv") == (
        2,
        ["voicegen: gone.csv: cannot be read as a CSV of marks: No such file or directory"],
    )
