import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from voicegen.errors import ModelError
from voicegen.mcp_server.jobs import Jobs
from voicegen.mcp_server.refusals import Refusal


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as made:
        yield made


def test_a_job_is_done_fails_or_crashes_and_says_so(pool):
    def fails(_job):
        raise ModelError("no voice: give another")

    def crashes(_job):
        raise ZeroDivisionError("secret of the machine")

    jobs = Jobs(5)
    begun = [jobs.begin("speech", 1, work, pool) for work in (lambda job: job.id, fails, crashes)]
    for job in begun:
        job.wait(10)
    assert [job.state for job in begun] == ["done", "failed", "failed"]
    assert begun[0].result == begun[0].id
    assert str(begun[1].error) == "no voice: give another"
    assert "secret" not in str(begun[2].error)


def test_jobs_are_bounded_and_the_oldest_that_is_over_makes_room(pool):
    go_on = threading.Event()
    jobs = Jobs(2)
    first = jobs.begin("run", 1, lambda _job: None, pool)
    first.wait(10)
    held = [jobs.begin("run", 1, lambda _job: go_on.wait(10), pool) for _ in range(2)]
    with pytest.raises(Refusal, match="there is no job"):
        jobs.find(first.id)
    with pytest.raises(Refusal, match="2 jobs wait"):
        jobs.begin("run", 1, lambda _job: None, pool)
    go_on.set()
    held[1].wait(10)
    jobs.begin("run", 1, lambda _job: None, pool).wait(10)


def test_cancelling_withdraws_a_job_that_runs_and_drops_one_that_waits(pool):
    def until_withdrawn(job):
        job.caller.wait(Future())

    jobs = Jobs(5)
    runs = jobs.begin("run", 1, until_withdrawn, pool)
    waits = jobs.begin("run", 1, lambda _job: pytest.fail("it was begun"), pool)
    while runs.state == "queued":
        pass
    waits.cancel()
    assert waits.state == "cancelled"
    jobs.cancel_all()
    runs.wait(10)
    assert runs.state == "cancelled"
