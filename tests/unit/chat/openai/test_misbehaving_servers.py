from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, rows_meet, text_of, to
from tests.openai_server import Exchange, echoes, fails, hangs_up, says, serving, writes
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.server import Server
from voicegen.errors import ModelError
from voicegen.records import Failure


@pytest.mark.parametrize(
    "misbehaves",
    [
        fails(500),
        fails(503),
        fails(429),
        hangs_up,
        writes("<html>Bad gateway</html>"),
        writes("[]"),
        writes('{"choices": []}'),
        writes('{"choices": [{"message": "hi"}]}'),
        writes('{"object": "error"}'),
        writes("[" * 5000 + "]" * 5000),
        writes('{"error": ' + "[" * 500 + "]" * 500 + "}"),
    ],
)
def test_what_may_pass_is_tried_again(misbehaves: Any) -> None:
    with serving(misbehaves, misbehaves, says("At last.")) as script:
        assert text_of(only(script)) == "At last."
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (fails(500, "out of order"), "answered 500: out of order (after 3 tries)"),
        (hangs_up, "broke off"),
        (writes("<html>"), "the server's reply is no JSON: '<html>' (after 3 tries)"),
        (writes('{"choices": []}'), "has no answer in it"),
    ],
)
def test_what_does_not_pass_fails_the_row_with_its_reason(misbehaves: Any, reason: str) -> None:
    with serving(rows_meet(misbehaves)) as script:
        record = only(script, server=to(script, retries=2))
    assert reason in error_of(record)
    assert script.base_url in error_of(record)
    assert len(script.requests) == 3 + 1


def test_one_bad_row_does_not_touch_the_others() -> None:
    def picky(exchange: Exchange) -> None:
        (fails(400, "too long") if exchange.question == "question 3" else echoes)(exchange)

    with serving(picky) as script:
        records = answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=2), 8)
    failures = [record for record in records if isinstance(record, Failure)]
    assert [(failure.index, failure.stage) for failure in failures] == [(3, "chat")]
    assert "answered 400: too long" in failures[0].error
    assert len(script.requests) == 8


def test_a_slow_server_is_given_up_after_the_timeout() -> None:
    with serving(lambda exchange: script.stopping.wait(10) and None, says("x")) as script:
        assert text_of(only(script, server=to(script, timeout=0.5))) == "x"


@pytest.mark.parametrize(
    ("misbehaves", "message"),
    [
        (fails(401, "bad key"), "answered 401: bad key. The server wants another key: set OPENAI_API_KEY"),
        (fails(403), "wants another key"),
        (fails(404, "There is no m."), r"There is no m\. Check chat\.base_url"),
        (fails(404, "no model m"), r"no model m. Check chat.base_url and chat.model \('m'\)"),
        (fails(429, "pay", code="insufficient_quota"), "no quota left"),
    ],
)
def test_what_every_row_would_meet_stops_the_run_at_once(misbehaves: Any, message: str) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError, match=message):
        answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=1), 5)
    assert len(script.requests) == 1


def test_a_server_that_is_not_there_stops_the_run() -> None:
    server = Server("m", base_url="http://127.0.0.1:9/v1", retries=1, backoff=0.001)
    with pytest.raises(ModelError, match=r"127.0.0.1:9/v1 can't be reached: .*Is the server running"):
        answers(OpenAIAnswerModel(server, OPTIONS), 3)


def test_a_server_that_fails_row_after_row_stops_the_run() -> None:
    with serving(fails(400, "unknown parameter")) as script, pytest.raises(ModelError, match="20 rows in a row failed"):
        answers(OpenAIAnswerModel(to(script), OPTIONS), 200)


def test_a_redirect_stops_the_run_and_a_filtered_answer_fails_its_row() -> None:
    elsewhere = serving(lambda exchange: exchange.send(302, "", Location="/login"))
    with elsewhere as script, pytest.raises(ModelError, match="a redirect to /login"):
        only(script)
    with serving(says("Well", finish="content_filter")) as script:
        assert error_of(only(script)) == "the server's content filter stopped the answer"
    assert len(script.requests) == 1
