import json

import httpx
import pytest


def test_a_run_is_made_whole_and_read_row_by_row(client):
    questions = [{"text": f"Question {number}?", "id": f"q{number}"} for number in range(5)]
    begun = client.told("start_run", questions=questions, config="fake", seed=7)
    assert begun["rows"] == 5
    done = client.told("run_status", job=begun["job"], wait=30)
    assert (done["state"], done["done"], done["ok"], done["rejected"], done["failed"]) == ("done", 5, 5, 0, 0)
    rows = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert [row["id"] for row in rows] == ["q0", "q1", "q2", "q3", "q4"]
    page = client.read(f"{done['manifest']}?offset=3&limit=1").text.splitlines()
    assert [json.loads(line)["id"] for line in page] == ["q3"]
    assert client.read(f"voicegen://runs/{begun['job']}/{rows[0]['audio_path']}").blob
    if done["files"].startswith("http"):
        assert httpx.get(done["files"] + rows[1]["audio_path"]).content.startswith(b"RIFF")
        assert httpx.get(done["files"] + "audio/000009.wav").status_code == 404
    for secret in ("run.json", "voicegen.wav", "audio/999999.wav"):
        with pytest.raises(Exception, match=r"Unknown resource|no audio file"):
            client.read(f"voicegen://runs/{begun['job']}/{secret}")


@pytest.mark.parametrize("rows", ["offset=-1", "limit=many", f"offset={10**30}"])
def test_rows_that_no_manifest_has_are_told_in_one_line(client, rows):
    with pytest.raises(Exception, match=f"{rows}: give a number of rows"):
        client.read(f"voicegen://runs/nothing/manifest?{rows}")


def test_ready_answers_are_spoken_without_the_model(client):
    begun = client.told("start_run", questions=[{"text": "What?", "answer": "That is ready."}])
    done = client.told("run_status", job=begun["job"], wait=30)
    (row,) = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert row["answer"] == "That is ready."


def test_a_run_whose_models_are_not_here_is_begun_at_once_and_says_what_is_missing(client):
    begun = client.told("start_run", questions=[{"text": "Who?"}], config="marvis")
    failed = client.told("run_status", job=begun["job"], wait=30)
    assert (failed["state"], failed["error"]["kind"]) == ("failed", "model")
    assert "marvis" in failed["error"]["message"].lower()


def test_no_text_of_a_client_is_taken_for_a_setting(client):
    asked = "${oc.env:SECRET} ${oc.env:HOME}"
    begun = client.told("start_run", questions=[{"text": asked}], voice="${oc.env:SECRET}", config="fake")
    done = client.told("run_status", job=begun["job"], wait=30)
    (row,) = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert row["question"] == asked
    assert row["voice"] == "${oc.env:SECRET}"


def test_a_cancelled_run_keeps_what_is_finished_and_is_gone_on_with(other, held):
    questions = [{"text": text} for text in ("First?", "Second?", "hold this?")]
    job = other.told("start_run", questions=questions)["job"]
    assert held.asked.acquire(timeout=20)
    while other.told("run_status", job=job, wait=0.1)["done"] < 2:
        pass
    assert other.refused("start_run", run=job)["kind"] == "busy"
    cancelled = other.told("cancel_run", job=job)
    assert (cancelled["state"], cancelled["ok"]) == ("cancelled", 2)
    held.release.set()
    assert other.told("start_run", run=job)["job"] == job
    done = other.told("run_status", job=job, wait=30)
    assert (done["state"], done["ok"], done["done"]) == ("done", 3, 1)


def test_a_job_that_waits_is_cancelled_before_it_begins(other, held):
    first = other.told("start_run", questions=[{"text": "hold the line?"}])["job"]
    waiting = other.told("start_run", questions=[{"text": "Me too?"}])["job"]
    assert other.told("run_status", job=waiting)["state"] == "queued"
    assert other.told("cancel_run", job=waiting)["state"] == "cancelled"
    held.release.set()
    assert other.told("run_status", job=first, wait=30)["state"] == "done"
