"""`voicegen merge`: runs, and shards of one, become one run."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, constants

import voicegen
from tests.finished_rows import FinishedRows, failed_row
from tests.hub_server import hub_server
from tests.product import environment, manifest_rows, questions_csv, wav_hashes
from voicegen.cli import main
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError, OutputError
from voicegen.export.choice import Selection
from voicegen.job import merging
from voicegen.job.comparing import compare_runs
from voicegen.job.exporting import export_run
from voicegen.job.marking import apply_marks
from voicegen.job.merging import merge_runs
from voicegen.job.pushing import push_run
from voicegen.job.verifying import verify_run
from voicegen.pipeline import plan
from voicegen.pipeline.ledger import LedgerWriter
from voicegen.pipeline.run_folder import config_hash
from voicegen.quality import listener
from voicegen.store import Store

FAKE = ("preset=fake", "tts.duration=0.05")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Runs that were made, by all that decides them; and a folder for them."""
    return {}, tmp_path_factory.mktemp("kept")


@pytest.fixture
def made(tmp_path, monkeypatch, kept):
    """Makes runs below `tmp_path`, by default of the questions in q.csv; a new one is made but once for all tests."""
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 8)

    def made(name, *words):
        known, folder = kept
        inputs = tuple(path.read_bytes() for path in sorted(tmp_path.iterdir()) if path.is_file())
        place, whole = tmp_path / name, (name, words, inputs)
        if whole in known and not place.exists():
            return shutil.copytree(known[whole], place)
        is_new = not place.exists()
        voicegen.run(*FAKE, "questions.path=q.csv", f"output_dir={name}", *words)
        if is_new:
            known[whole] = shutil.copytree(place, folder / str(len(known)))
        return place

    return made


def shards(made, *words, count=2):
    return [made(f"shard{index}", f"shard.index={index}", f"shard.count={count}", *words) for index in range(count)]


def of(path, *questions, column="question"):
    path.write_text("\n".join([column, *questions]) + "\n", "utf-8")
    return f"questions.path={path.name}"


def lines(*words, **options):
    return list(merge_runs(*words, **options).lines())


def record(run):
    return json.loads((run / "run.json").read_text("utf-8"))


def test_shards_become_the_run_that_they_are_of(made, tmp_path):
    (tmp_path / "q.csv").open("a", encoding="utf-8").write("q8,what is 1 plus 1,sums\nq9,,sums\n")
    split = ("split.test=0.3", "split.validation=0.3")
    whole, parts = made("whole", *split), shards(made, *split)
    said = lines(parts[::-1], tmp_path / "merged")
    merged = tmp_path / "merged"
    assert said[0] == f"merged    2 shards of one run into {merged}: 9 ok, 0 rejected, 1 failed"
    assert manifest_rows(merged) == manifest_rows(whole)
    assert pq.read_schema(merged / "manifest.parquet").equals(pq.read_schema(whole / "manifest.parquet"), True)
    assert wav_hashes(merged) == wav_hashes(whole)
    assert not verify_run(merged).counts
    assert record(merged)["identity"] == record(whole)["identity"]
    assert record(merged)["config_hash"] == record(whole)["config_hash"]
    [origin] = record(merged)["merged_from"]
    assert (origin["runs"], origin["rows"]) == (["shard1", "shard0"], 10)
    assert not compare_runs(whole, merged)


def test_rows_of_different_runs_are_numbered_through_and_say_where_they_came_from(made, tmp_path):
    one, other = made("one", "questions.limit=8"), made("other", of(tmp_path / "o.csv", "Who?", "Why?"), "seed=4")
    merged = tmp_path / "merged"
    lines([one, other], merged)
    rows = manifest_rows(merged)
    assert [row["index"] for row in rows] == list(range(10))
    assert [row["id"] for row in rows] == [*(f"q{number}" for number in range(8)), "0", "1"]
    assert [(row["source_run"], row["source_index"]) for row in rows[7:]] == [("one", 7), ("other", 0), ("other", 1)]
    assert [row["config_hash"] for row in rows[7:]] == [record(run)["config_hash"] for run in (one, other, other)]
    assert [row["topic"] for row in rows[7:]] == ["sums", None, None]
    assert sorted(wav_hashes(merged)) == [f"audio/{number:06d}.wav" for number in range(10)]
    assert rows[8]["audio_sha256"] == manifest_rows(other)[0]["audio_sha256"]
    assert (merged / "audio/000008.wav").samefile(other / "audio/000000.wav")
    assert not verify_run(merged).counts
    known = record(merged)
    assert known["identity"]["runs"] == [record(run)["config_hash"] for run in (one, other)]
    assert known["identity"]["tts.kind"] == "tone"
    assert "seed" not in known["identity"]
    assert known["models"] == record(one)["models"]


def test_every_command_that_reads_a_run_reads_a_merged_one(made, tmp_path, monkeypatch):
    one, other = made("one"), made("other", of(tmp_path / "o.csv", "Who?", "Why?"))
    merged = tmp_path / "merged"
    lines([one, other], merged)
    assert len(voicegen.load_manifest(merged)[9].waveform)
    exported = export_run(merged, "hf", tmp_path / "hf", Selection(where="source_run = 'other'"))
    assert exported.counts.chosen == 2
    assert "merged" in (merged / "report.html").read_text("utf-8")[:2000]
    card = (merged / "README.md").read_text("utf-8")
    assert "# merged\n" in card
    assert "Merged from 2 runs, which the column `source_run` tells apart: one (8 rows); other (2 rows)." in card
    assert compare_runs(one, merged).rows == (8, 10)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub_server() as hub:
        pushed = push_run(merged, "hf://datasets/ann/talks", api=HfApi(hub.endpoint, token=hub.token))
        [shard] = hub.repositories["ann/talks"].large
    assert (pushed.export.counts.by_status, shard) == ({"ok": 10}, "data/train-00000-of-00001.parquet")


def test_ids_and_conversations_that_a_run_before_has_begin_with_the_run_s_name(made, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"talk,question\nx,Hello {name}?\nx,And {name}?\n", "utf-8")
    words = ("questions.conversation_column=talk",)
    runs = [made(name, f"questions.path={name}.csv", *words) for name in ("a", "b")]
    said = lines(runs, tmp_path / "merged")
    assert f"ids       of {runs[1]} are taken by a run before it: here they begin with b/" in said
    rows = manifest_rows(tmp_path / "merged")
    assert [(row["id"], row["conversation_id"]) for row in rows] == [
        ("0", "x"),
        ("1", "x"),
        ("b/0", "b/x"),
        ("b/1", "b/x"),
    ]


def test_repeats_and_splits_are_found_over_all_rows(made, tmp_path):
    split = ("split.test=0.5",)
    asked = [f"What is the colour of thing number {number}?" for number in range(12)]
    one = made("one", of(tmp_path / "1.csv", *asked), *split)
    other = made("other", of(tmp_path / "2.csv", "Something else.", *(text.upper() for text in asked)), *split)
    lines([one, other], tmp_path / "merged")
    joined = made(
        "joined", of(tmp_path / "3.csv", *asked, "Something else.", *(text.upper() for text in asked)), *split
    )
    relations = ("split", "question_duplicate_of", "question_similarity", "answer_duplicate_of", "answer_similarity")
    merged, known = manifest_rows(tmp_path / "merged"), manifest_rows(joined)
    assert [[row[name] for name in relations] for row in merged] == [[row[name] for name in relations] for row in known]
    assert merged[13]["question_duplicate_of"] == 0
    assert record(tmp_path / "merged")["split"] == record(one)["split"]


def test_runs_that_are_split_differently_are_refused(made, tmp_path):
    one, other = made("one"), made("other", of(tmp_path / "o.csv", "Who?"), "split.test=0.5")
    with pytest.raises(InputError, match=r"split differently \(all train; validation 0.0, test 0.5, near True\): give"):
        merge_runs([one, other], tmp_path / "merged")


def test_a_voice_of_test_alone_stays_so(made, tmp_path):
    words = ("split.test=0.5", "voice.names=[a,b]", "voice.assign=round_robin", "split.test_voices=[b]")
    words_of = ("wolves", "bridges", "opera", "glaciers", "chess", "bread", "violins", "volcanoes", "maps", "tides")
    asked = [f"{word} {word} and what {word} {word} are to {word} lovers" for word in words_of]
    one = made("one", of(tmp_path / "1.csv", *asked), *words)
    near = [f"{text} again" for text in asked]
    other = made("other", of(tmp_path / "2.csv", *near), *words)
    lines([one, other], tmp_path / "merged")
    rows = manifest_rows(tmp_path / "merged")
    assert all((row["voice"] == "b") == (row["split"] == "test") for row in rows if row["split"] is not None)
    assert {row["split"] for row in rows} >= {"train", "test"}


def test_a_row_that_two_shards_have_is_taken_from_the_one_that_has_it_ok(made, tmp_path):
    low, high = made("low", "questions.limit=5"), made("high", "shard.index=1", "shard.count=2")
    rejected = next(row for row in manifest_rows(low) if row["index"] == 4)
    marks = f"index,audio_sha256,mark\n4,{rejected['audio_sha256']},reject\n"
    (tmp_path / "marks.csv").write_text(marks, "utf-8")
    apply_marks(low, tmp_path / "marks.csv")
    said = lines([low, high], tmp_path / "merged")
    assert f"twice     1 row in more than one of {low} and {high}: the best of each is taken" in said
    assert [row["status"] for row in manifest_rows(tmp_path / "merged")] == ["ok"] * 8
    assert not verify_run(tmp_path / "merged").counts


def test_a_run_that_lacks_rows_is_refused_unless_that_is_meant(made, tmp_path):
    runs = [made("one", "questions.limit=3"), made("other", of(tmp_path / "o.csv", "Who?"))]
    with pytest.raises(InputError, match=r"one: 3 of the 8 rows of the input are there: .* --allow-incomplete"):
        merge_runs(runs, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    said = lines(runs, tmp_path / "merged", allow_incomplete=True)
    assert f"input     of {runs[0]}: 3 of the 8 rows are there" in said
    assert [row["index"] for row in manifest_rows(tmp_path / "merged")] == [0, 1, 2, 3]
    lines([shard := made("late", "shard.index=1", "shard.count=2"), runs[0]], tmp_path / "holes", allow_incomplete=True)
    assert shard.exists()
    assert [row["index"] for row in manifest_rows(tmp_path / "holes")] == [0, 1, 2, 4, 5, 6, 7]
    assert not verify_run(tmp_path / "holes").counts


def test_nothing_makes_rows_of_a_merged_run_again(made, tmp_path):
    merged = tmp_path / "merged"
    lines(shards(made), merged)
    with pytest.raises(OutputError, match="was merged from other runs, and nothing makes its rows again: go on with"):
        made("merged")
    with pytest.raises(OutputError, match=r"was merged from other runs.*leave out --fix"):
        verify_run(merged, fix=True)
    first = manifest_rows(merged)[0]
    (tmp_path / "marks.csv").write_text(f"index,audio_sha256,mark\n0,{first['audio_sha256']},reject\n", "utf-8")
    assert list(apply_marks(merged, tmp_path / "marks.csv").lines()) == ["0 rows accepted, 1 row rejected"]
    assert (merged / "rejected/000000.wav").exists()
    assert (tmp_path / "shard0/audio/000000.wav").exists()
    assert not verify_run(merged).counts
    made("merged", "overwrite=true")
    assert "merged_from" not in record(merged)


def test_what_was_merged_can_be_merged_again_and_says_where_each_row_began(made, tmp_path):
    runs = [made(name, of(tmp_path / f"{name}.csv", f"Who is {name}?")) for name in ("a", "b", "c")]
    lines(runs[:2], tmp_path / "ab")
    lines([runs[2], tmp_path / "ab"], tmp_path / "cab")
    rows = manifest_rows(tmp_path / "cab")
    assert [(row["source_run"], row["source_index"], row["id"]) for row in rows] == [
        ("c", 0, "0"), ("a", 0, "ab/0"), ("b", 0, "ab/b/0")
    ]  # fmt: skip
    assert not verify_run(tmp_path / "cab").counts


def test_columns_of_the_inputs_are_joined_and_those_of_two_types_hold_both(made, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "Who?", "n": 1, "tag": {"x": 1}, "only": true}\n', "utf-8")
    (tmp_path / "b.jsonl").write_text('{"question": "Why?", "n": 2.5, "tag": "plain"}\n', "utf-8")
    runs = [made(name, f"questions.path={name}.jsonl") for name in ("a", "b")]
    lines(runs, tmp_path / "merged")
    rows = manifest_rows(tmp_path / "merged")
    assert [row["n"] for row in rows] == [1, 2.5]
    assert [row["only"] for row in rows] == [True, None]
    assert [row["tag"] for row in rows] == ['{"x": 1}', "plain"]


def test_runs_of_the_same_name_are_told_apart_by_their_folders(made, tmp_path):
    runs = [made(f"{name}/run", of(tmp_path / f"{name}.csv", f"Who is {name}?")) for name in ("a", "b")]
    lines(runs, tmp_path / "merged")
    assert [row["source_run"] for row in manifest_rows(tmp_path / "merged")] == ["a/run", "b/run"]


def test_licences_and_consents_are_joined(made, tmp_path):
    runs = [made(name, of(tmp_path / f"{name}.csv", f"Who is {name}?")) for name in ("a", "b")]
    for run, licence, consent in zip(runs, ("MIT", None), ("of a", "of b"), strict=True):
        known = record(run)
        known["models"]["tts"] |= {"licence": licence, "id": f"{run.name}-tts"}
        known["provenance"] |= {"licences": {"chat": "MIT", "tts": licence}, "voices": {"me": {"consent": consent}}}
        (run / "run.json").write_text(json.dumps(known), "utf-8")
    merged = tmp_path / "merged"
    lines(runs, merged)
    provenance = record(merged)["provenance"]
    assert provenance["licences"] == {"chat": "MIT", "tts": ["MIT", None]}
    assert provenance["voices"] == {"me": {"consent": "of a"}, "b/me": {"consent": "of b"}}
    assert "tts" not in record(merged)["models"]
    card = (merged / "README.md").read_text("utf-8")
    assert all(f"| spoke | {name}-tts |" in card for name in ("a", "b"))


def test_rates_that_differ_are_said_and_formats_that_differ_refused(made, tmp_path):
    asked = of(tmp_path / "o.csv", "Who?")
    one, other = made("one"), made("other", asked, "tts.sample_rate=8000")
    said = lines([one, other], tmp_path / "merged")
    rate = manifest_rows(one)[0]["sampling_rate"]
    told = f"rates     8000 Hz (1 row), {rate} Hz (8 rows): load_manifest(..., sample_rate=8000) makes them one"
    assert told in said
    flac = made("flac", asked, "tts.format=flac")
    with pytest.raises(InputError, match=r"one has wav files of PCM_16 and .*flac flac files of PCM_16: .* export"):
        merge_runs([one, flac], tmp_path / "both")


def test_folders_are_laid_out_for_all_rows_and_rejected_takes_lie_apart(made, tmp_path, monkeypatch):
    runs = [made("one"), made("other", of(tmp_path / "o.csv", "Who?", "Why?"))]
    (tmp_path / "marks.csv").write_text(
        f"index,audio_sha256,mark\n1,{manifest_rows(runs[1])[1]['audio_sha256']},reject\n", "utf-8"
    )
    apply_marks(runs[1], tmp_path / "marks.csv")
    monkeypatch.setattr(plan, "ROWS_PER_FOLDER", 9)
    lines(runs, tmp_path / "merged")
    rows = manifest_rows(tmp_path / "merged")
    assert [row["audio_path"] for row in rows[7:]] == [
        "audio/0000/000007.wav", "audio/0000/000008.wav", "rejected/0001/000009.wav"
    ]  # fmt: skip
    assert (tmp_path / "merged/rejected/0001/000009.wav").samefile(runs[1] / "rejected/000001.wav")


def test_another_disk_has_copies(made, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    parts = shards(made)
    lines(parts, tmp_path / "merged")
    assert (tmp_path / "merged/audio/000000.wav").stat().st_nlink == 1
    assert not verify_run(tmp_path / "merged").counts


def test_what_cannot_be_merged_is_refused_in_one_line_and_nothing_is_left(made, tmp_path):
    parts = shards(made)
    place = tmp_path / "merged"
    with pytest.raises(InputError, match="shard0 is given twice: give each run once"):
        merge_runs([parts[0], parts[1], tmp_path / "x/../shard0"], place)
    with pytest.raises(InputError, match="nowhere: there is no run: give the folder of one"):
        merge_runs([parts[0], tmp_path / "nowhere"], place)
    with pytest.raises(OutputError, match="is in a run that is merged"):
        merge_runs(parts, parts[0] / "merged")
    with pytest.raises(OutputError, match=r"q.csv is there already: choose another folder, or move that one away"):
        merge_runs(parts, tmp_path / "q.csv")
    with Store(parts[1]).hold(), pytest.raises(OutputError, match="shard1 is in use by another voicegen process"):
        merge_runs(parts, place)
    (parts[1] / "audio/000005.wav").unlink()
    with pytest.raises(InputError, match=r"shard1/audio/000005.wav is missing: voicegen verify .*shard1 --fix"):
        merge_runs(parts, place)
    (parts[0] / "manifest.parquet").unlink()
    with pytest.raises(InputError, match=r"shard0: its manifest.parquet is not as its ledger has it .*run it again"):
        merge_runs(parts, place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.csv", "shard0", "shard1"]


def test_a_ledger_that_names_a_file_outside_of_its_run_has_none_of_it_merged(made, tmp_path):
    parts = shards(made)
    (tmp_path / "secret").write_text("mine", "utf-8")
    [ledger] = (parts[1] / "ledger").iterdir()
    ledger.write_text(ledger.read_text("utf-8").replace("audio/000005.wav", "../secret"), "utf-8")
    manifest = pq.read_table(parts[1] / "manifest.parquet")
    paths = [path.replace("audio/000005.wav", "../secret") for path in manifest["audio_path"].to_pylist()]
    place = manifest.column_names.index("audio_path")
    pq.write_table(manifest.set_column(place, "audio_path", [paths]), parts[1] / "manifest.parquet")
    with pytest.raises(InputError, match=r"names a file outside of it, '\.\./secret': it is not used"):
        merge_runs(parts, tmp_path / "merged")
    with pytest.raises(InputError, match="outside of it"):
        Store(tmp_path / "merged").share("audio/x.wav", Store(parts[1]), "../secret")
    assert not (tmp_path / "merged").exists()


def test_shards_that_other_models_made_are_refused(made, tmp_path):
    parts = shards(made)
    known = record(parts[1])
    known["models"]["tts"]["revision"] = "another"
    (parts[1] / "run.json").write_text(json.dumps(known), "utf-8")
    with pytest.raises(
        InputError, match=r"shards of one run, made by different tts models \(revision: .* and another\)"
    ):
        merge_runs(parts, tmp_path / "merged")


KILLED = """
import os, signal, sys
from pathlib import Path
from voicegen.job import merging
put, puts = merging._put, []
def killed(*words):
    puts.append(words)
    if len(puts) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*words)
merging._put = killed
merging.merge_runs([Path("shard0"), Path("shard1")], Path("merged"))
"""


def test_a_merge_that_was_killed_leaves_nothing_that_looks_whole_and_the_same_command_completes_it(made, tmp_path):
    parts = shards(made)
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list((tmp_path / ".merged.voicegen-tmp").rglob("*.wav"))
    assert not (tmp_path / "merged").exists()
    lines(parts, tmp_path / "merged")
    assert not verify_run(tmp_path / "merged").counts
    assert not list(tmp_path.glob(".merged*"))
    assert all(not verify_run(part).counts for part in parts)


def test_an_interrupted_merge_leaves_nothing(made, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "write_run_card", interrupted)
    with pytest.raises(KeyboardInterrupt):
        merge_runs(shards(made), tmp_path / "merged")
    assert not list(tmp_path.glob("*merged*"))


def test_shards_are_judged_together_as_the_whole_run_and_questions_keep_their_audio(made, tmp_path, monkeypatch):
    """Tones of one length are the same audio for different texts, which shards cannot see of each other."""
    monkeypatch.setattr(listener, "FIRST", 1)
    asked = of(tmp_path / "o.csv", *(f"Who is number {number}?" for number in range(8)))
    words = (asked, "quality=basic", "tts.duration=0.6", "speak=both", "voice.names=[a,b]", "voice.assign=round_robin")
    words = (*words, "quality.max_attempts=1", "seed=554")  # rows 3 and 4 hum the same answer
    whole, parts = made("whole", *words), shards(made, *words)
    lines(parts, tmp_path / "merged")
    rows = manifest_rows(whole)
    assert [row["index"] for row in rows if row["status"] == "rejected"] == [4]
    assert manifest_rows(tmp_path / "merged") == rows
    assert files(tmp_path / "merged") == files(whole)
    assert not verify_run(tmp_path / "merged").counts
    other = made("other", of(tmp_path / "p.csv", "Why?"), "speak=both")
    lines([whole, other], tmp_path / "both")
    assert (tmp_path / "both/audio/000008.question.wav").samefile(other / "audio/000000.question.wav")
    assert not verify_run(tmp_path / "both").counts


def files(run):
    return {
        path.relative_to(run): path.read_bytes()
        for name in ("audio", "rejected")
        for path in (run / name).rglob("*.wav")
    }


class TwoAnswers:
    """Each question is two rows."""

    answers_per_question = 2

    def row_id(self, question_id, number):
        return f"{question_id}-{number}"


def with_two_answers(folder, seed, *asked):
    """A run whose chat model gave two answers to each question, none of which is spoken."""
    of(folder.with_suffix(".csv"), *asked)
    questions, store = QuestionFile(folder.with_suffix(".csv")), Store(folder)
    rows = [replace(failed_row(number), answer=f"{seed} {number}") for number in range(2 * len(asked))]
    with closing(LedgerWriter(store, 0, "made")) as writer:
        writer.append(rows)
    identity = {"input.sha256": questions.inspect().sha256, "seed": seed, "chat.num_answers": 2}
    inputs = [{"sha256": identity["input.sha256"], "rows": len(asked)}]
    known = {"format": 1, "created": "", "config_hash": config_hash(identity), "identity": identity, "inputs": inputs}
    store.put([("run.json", json.dumps(known).encode())])
    write_manifest(store, questions, FinishedRows(rows), Provenance(), TwoAnswers())
    return folder


def test_two_answers_to_a_question_do_not_repeat_it(tmp_path):
    runs = [with_two_answers(tmp_path / "a", 1, "Who?", "Why?"), with_two_answers(tmp_path / "b", 2, "When?", "who")]
    lines(runs, tmp_path / "merged")
    rows = manifest_rows(tmp_path / "merged")
    assert [row["question_duplicate_of"] for row in rows] == [None] * 6 + [0, 0]
    assert [row["id"] for row in rows] == ["0-0", "0-1", "1-0", "1-1", "b/0-0", "b/0-1", "b/1-0", "b/1-1"]
    assert not verify_run(tmp_path / "merged").counts


def test_the_command_says_what_it_merged_and_what_it_takes(made, tmp_path, capsys):
    parts = shards(made)
    assert main(["merge", *map(str, parts), "--to", "merged"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"merged    2 shards of one run into {tmp_path}/merged: 8 ok, 0 rejected, 0 failed",
        f"manifest  {tmp_path}/merged/manifest.parquet",
    ]
    for words in ([parts[0], "--to", "x"], parts, [*parts, "--to", "x", "seed=1"][2:]):
        assert main(["merge", *map(str, words)]) == 2
        assert "where to: voicegen merge RUN RUN --to DEST" in capsys.readouterr().err
