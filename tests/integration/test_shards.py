"""`shard.index` of `shard.count`: a command makes its part of the input, as the whole run would."""

import pytest

from tests.product import manifest_rows, questions_csv, voicegen, wav_hashes
from voicegen import run as run_here
from voicegen.job.verifying import verify_run
from voicegen.pipeline import audio_faults, plan

FAKE = ("preset=fake", "tts.duration=0.1")


@pytest.fixture
def run(tmp_path):
    questions_csv(tmp_path / "q.csv", 10)

    def run(*words, check=True):
        done = voicegen("run", *FAKE, "questions.path=q.csv", *words, cwd=tmp_path)
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def indexes(folder):
    return [row["index"] for row in manifest_rows(folder)]


def test_shards_are_all_of_the_run_and_each_row_is_as_the_whole_run_has_it(run, tmp_path):
    run("name=whole")
    sharded = run("--multirun", "name=parts", "shard.count=3", "shard.index=0,1,2")
    assert "3 rows (shard 0 of 3) of q.csv" in sharded.stderr
    parts = sorted((tmp_path / "outputs/parts").iterdir())
    assert [indexes(part) for part in parts] == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
    assert [row for part in parts for row in manifest_rows(part)] == manifest_rows(tmp_path / "outputs/whole")
    hashes = [item for part in parts for item in wav_hashes(part).items()]
    assert dict(hashes) == wav_hashes(tmp_path / "outputs/whole")
    assert voicegen("verify", parts[1], cwd=tmp_path).stdout == ""


def test_shards_of_one_folder_become_the_whole_run(run, tmp_path):
    whole, once = run("name=whole"), "name=once"
    assert "10 ok, 0 rejected, 0 failed, of 10" in whole.stdout
    assert "5 ok, 0 rejected, 0 failed, of 5" in run(once, "shard.index=1", "shard.count=2").stdout
    looked = run(once, "shard.index=0", "shard.count=2", "--dry-run").stdout
    assert "run       outputs/once: goes on after 0 finished rows, 5 left" in looked
    assert "10 ok, 0 rejected, 0 failed, of 10" in run(once).stdout
    assert manifest_rows(tmp_path / "outputs/once") == manifest_rows(tmp_path / "outputs/whole")


def test_a_limit_is_of_the_input_and_its_rows_are_shared_out(run, tmp_path):
    run("name=r", "questions.limit=4", "shard.index=1", "shard.count=2")
    assert indexes(tmp_path / "outputs/r") == [2, 3]


def test_no_conversation_is_torn(tmp_path):
    talks = ["a", "a", "b", "b", "b", "b", "b", "", "", "c"]
    lines = ["talk,question", *(f"{talk},Question {number}?" for number, talk in enumerate(talks))]
    (tmp_path / "q.csv").write_text("\n".join(lines) + "\n", "utf-8")
    words = (*FAKE, "questions.path=q.csv", "questions.conversation_column=talk")
    voicegen("run", *words, "name=whole", cwd=tmp_path)
    voicegen("run", *words, "--multirun", "name=r", "shard.count=4", "shard.index=range(4)", cwd=tmp_path)
    parts = sorted((tmp_path / "outputs/r").iterdir())
    assert [indexes(part) for part in parts] == [[0, 1], [2, 3, 4, 5, 6], [], [7, 8, 9]]
    assert [row for part in parts for row in manifest_rows(part)] == manifest_rows(tmp_path / "outputs/whole")


def test_rows_of_other_shards_that_failed_are_left_alone(run, tmp_path):
    with (tmp_path / "q.csv").open("a", encoding="utf-8") as file:
        file.write("empty,,sums\n")
    assert run(check=False).returncode == 3
    run("retry_failed=true", "shard.index=0", "shard.count=2", check=False)
    assert indexes(tmp_path / "outputs/default") == list(range(11))


def test_a_shard_that_begins_late_in_a_large_input_is_measured_by_its_own_layout(run, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "ROWS_PER_FOLDER", 4)
    monkeypatch.setattr(audio_faults, "ROWS_PER_FOLDER", 4)
    monkeypatch.setattr(audio_faults, "_BLOCK", 2)
    monkeypatch.chdir(tmp_path)
    run_here(*FAKE, "questions.path=q.csv", "name=r", "shard.index=1", "shard.count=2")
    folder = tmp_path / "outputs/r"
    assert sorted(wav_hashes(folder)) == [f"audio/000{index // 4}/{index:06d}.wav" for index in range(5, 10)]
    assert not verify_run(folder).counts


def test_a_shard_that_there_is_not_is_refused(run):
    refused = run("shard.index=2", "shard.count=2", check=False)
    assert refused.returncode == 2
    assert "shard: index=2 of count=2: the first shard is 0 and the last count - 1" in refused.stderr


def test_a_shard_is_judged_by_the_first_rows_of_its_voices_as_the_whole_run_is(tmp_path):
    (tmp_path / "q.csv").write_text(
        "talk,question\n" + "".join(f"{number // 4},What is {number} and {number}?\n" for number in range(60)), "utf-8"
    )
    words = (*FAKE, "questions.path=q.csv", "quality=basic", "quality.finish=null", "tts.duration=0.6")
    words = (*words, "questions.conversation_column=talk", "voice.names=[a,b]", "voice.assign=random")
    voicegen("run", *words, "name=whole", cwd=tmp_path)
    done = voicegen("run", *words, "name=last", "shard.index=3", "shard.count=4", cwd=tmp_path)
    whole, shard = manifest_rows(tmp_path / "outputs/whole"), manifest_rows(tmp_path / "outputs/last")
    assert any(row["pace"] is not None for row in whole)
    assert "12 rows (shard 3 of 4, and" in done.stderr
    assert [row["index"] for row in shard][-12:] == list(range(48, 60))
    relations = dict.fromkeys(("answer_duplicate_of", "answer_similarity"))
    known = {row["index"]: {**row, **relations} for row in whole}
    assert [{**row, **relations} for row in shard] == [known[row["index"]] for row in shard]
