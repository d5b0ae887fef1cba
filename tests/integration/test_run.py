import contextlib
import os
import random
import resource
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import soundfile

from tests.product import (
    ROOT,
    cold_start,
    cold_voicegen,
    environment,
    manifest_rows,
    questions_csv,
    start,
    start_in_terminal,
    voicegen,
    wav_hashes,
)

FAKE = ("preset=fake", "tts.duration=0.2")


def run(tmp_path, *words, **options):
    return voicegen("run", *words, cwd=tmp_path, **options)


def fake_run(tmp_path, *words, count=12, name="r"):
    file = questions_csv(tmp_path / f"{count}.csv", count)
    return run(tmp_path, *FAKE, f"questions.path={file}", f"name={name}", *words)


def test_a_run_writes_numbered_wavs_a_manifest_and_a_summary(tmp_path):
    file = questions_csv(tmp_path / "12.csv", 12)
    done = cold_voicegen("run", *FAKE, f"questions.path={file}", "name=r", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    folder = tmp_path / "outputs" / "r"
    assert sorted(wav_hashes(folder)) == [f"audio/{number:06d}.wav" for number in range(12)]
    rows = manifest_rows(folder)
    assert [row["id"] for row in rows] == [f"q{number}" for number in range(12)]
    assert {row["status"] for row in rows} == {"ok"}
    assert rows[3]["topic"] == "sums"
    for row in rows:
        info = soundfile.info(folder / row["audio_path"])
        assert (info.frames, info.samplerate) == (row["num_samples"], row["sampling_rate"])
        assert wav_hashes(folder)[row["audio_path"]] == row["audio_sha256"]
    assert "12 ok, 0 rejected, 0 failed, of 12" in done.stdout
    assert str(folder.relative_to(tmp_path) / "manifest.parquet") in done.stdout


def test_the_same_command_again_does_nothing_and_says_so(tmp_path):
    fake_run(tmp_path)
    folder = tmp_path / "outputs" / "r"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")} | {
        "m": pq.read_table(folder / "manifest.parquet")
    }
    again = fake_run(tmp_path)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")} | {
        "m": pq.read_table(folder / "manifest.parquet")
    }
    assert again.returncode == 0
    assert "nothing was left to do" in again.stdout
    assert after == before


def test_a_raised_limit_goes_on_and_moves_no_file(tmp_path):
    fake_run(tmp_path, "questions.limit=4")
    folder = tmp_path / "outputs" / "r"
    first = wav_hashes(folder)
    assert len(first) == 4
    fake_run(tmp_path, "questions.limit=9")
    second = wav_hashes(folder)
    assert len(second) == 9
    assert first.items() <= second.items()
    lowered = fake_run(tmp_path, "questions.limit=2")
    assert "2 ok, 0 rejected, 0 failed, of 2" in lowered.stdout
    assert len(manifest_rows(folder)) == 9  # a lowered limit loses nothing


def test_other_settings_are_refused_with_the_keys_and_overwriting_keeps_the_old_run(tmp_path):
    fake_run(tmp_path)
    refused = fake_run(tmp_path, "seed=5")
    assert refused.returncode == 2
    assert "seed: 0 then, 5 now" in refused.stderr
    assert "overwrite=true" in refused.stderr
    assert fake_run(tmp_path, "seed=5", "overwrite=true").returncode == 0
    old = list((tmp_path / "outputs").glob("r.old-*"))
    assert len(old) == 1
    assert len(manifest_rows(old[0])) == 12


def test_a_changed_input_is_another_run(tmp_path):
    fake_run(tmp_path)
    (tmp_path / "12.csv").write_text((tmp_path / "12.csv").read_text().replace("plus", "minus"))
    refused = run(tmp_path, *FAKE, f"questions.path={tmp_path / '12.csv'}", "name=r")
    assert refused.returncode == 2
    assert f"input.sha256: {tmp_path / '12.csv'} is not the file of then, or has changed since" in refused.stderr


def test_rows_that_fail_stay_in_the_manifest_and_the_others_go_on(tmp_path):
    (tmp_path / "q.csv").write_text("id,question\na,What is one?\nb,\nc,What is three?\nd,```\n")
    done = run(tmp_path, *FAKE, "questions.path=q.csv", "name=r")
    assert done.returncode == 3, done.stderr
    assert "2 ok, 0 rejected, 2 failed, of 4" in done.stdout
    rows = {row["id"]: row for row in manifest_rows(tmp_path / "outputs" / "r")}
    assert [rows[id]["status"] for id in "abcd"] == ["ok", "failed", "ok", "failed"]
    assert rows["b"]["error"] == "input: column 'question' is empty"
    assert rows["b"]["audio_path"] is None
    assert sorted(wav_hashes(tmp_path / "outputs" / "r")) == ["audio/000000.wav", "audio/000002.wav"]


def test_a_manifest_that_a_kill_left_behind_is_brought_up_to_date(tmp_path):
    fake_run(tmp_path, "questions.limit=4")
    folder = tmp_path / "outputs" / "r"
    fresh = manifest_rows(folder)
    stale = pq.read_table(folder / "manifest.parquet").replace_schema_metadata()
    column = stale.schema.get_field_index("status")
    pq.write_table(stale.set_column(column, "status", [["failed"] * 4]), folder / "manifest.parquet")
    os.utime(folder / "manifest.parquet", ns=(0, 0))
    again = fake_run(tmp_path, "questions.limit=4")
    assert "nothing was left to do" in again.stdout
    assert manifest_rows(folder) == fresh


def test_failed_rows_are_tried_again_only_when_asked(tmp_path):
    (tmp_path / "q.csv").write_text('question\nWhat is one?\n""\n')
    assert run(tmp_path, *FAKE, "questions.path=q.csv").returncode == 3
    again = run(tmp_path, *FAKE, "questions.path=q.csv")
    assert "nothing was left to do" in again.stdout
    retried = run(tmp_path, *FAKE, "questions.path=q.csv", "retry_failed=true")
    assert "nothing was left to do" not in retried.stdout
    assert len(manifest_rows(tmp_path / "outputs" / "default")) == 2


def test_a_wav_that_was_removed_or_cut_is_made_again_the_same(tmp_path):
    fake_run(tmp_path)
    folder = tmp_path / "outputs" / "r"
    before = wav_hashes(folder)
    (folder / "audio" / "000005.wav").unlink()
    os.truncate(folder / "audio" / "000007.wav", 100)
    again = fake_run(tmp_path)
    assert "audio files of 2 finished rows are gone or cut short" in again.stderr
    assert wav_hashes(folder) == before


def test_ready_answers_are_spoken_without_a_chat_model(tmp_path):
    (tmp_path / "qa.csv").write_text("question,reply\nWho?,Nobody at all.\nWhere?,Over there.\n")
    done = run(tmp_path, "tts=tone", "quality=off", "questions.path=qa.csv", "questions.answer_column=reply")
    assert done.returncode == 0, done.stderr
    rows = manifest_rows(tmp_path / "outputs" / "default")
    assert [row["answer"] for row in rows] == ["Nobody at all.", "Over there."]


def test_ids_that_look_like_paths_never_become_one(tmp_path):
    (tmp_path / "q.csv").write_text("id,question\n../../evil,What?\n/etc/passwd,Why?\n=1+1,How?\n")
    assert run(tmp_path, *FAKE, "questions.path=q.csv").returncode == 0
    folder = tmp_path / "outputs" / "default"
    assert sorted(wav_hashes(folder)) == [f"audio/{number:06d}.wav" for number in range(3)]
    assert [row["id"] for row in manifest_rows(folder)] == ["../../evil", "/etc/passwd", "=1+1"]


def test_turns_of_a_conversation_are_answered_in_order(tmp_path):
    (tmp_path / "c.csv").write_text("talk,question\nA,First?\nA,Second?\nB,Other?\nA-late,Alone?\n")
    done = run(tmp_path, *FAKE, "questions.path=c.csv", "questions.conversation_column=talk")
    assert done.returncode == 0, done.stderr
    rows = manifest_rows(tmp_path / "outputs" / "default")
    assert [(row["conversation_id"], row["turn"]) for row in rows] == [("A", 1), ("A", 2), ("B", 1), ("A-late", 1)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["questions.path=nowhere.csv"], "nowhere.csv"),
        (["questions.path=q.csv", "questions.text_column=quesion"], "quesion"),
        (["questions.path=q.csv", "chat.max_token=3"], "chat.max_token"),
        (["questions.path=q.csv", "output_dir=/proc/voicegen"], "/proc/voicegen"),
        (["questions.path=q.csv", "tts=piper", "tts.model=nowhere/voice.onnx"], "nowhere"),
    ],
)
def test_bad_input_is_one_line_with_exit_code_2(tmp_path, words, message):
    (tmp_path / "q.csv").write_text("question\nWhat?\n")
    refused = run(tmp_path, *FAKE[:1], *words)
    assert refused.returncode == 2, refused.stderr
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("voicegen: ")
    assert message in last
    assert "Traceback" not in refused.stderr


def test_two_commands_never_work_in_the_same_folder(tmp_path):
    file = questions_csv(tmp_path / "q.csv", 1_500)
    first = start("run", *FAKE, f"questions.path={file}", cwd=tmp_path)
    try:
        _wait_for_rows(tmp_path / "outputs" / "default", first, 1)
        seen = len(manifest_rows(tmp_path / "outputs" / "default"))  # readable at any moment
        assert 0 <= seen <= _rows(tmp_path / "outputs" / "default")
        second = run(tmp_path, *FAKE, f"questions.path={file}")
        assert second.returncode == 2
        assert "in use by another voicegen process" in second.stderr
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_everything_whole_and_says_how_to_go_on(tmp_path, how):
    file = questions_csv(tmp_path / "q.csv", 1_500)
    process = start("run", *FAKE, f"questions.path={file}", cwd=tmp_path)
    folder = tmp_path / "outputs" / "default"
    _wait_for_rows(folder, process, 50)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "The same command goes on" in err
    assert "Traceback" not in err
    rows = manifest_rows(folder)
    assert 50 <= len(rows) < 1_500
    hashes = wav_hashes(folder)
    assert {row["audio_path"]: row["audio_sha256"] for row in rows}.items() <= hashes.items()
    assert f"{len(rows)} ok" in out


class Terminal:
    """A run in the foreground of a terminal of its own, which `close` takes away as a closed window does."""

    def __init__(self, *words, cwd, ignoring=()):
        self._ours, theirs = os.openpty()
        words = ("run", *FAKE, *words)
        self.process = start_in_terminal(
            os.ttyname(theirs), *words, cwd=cwd, environment=environment(), ignoring=ignoring
        )
        os.close(theirs)

    def close(self):
        os.close(self._ours)


def test_a_terminal_that_goes_away_interrupts_the_run(tmp_path):
    terminal = Terminal(f"questions.path={questions_csv(tmp_path / 'q.csv', 1_500)}", cwd=tmp_path)
    folder = tmp_path / "outputs" / "default"
    _wait_for_rows(folder, terminal.process, 50)
    terminal.close()
    terminal.process.send_signal(signal.SIGHUP)  # the shell tells it, too
    assert terminal.process.wait(60) == 130
    assert 50 <= len(manifest_rows(folder)) == _rows(folder) < 1_500


def test_a_run_that_finishes_after_its_terminal_went_away_has_succeeded(tmp_path):
    file = questions_csv(tmp_path / "q.csv", 120)
    terminal = Terminal(f"questions.path={file}", cwd=tmp_path, ignoring=[signal.SIGHUP])  # as nohup does
    folder = tmp_path / "outputs" / "default"
    _wait_for_rows(folder, terminal.process, 50)
    terminal.close()
    assert terminal.process.wait(60) == 0
    assert len(manifest_rows(folder)) == 120


def test_a_run_killed_again_and_again_ends_as_an_unbroken_one(tmp_path):
    count, moments = 300, random.Random(7)  # far more than are waited for: none may end first
    file = questions_csv(tmp_path / "q.csv", count)
    pace = "+quality.checks.pace={rules: {pace: {max: 1.1}}}"  # of the tones here, half are longer
    words = ("run", FAKE[0], "tts.duration=null", pace, "quality.max_attempts=2", f"questions.path={file}")
    assert voicegen(*words, "name=unbroken", cwd=tmp_path).returncode == 3
    kills = 0
    while kills < 4:
        process = start(*words, "name=broken", cwd=tmp_path)
        have = _rows(tmp_path / "outputs" / "broken")
        if kills == 0:
            _wait_for_rows(tmp_path / "outputs" / "broken", process, 1)
        else:
            _wait_for_rows(tmp_path / "outputs" / "broken", process, have + moments.randrange(1, 40))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
        _tear(tmp_path / "outputs" / "broken")
    assert voicegen(*words, "name=broken", cwd=tmp_path).returncode == 3
    broken, unbroken = (tmp_path / "outputs" / name for name in ("broken", "unbroken"))
    assert wav_hashes(broken) == wav_hashes(unbroken)
    assert manifest_rows(broken) == manifest_rows(unbroken)
    assert {row["status"] for row in manifest_rows(broken)} == {"ok", "rejected"}


def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_tears_nothing(tmp_path):
    count, folder = 150, tmp_path / "outputs" / "default"
    file = questions_csv(tmp_path / "q.csv", count)

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # more than a group of rows takes, less than all

    process = cold_start("run", *FAKE, f"questions.path={file}", cwd=tmp_path, preexec_fn=small_files_only)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "cannot write" in err.strip().splitlines()[-1]
    assert "Traceback" not in err
    assert 0 < _rows(folder) < count
    assert voicegen("run", *FAKE, f"questions.path={file}", cwd=tmp_path).returncode == 0
    assert len(manifest_rows(folder)) == count


def test_help_loads_nothing_heavy_and_importing_voicegen_neither(tmp_path):
    heavy = {"torch", "mlx", "transformers", "numpy", "pandas", "pyarrow", "hydra", "omegaconf", "pydantic"}
    for code in ("import voicegen", "from voicegen.cli import main; main(['--help'])"):
        script = f"import sys; {code}; print(sorted({heavy!r} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_run_whose_models_need_no_torch_loads_none(tmp_path):
    words = ["run", *FAKE, "quality=basic", "questions.limit=2", f"output_dir={tmp_path / 'r'}"]
    code = "import sys; from voicegen.cli import main; main(sys.argv[1:]); print({'torch', 'mlx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "set()"


def _rows(folder):
    return sum(path.read_bytes().count(b"\n") for path in (folder / "ledger").glob("*.jsonl"))


def _wait_for_rows(folder, process, count):
    """Returns when the ledger holds `count` rows, or the process has ended."""
    while process.poll() is None and _rows(folder) < count:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)


def _tear(folder):
    """Leaves the last ledger file as a loss of power could: its last line cut short."""
    files = sorted((folder / "ledger").glob("*.jsonl"))
    if files and files[-1].stat().st_size > 10:
        with files[-1].open("r+b") as file:
            file.truncate(files[-1].stat().st_size - 7)
