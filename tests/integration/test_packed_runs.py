"""`audio.container=tar` and `parquet`: the run is that of files, but for where its clips lie."""

import re
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.product import ROOT, TIMINGS, manifest_rows, questions_csv, voicegen, warm_voicegen
from tests.s3_server import killing_at, s3_server
from tests.worker_faults import WORDS, plant_faults, questions
from voicegen import load_manifest
from voicegen.pipeline.ledger import Ledger
from voicegen.records import ClipPlace
from voicegen.remote import any_path
from voicegen.store import Store
from voicegen.store.clips import read_clip

MADE = ("run", "preset=fake", "tts.duration=0.1", "speak=both")
PLACES = tuple(f"{of}audio_{what}" for of in ("", "question_") for what in ("path", "offset"))
SMALL = "audio.shard_mb=0.03"  # some three rows of both clips


@pytest.fixture(scope="module")
def s3():
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with the questions of sixteen rows, and the runs of them in files and in shards of each kind."""
    folder = tmp_path_factory.mktemp("packed")
    questions_csv(folder / "q.csv", 16)
    for kind in ("wav", "tar", "parquet"):
        made(folder, kind, f"audio.container={kind}")
    return folder


def made(folder, name, *words):
    done = warm_voicegen(
        *MADE, "questions.path=q.csv", f"name={name}", SMALL, "executor.queue_size=2", *words, cwd=folder
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return folder / "outputs" / name


def rows_at(run) -> list[dict]:
    """The manifest's rows without timings and places, and with the bytes of their clips."""
    store = Store(any_path(str(run)))
    with store.reading("manifest.parquet") as file:
        rows = pq.read_table(file).drop_columns(list(TIMINGS)).to_pylist()
    for row in rows:
        clips = [read_clip(store, place) for of in ("", "question_") if (place := ClipPlace.of_row(row, of))]
        row["clips"] = clips
        for column in PLACES:
            del row[column]
    return rows


def assert_no_shard_is_idle(run):
    store = Store(any_path(str(run)))
    assert {file.name for file in store.files("shards")} == set(Ledger(store).shards())


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_packed_run_is_the_run_of_files(runs, kind):
    files, packed = runs / "outputs/wav", runs / "outputs" / kind
    assert rows_at(packed) == rows_at(files)
    assert not (packed / "audio").exists()
    assert len(list((packed / "shards").iterdir())) > 2
    assert_no_shard_is_idle(packed)
    for speak in (None, "question"):
        one, other = (load_manifest(run, speak=speak) for run in (files, packed))
        assert all((one[index].waveform == other[index].waveform).all() for index in range(16))
    assert warm_voicegen("diff", files, packed, cwd=runs).stdout == ""
    verified = warm_voicegen("verify", packed, cwd=runs)
    assert (verified.returncode, verified.stdout) == (0, "")
    again = warm_voicegen(*MADE, "questions.path=q.csv", f"name={kind}", cwd=runs)
    assert "nothing was left to do" in again.stdout


@pytest.mark.parametrize("form", ["hf", "webdataset"])
def test_an_export_of_a_packed_run_is_that_of_files(runs, form, tmp_path):
    for kind in ("wav", "tar"):
        done = warm_voicegen("export", f"outputs/{kind}", tmp_path / kind, "--to", form, cwd=runs)
        assert done.returncode == 0, done.stderr
    one, other = (
        {path.relative_to(tmp_path / kind): path.read_bytes() for path in (tmp_path / kind).rglob("*.[pt]ar*")}
        for kind in ("wav", "tar")
    )
    assert one == other
    assert one


@pytest.mark.parametrize(
    ("kind", "words", "moments"),
    [
        ("tar", (), [("shards", 2), ("ledger", 1), ("manifest", 1)]),
        ("parquet", ("executor.workers=2",), [("shards", 2), ("ledger", 2)]),
    ],
)
def test_a_packed_run_at_s3_that_is_killed_at_any_moment_and_run_again_is_the_run_of_files(
    s3, runs, kind, words, moments
):
    url = f"s3://bucket/killed-{kind}"
    words = (*MADE, "questions.path=q.csv", f"output_dir={url}", f"audio.container={kind}", SMALL, *words)
    for part, number in moments:
        s3.refuse = killing_at(f"killed-{kind}", part, number)
        killed = voicegen(*words, "executor.queue_size=1", cwd=runs)
        assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), killed.stderr
    s3.refuse = lambda _method, _path: None
    done = voicegen(*words, cwd=runs)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert rows_at(url) == rows_at(runs / "outputs/wav")
    assert_no_shard_is_idle(url)
    verified = warm_voicegen("verify", url, cwd=runs)
    assert (verified.returncode, verified.stdout) == (0, "")
    waveform, whole = (load_manifest(run)[9].waveform for run in (url, runs / "outputs/wav"))
    assert (waveform == whole).all()


def test_workers_that_are_killed_and_hang_cost_a_packed_run_one_row_alone(tmp_path, monkeypatch):
    questions(tmp_path, 20, {3: " kill", 7: " poison", 15: " hang"})
    assert warm_voicegen(*WORDS, "name=whole", cwd=tmp_path).returncode == 0
    plant_faults(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ("executor.workers=2", "executor.row_timeout_seconds=3", "executor.queue_size=1", "audio.container=tar")
    done = warm_voicegen(*WORDS, *words, "name=packed", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "19 ok, 0 rejected, 1 failed, of 20" in done.stdout
    packed, whole = (rows_at(tmp_path / "outputs" / name) for name in ("packed", "whole"))
    poisoned = packed.pop(7)
    assert (poisoned["status"], poisoned["clips"]) == ("failed", [])
    assert packed == [row for row in whole if row["index"] != 7]
    assert_no_shard_is_idle(tmp_path / "outputs/packed")


@pytest.fixture
def packed(runs, tmp_path):
    """A copy of the packed run, and of its questions."""
    shutil.copy(runs / "q.csv", tmp_path)
    shutil.copytree(runs / "outputs/tar", tmp_path / "outputs/tar")
    return tmp_path / "outputs/tar"


def go_on(packed, *words):
    return made(packed.parent.parent, "tar", "audio.container=tar", *words)


def test_a_broken_clip_is_found_and_costs_its_row_alone(packed, runs):
    row = manifest_rows(packed)[5]
    shard = packed / Path(row["audio_path"]).parent
    data = bytearray(shard.read_bytes())
    data[row["audio_offset"] + 60] ^= 1
    shard.write_bytes(data)
    found = warm_voicegen("verify", packed, cwd=packed)
    assert (found.returncode, found.stdout.count("\n")) == (3, 1)
    assert f"{row['audio_path']} (row 5: its bytes have another SHA-256)" in found.stdout
    mended = warm_voicegen("verify", "--fix", packed, cwd=packed)
    assert "makes 1 row again" in mended.stdout
    assert not shard.exists()
    assert [path.name for path in packed.glob("aside-*/shards/*")] == [shard.name]
    others = {index: one for index, one in enumerate(rows_at(packed)) if index != 5}
    assert others == {index: one for index, one in enumerate(rows_at(runs / "outputs/wav")) if index != 5}
    go_on(packed)
    assert Ledger(Store(packed)).get([5])[5].clip.path.startswith("shards/00002-local-000000-")
    assert rows_at(packed) == rows_at(runs / "outputs/wav")
    assert not warm_voicegen("verify", packed, cwd=packed).stdout


def test_a_shard_that_is_broken_between_its_clips_is_found_and_costs_nothing(packed, runs):
    shard = min((packed / "shards").iterdir())
    data = bytearray(shard.read_bytes())
    data[0] ^= 1  # of the name of its first clip, which a reader of tar files goes by
    shard.write_bytes(data)
    found = warm_voicegen("verify", packed, cwd=packed)
    assert (found.returncode, found.stdout.count("\n")) == (3, 1)
    assert f"shards/{shard.name} (its SHA-256 is not that in its name" in found.stdout
    assert warm_voicegen("verify", "--fix", packed, cwd=packed).returncode == 3
    assert [path.name for path in packed.glob("aside-*/shards/*")] == [shard.name]
    assert rows_at(packed) == rows_at(runs / "outputs/wav")
    assert not warm_voicegen("verify", packed, cwd=packed).stdout


def test_a_shard_that_is_gone_or_cut_is_made_again_and_one_that_nobody_knows_is_removed(packed, runs):
    gone, cut, *_ = sorted((packed / "shards").iterdir())
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:5000])
    (packed / "shards/00000-local-000099-00000000.tar").write_bytes(b"of a writer that was killed")
    found = warm_voicegen("verify", packed, cwd=packed).stdout
    assert all(told in found for told in ("there is no such file", "bytes, not", "no clip on record lies in it"))
    go_on(packed)
    assert rows_at(packed) == rows_at(runs / "outputs/wav")
    assert_no_shard_is_idle(packed)


def test_a_run_may_go_on_in_another_container(packed, runs):
    for shard in sorted((packed / "shards").iterdir())[1:]:
        shard.unlink()
    go_on(packed, "audio.container=wav")
    places = {row["audio_offset"] is None for row in manifest_rows(packed)}
    assert places == {True, False}
    assert rows_at(packed) == rows_at(runs / "outputs/wav")
    assert not warm_voicegen("verify", packed, cwd=packed).stdout


def test_a_row_that_a_listener_rejects_stays_in_its_shard_until_it_is_made_again(packed):
    row = manifest_rows(packed)[2]
    marks = packed.parent / "marks.csv"
    marks.write_text(f"index,id,audio_sha256,mark\n2,{row['id']},{row['audio_sha256']},reject\n", "utf-8")
    assert warm_voicegen("verify", packed, "--marks", marks, cwd=packed).returncode == 0
    rejected = manifest_rows(packed)[2]
    assert (rejected["status"], rejected["audio_path"]) == ("rejected", row["audio_path"])
    assert len(load_manifest(packed)) == 15
    assert not warm_voicegen("verify", packed, cwd=packed).stdout
    go_on(packed, "retry_failed=true")
    again = manifest_rows(packed)[2]
    assert (again["status"], again["audio_path"] == row["audio_path"]) == ("ok", False)
    assert not warm_voicegen("verify", packed, cwd=packed).stdout


def test_shards_of_a_run_merge_to_the_run_and_packed_runs_to_one(runs, tmp_path):
    packed = "audio.container=tar"
    parts = [made(runs, f"part{number}", packed, f"shard.index={number}", "shard.count=2") for number in "01"]
    others = [runs / "outputs/tar", made(runs, "other", packed, "seed=7"), made(runs, "third", "seed=8")]
    merged, joined = tmp_path / "merged", tmp_path / "joined"
    for sources, place in ((parts, merged), (others, joined)):
        done = warm_voicegen("merge", *sources, "--to", place, cwd=runs)
        assert done.returncode == 0, done.stderr
        assert not warm_voicegen("verify", place, cwd=runs).stdout
        assert_no_shard_is_idle(place)
    assert rows_at(merged) == rows_at(runs / "outputs/wav")
    assert [row["clips"] for row in rows_at(joined)] == [row["clips"] for run in others for row in rows_at(run)]
    shard = next((joined / "shards").iterdir())
    assert any((run / "shards" / shard.name).exists() and shard.samefile(run / "shards" / shard.name) for run in others)


@pytest.mark.parametrize("kind", ["wav", "tar"])
def test_the_code_on_a_run_s_card_reads_its_audio(runs, kind, monkeypatch):
    monkeypatch.chdir(runs / "outputs")
    *_, code = (runs / "outputs" / kind / "README.md").read_text("utf-8").split("```python\n")
    said = {}
    exec(code.partition("```")[0], said)
    assert (said["samples"] == load_manifest(kind)[0].waveform.numpy()).all()


def test_the_loop_of_the_docs_reads_each_clip_that_counts_with_its_text(runs, tmp_path, monkeypatch):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/packed").symlink_to(runs / "outputs/tar")
    monkeypatch.chdir(tmp_path)
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/storage.md").read_text("utf-8"), flags=re.DOTALL)
    said = {"seen": []}
    exec(code + "        seen.append((text, len(samples)))\n", said)
    rows = load_manifest(runs / "outputs/wav").table.to_pylist()
    assert sorted(said["seen"]) == sorted((row["answer_spoken"], row["num_samples"]) for row in rows)
