"""`executor.workers`: a run in several processes, which die and hang by what its questions say."""

import os
import signal
import threading
import time

import psutil
import pytest

from tests.product import manifest_rows, start, warm_voicegen, wav_hashes

FAULTY = """
import os, signal, time
from pathlib import Path

from voicegen.chat.echo import EchoAnswerModel

_answer = EchoAnswerModel.answer

def answer(model, questions):
    for record in _answer(model, questions):
        text = record.question.text
        once = Path(__file__).parent / "once" / str(record.question.index)
        if "poison" in text or ("kill" in text and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in text and not once.exists():
            once.touch()
            time.sleep(600)
        yield record

EchoAnswerModel.answer = answer
"""
WORDS = ("run", "preset=fake", "tts.duration=0.05", "questions.path=q.csv")


def questions(folder, count, *special):
    special = dict(special)
    lines = ["id,question", *(f"q{index},What is {index}{special.get(index, '')}?" for index in range(count))]
    (folder / "q.csv").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process makes."""
    folder = tmp_path_factory.mktemp("whole")
    questions(folder, 30, (3, " kill"), (7, " poison"), (15, " hang"))
    assert warm_voicegen(*WORDS, "name=whole", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def faulty(whole, monkeypatch):
    """A worker imports what is named so before all else."""
    (whole / "sitecustomize.py").write_text(FAULTY, "utf-8")
    (whole / "once").mkdir()
    monkeypatch.syspath_prepend(str(whole))
    yield whole
    (whole / "sitecustomize.py").unlink()


def test_workers_that_are_killed_and_hang_cost_one_row_alone(faulty):
    words = ("executor.workers=2", "executor.row_timeout_seconds=3", "executor.queue_size=1")
    done = warm_voicegen(*WORDS, *words, "name=shared", cwd=faulty)
    shared, whole = faulty / "outputs/shared", faulty / "outputs/whole"
    assert done.returncode == 3
    assert "29 ok, 0 rejected, 1 failed, of 30" in done.stdout
    assert "was killed by signal 9" in done.stderr
    assert "s and was stopped with" in done.stderr
    assert "Traceback" not in done.stderr
    rows = dict(enumerate(manifest_rows(shared)))
    assert rows.pop(7)["error"] == "worker: whoever made it was killed by signal 9, 2 times"
    assert list(rows.values()) == [row for row in manifest_rows(whole) if row["index"] != 7]
    hashes = wav_hashes(whole)
    del hashes["audio/000007.wav"]
    assert wav_hashes(shared) == hashes


def wait_until(it_is_so):
    while not it_is_so():
        time.sleep(0.02)


def signal_when(it_is_so):
    """Has this process interrupted, as by Ctrl-C."""

    def watch():
        wait_until(it_is_so)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def test_a_driver_that_is_killed_takes_its_workers_along_and_the_next_one_goes_on(tmp_path):
    questions(tmp_path, 150)
    words = (*WORDS, "executor.workers=2", "executor.queue_size=1", "name=r")
    driver = start(*words, cwd=tmp_path)
    run = tmp_path / "outputs/r"
    wait_until(lambda: driver.poll() is not None or list(run.glob("ledger/*worker*")))
    workers = psutil.Process(driver.pid).children()
    driver.kill()
    driver.communicate()
    _, left = psutil.wait_procs(workers, timeout=60)
    assert not left
    signal_when(lambda: list(run.glob("ledger/00001-worker*")))
    assert warm_voicegen(*words, cwd=tmp_path).returncode == 130
    assert warm_voicegen(*words, cwd=tmp_path).returncode == 0
    assert warm_voicegen(*WORDS, "name=alone", cwd=tmp_path).returncode == 0
    assert manifest_rows(run) == manifest_rows(tmp_path / "outputs/alone")
    assert wav_hashes(run) == wav_hashes(tmp_path / "outputs/alone")
