"""`executor.workers`: a run in several processes, which die and hang by what its questions say."""

import os
import signal
import threading

import psutil
import pytest

from tests.product import cold_start, manifest_rows, warm_voicegen, wav_hashes
from tests.worker_faults import WORDS, assert_only_the_poison_is_missing, plant_faults, questions, wait_until


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one process makes."""
    folder = tmp_path_factory.mktemp("whole")
    questions(folder, 20, {3: " kill", 7: " poison", 15: " hang"})
    assert warm_voicegen(*WORDS, "name=whole", cwd=folder).returncode == 0
    return folder


@pytest.fixture
def faulty(whole, monkeypatch):
    """A worker imports what is named so before all else."""
    plant_faults(whole)
    monkeypatch.syspath_prepend(str(whole))
    yield whole
    (whole / "sitecustomize.py").unlink()


def test_workers_that_are_killed_and_hang_cost_one_row_alone(faulty):
    words = ("executor.workers=2", "executor.row_timeout_seconds=3", "executor.queue_size=1")
    done = warm_voicegen(*WORDS, *words, "name=shared", cwd=faulty)
    shared, whole = faulty / "outputs/shared", faulty / "outputs/whole"
    assert done.returncode == 3
    assert "19 ok, 0 rejected, 1 failed, of 20" in done.stdout
    assert "was killed by signal 9" in done.stderr
    assert "s and was stopped with" in done.stderr
    assert "Traceback" not in done.stderr
    assert_only_the_poison_is_missing(shared, whole, 7, "was killed by signal 9")


def signal_when(it_is_so):
    """Has this process interrupted, as by Ctrl-C."""

    def watch():
        wait_until(it_is_so)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def test_a_driver_that_is_killed_takes_its_workers_along_and_the_next_one_goes_on(tmp_path):
    questions(tmp_path, 100)
    words = (*WORDS, "executor.workers=2", "executor.queue_size=1", "name=r")
    driver = cold_start(*words, cwd=tmp_path)
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


def test_a_worker_that_is_terminated_as_it_ends_says_nothing(tmp_path, monkeypatch, capfd):
    late = "from voicegen.signals import _Waker\n\ndef close(_):\n    raise KeyboardInterrupt\n\n_Waker.close = close\n"
    (tmp_path / "sitecustomize.py").write_text(late, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    questions(tmp_path, 2)
    assert warm_voicegen(*WORDS, "executor.workers=1", "name=r", cwd=tmp_path).returncode == 0
    assert capfd.readouterr().err == ""
