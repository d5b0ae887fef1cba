"""How long a server is waited for: a deadline for each request, and an end to a run that gets nothing but errors."""

import threading
import time
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, rows_meet, to
from tests.openai_server import Exchange, echoes, fails, says, serving, writes
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.errors import ModelError
from voicegen.records import Answer, Failure, Message, Role


def drips(*opening: str, drop: bytes) -> Any:
    """A server whose reply never ends: a drop every hundredth of a second."""

    def behave(exchange: Exchange) -> None:
        exchange.handler.send_response(200)
        exchange.handler.send_header("Content-Type", "text/event-stream" if opening else "application/json")
        exchange.handler.end_headers()
        for line in opening:
            exchange.handler.wfile.write(line.encode())
        never = threading.Event()
        while not never.wait(0.01):
            exchange.handler.wfile.write(drop)
            exchange.handler.wfile.flush()

    return behave


def test_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    with serving(rows_meet(drips(drop=b" "))) as script:
        started = time.monotonic()
        error = error_of(only(script, server=to(script, timeout=0.2, retries=0)))
    assert "gave no whole answer within 0.2 s (chat.timeout)" in error
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("drop", [b": still here\n\n", b'data: {"choices": [{"delta": {"content": "on "}}]}\n\n', b"d"])
def test_a_stream_that_never_ends_is_given_up_at_the_deadline(drop: bytes) -> None:
    with serving(drips(": hello\n\n", drop=drop)) as script, pytest.raises(ModelError, match=r"within 0\.2 s"):
        list(OpenAIChatModel(to(script, timeout=0.2, retries=0)).stream([Message(Role.USER, "Hi")], OPTIONS))


def test_a_list_of_models_that_drips_is_given_up_at_the_deadline() -> None:
    with serving(echoes) as script:
        script.shows = drips(drop=b" ")
        assert OpenAIChatModel(to(script, timeout=0.2)).context_length == 8192


@pytest.mark.parametrize("concurrency", [1, 4, 32])
@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (writes("<html>Log in</html>"), "/v1: the server's reply is no JSON: '<html>Log in"),
        (fails(500, "oh"), "500: oh"),
    ],
)
def test_a_server_that_answers_only_errors_ends_the_run_with_one_line(
    misbehaves: Any, reason: str, concurrency: int
) -> None:
    with (
        serving(misbehaves) as script,
        pytest.raises(ModelError, match=r"in a row failed|nothing else had a reply") as raised,
    ):
        answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=concurrency), 100)
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(script.requests) <= 20 + 3 * concurrency


@pytest.mark.parametrize(
    ("misbehaves", "timeout", "reason"),
    [
        (
            writes("<html>Log in</html>"),
            10,
            r"'<html>Log in</html>' \(after 3 tries\), .*Check the server and chat\.base_url",
        ),
        (fails(500, "oh"), 10, r"answered 500: oh \(after 3 tries\), and nothing else had a reply\. Check the server"),
        (fails(429, "no"), 10, r"answered 429: no \(after 3 tries\), .* Lower chat\.concurrency, or come back later"),
        (drips(drop=b" "), 0.2, r"gave no whole answer within 0\.2 s"),
    ],
)
def test_no_row_is_lost_to_a_server_that_replies_to_nothing(misbehaves: Any, timeout: float, reason: str) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError, match=reason) as raised:
        only(script, server=to(script, retries=2, timeout=timeout))
    assert str(raised.value).startswith(script.base_url)
    assert len(script.requests) == 4


def test_a_row_on_which_a_working_server_fails_is_lost_alone_though_it_is_the_first() -> None:
    for shows in (says("Yes."), fails(400, "no such parameter")):
        with serving(*[fails(500, "oh")] * 3, shows) as script:
            assert "answered 500: oh (after 3 tries)" in error_of(only(script, server=to(script, retries=2)))
        assert len(script.requests) == 4


def test_a_server_that_stops_working_ends_the_run_after_one_request_has_used_all_its_tries() -> None:
    with serving(echoes, fails(500)) as script, pytest.raises(ModelError, match="requests in a row failed"):
        answers(OpenAIAnswerModel(to(script, retries=4), OPTIONS, concurrency=8), 100)
    assert len(script.requests) <= 1 + 5 * 8 + 8


def test_a_server_that_is_away_for_a_while_loses_no_row() -> None:
    with serving(echoes, *[fails(500)] * 40, echoes) as script:
        records = answers(OpenAIAnswerModel(to(script, retries=20), OPTIONS, concurrency=8), 20)
    assert all(isinstance(record, Answer) for record in records)


def test_a_server_that_has_too_much_to_do_is_waited_for() -> None:
    with serving(*[fails(429)] * 60, echoes) as script:
        records = answers(OpenAIAnswerModel(to(script, retries=40), OPTIONS, concurrency=8), 8)
    assert all(isinstance(record, Answer) for record in records)


def test_rows_that_the_server_chokes_on_do_not_end_a_run_in_which_others_are_answered() -> None:
    def chokes(exchange: Exchange) -> None:
        number = int(exchange.question.split()[-1])
        (fails(500, "oh") if number % 3 else echoes)(exchange)

    with serving(chokes) as script:
        records = answers(OpenAIAnswerModel(to(script, retries=2), OPTIONS, concurrency=1), 12)
    assert [type(record) for record in records] == [Answer, Failure, Failure] * 4
