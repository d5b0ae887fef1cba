import json
import socket
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import httpx
import pytest

from tests.mcp_clients import HELLO, assistant, over_http, request_of


def test_four_clients_at_once_have_sessions_of_their_own(server):
    def talk(name):
        with assistant(over_http(server[0]), mode="legacy" if name in "ab" else "auto") as one:
            session, answers = None, []
            for turn in range(4):
                given = {"session": session} if session else {}
                told = one.told("ask", text=f"{name}{turn}", speak=turn == 3, **given)
                session = told["session"]
                answers.append(told["answer"])
            return session, answers

    with ThreadPoolExecutor(4) as pool:
        talks = list(pool.map(talk, "abcd"))
    assert len({session for session, _ in talks}) == 4
    assert [answers for _, answers in talks] == [[f"{turn + 1}: {name}{turn}" for turn in range(4)] for name in "abcd"]


def test_what_clients_ask_at_once_reaches_the_model_at_once(server, held):
    with assistant(over_http(server[0])) as one:
        calls = [one.begin("ask", {"text": f"hold {number}"}) for number in range(6)]
        for _ in calls:
            assert held.asked.acquire(timeout=20)
        held.release.set()
        assert [call.result(20).structured_content["answer"] for call in calls] == [f"1: hold {n}" for n in range(6)]


def test_who_waits_is_told_that_there_is_work_going_on(other, held):
    seen, answering = [], threading.Event()

    async def progress(_step, _total, message):
        seen.append(message)
        if message == "answering":
            answering.set()

    call = other.begin("ask", {"text": "hold on"}, progress)
    assert answering.wait(20)
    held.release.set()
    assert call.result(20).structured_content["answer"] == "1: hold on"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_cancelled_question_leaves_its_session_as_it_was(server, held, mode):
    with assistant(over_http(server[0]), mode=mode) as one:
        first = one.told("ask", text="Begin.")
        call = one.begin("ask", {"text": "hold this", "session": first["session"]})
        assert held.asked.acquire(timeout=20)
        assert one.refused("ask", text="Too early.", session=first["session"])["kind"] == "busy"
        call.cancel()
        with pytest.raises(CancelledError):
            call.result(20)
        while (asked := one.call("ask", text="Next.", session=first["session"])).is_error:
            pass  # until the server has read that the call is cancelled
        assert asked.structured_content["answer"] == "2: Next."
        assert "hold this" not in one.read(first["conversation"]).text


def test_a_client_that_vanishes_in_mid_answer_costs_the_others_nothing(server, held, other):
    url = server[0]
    arguments = {"name": "ask", "arguments": {"text": "hold, I am going"}}
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as connection:
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        begun = httpx.post(url, json=request_of("initialize", HELLO), headers=headers)
        body = json.dumps(request_of("tools/call", arguments)).encode()
        headers |= {"Host": f"127.0.0.1:{httpx.URL(url).port}", "Content-Length": str(len(body))}
        headers["Mcp-Session-Id"] = begun.headers["mcp-session-id"]
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        assert held.asked.acquire(timeout=20)
    assert other.told("ask", text="I stay.")["answer"] == "1: I stay."
    held.release.set()
    assert other.told("ask", text="hold no more.")["answer"] == "1: hold no more."
