import multiprocessing

import pytest

from tests.product import questions_csv, wav_hashes
from voicegen.dataset.questions import QuestionFile
from voicegen.executors import make_executor
from voicegen.executors.job import Job
from voicegen.executors.local import LocalExecutor
from voicegen.job.composing import compose
from voicegen.job.planning import asked_of
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import Plan
from voicegen.store import Store

ROWS = 30
ELSEWHERE = multiprocessing.get_context("forkserver")  # handed all by pickle, as any other process
ELSEWHERE.set_forkserver_preload([__name__])


class Unwatched:
    """Is told, and does nothing."""

    def loaded(self, stage, model): ...
    def started(self): ...
    def worked(self, work): ...
    def told(self, text): ...
    def made(self, outcomes): ...

    def written(self, entries): ...


def run_here(job):
    make_executor(job.config.executor).run(job, Unwatched())


def run_as(name, job):
    LocalExecutor(4, name).run(job, Unwatched())


def in_other_processes(*calls):
    """Runs functions with their arguments, each in a process of its own, side by side."""
    processes = [ELSEWHERE.Process(target=function, args=args) for function, *args in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0


@pytest.fixture
def job(tmp_path):
    """Makes the job of what a folder has left, as a run's process does."""
    questions = QuestionFile(questions_csv(tmp_path / "q.csv", ROWS))
    questions.inspect()

    def job(folder, *words):
        config = compose(["preset=fake", "tts.duration=0.05", *words])
        plan = Plan(config.seed, ROWS)
        asked = asked_of(config, questions, plan)
        return Job(config, questions, plan, Store(folder), Ledger(Store(folder)), "run", asked)

    return job


def rows_of(folder):
    return {index: row.answer for index, row in Ledger(Store(folder)).get(range(ROWS)).items()}


def test_a_job_that_another_process_is_handed_gives_the_same_files(job, tmp_path):
    run_here(job(tmp_path / "here"))
    in_other_processes((run_here, job(tmp_path / "there")))
    assert wav_hashes(tmp_path / "there") == wav_hashes(tmp_path / "here")
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")
    assert len(rows_of(tmp_path / "here")) == ROWS


def test_the_rest_of_a_run_is_done_elsewhere_and_nothing_twice(job, tmp_path):
    run_here(job(tmp_path, "questions.limit=20"))
    rest = job(tmp_path)
    rest.ledger.forget(3)
    in_other_processes((run_here, rest))
    assert len(Ledger(Store(tmp_path))) == ROWS
    lines = {path.name: path.read_text().count("\n") for path in (tmp_path / "ledger").iterdir()}
    assert lines == {"00000-local.jsonl": 20, "00001-local.jsonl": 11}


def test_several_processes_write_to_one_run_each_under_its_name(job, tmp_path):
    """They do the same rows here, as nobody deals rows out yet: the files say that nothing is torn or lost."""
    run_here(job(tmp_path / "alone"))
    handed = job(tmp_path / "run")
    in_other_processes((run_as, "a", handed), (run_as, "b", handed))
    assert sorted(path.name for path in (tmp_path / "run" / "ledger").iterdir()) == ["00000-a.jsonl", "00000-b.jsonl"]
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "alone")
    assert wav_hashes(tmp_path / "run") == wav_hashes(tmp_path / "alone")


def test_models_are_made_by_the_executor_and_not_with_the_job(job, tmp_path, monkeypatch):
    def refuse(config):
        raise AssertionError("made too early")

    for stage in ("answer_model", "speech_model"):
        monkeypatch.setattr(f"voicegen.build.{stage}", refuse)
    handed = job(tmp_path)
    with pytest.raises(AssertionError, match="made too early"):
        run_here(handed)
