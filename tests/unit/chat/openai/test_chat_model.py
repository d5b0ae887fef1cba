import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, to
from tests.openai_server import Exchange, completion, echoes, fails, hangs_up, piece, serving, streams, writes
from voicegen.chat import ChatSession
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.chat.openai.server import Server
from voicegen.errors import ModelError
from voicegen.records import ChatUsage, Delta, Message, Role, ToolCall


def stream(model: OpenAIChatModel, text: str = "Hi") -> list[Delta | ChatUsage]:
    return list(model.stream([Message(Role.USER, text)], OPTIONS))


def spoken(events: list[Delta | ChatUsage]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta) and event.channel == "answer")


def thought(events: list[Delta | ChatUsage]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta) and event.channel == "reasoning")


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 2}}


def test_a_stream_gives_its_pieces_as_they_come_and_the_usage_last() -> None:
    with serving(streams(": keep-alive", piece(role="assistant"), piece(content="Hel"), piece(content="lo ü."),
                         piece(finish="stop"), USAGE)) as script:  # fmt: skip
        events = stream(OpenAIChatModel(to(script)))
    assert events == [Delta("Hel"), Delta("lo ü."), ChatUsage("stop", 11, 2)]
    assert script.requests[0].body["stream"] is True


def test_a_piece_is_given_before_the_next_one_is_there() -> None:
    first_is_out = threading.Event()

    def slow(exchange: Exchange) -> None:
        exchange.send_events(piece(content="One"), done=False)
        if first_is_out.wait(10):
            for line in (
                'data: {"choices": [{"delta": {"content": " two"}, "finish_reason": "stop"}]}',
                "data: [DONE]",
            ):
                exchange.handler.wfile.write((line + "\n\n").encode())

    with serving(slow) as script:
        events = OpenAIChatModel(to(script)).stream([Message(Role.USER, "Hi")], OPTIONS)
        assert next(events) == Delta("One")
        first_is_out.set()
        assert next(events) == Delta(" two")


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(reasoning_content="Hm"), piece(reasoning_content="."), piece(content="Four.")],
        [piece(reasoning="Hm."), piece(content="Four.")],
        [piece(content="<thi"), piece(content="nk>Hm.</th"), piece(content="ink>\n\nFour.")],
        [piece(content="<|chan"), piece(content="nel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>fin"),
         piece(content="al<|message|>Four.<|ret"), piece(content="urn|>")],
    ],
)  # fmt: skip
def test_streamed_reasoning_is_kept_apart(pieces: list[dict[str, Any]]) -> None:
    with serving(streams(*pieces, piece(finish="stop"))) as script:
        events = stream(OpenAIChatModel(to(script)))
    assert (spoken(events), thought(events)) == ("Four.", "Hm.")


def test_separators_of_lines_inside_a_text_do_not_split_a_streamed_event() -> None:
    text = "a\u2028b\u2029c\u0085d"
    with serving(streams(piece(content=text), piece(finish="stop"))) as script:
        assert spoken(stream(OpenAIChatModel(to(script)))) == text


def test_streamed_tool_calls_are_put_together() -> None:
    def part(index: int, id: str | None = None, **function: str) -> dict[str, Any]:
        return piece(tool_calls=[{"index": index, **({"id": id} if id else {}), "function": function}])

    pieces = [part(0, "a", name="f", arguments=""), part(0, arguments='{"x"'), part(1, "b", name="g", arguments="{}"),
              part(0, arguments=": 1}")]  # fmt: skip
    with serving(streams(*pieces, piece(finish="tool_calls"))) as script:
        events = stream(OpenAIChatModel(to(script)))
    assert [event.tool_call for event in events if isinstance(event, Delta)] == [
        ToolCall("f", {"x": 1}, "a"),
        ToolCall("g", {}, "b"),
    ]


def test_a_stream_that_breaks_off_is_an_error_and_not_an_answer() -> None:
    with serving(streams(piece(content="Half an ans"), done=False)) as script, pytest.raises(
        ModelError, match="broke off in the middle"
    ):  # fmt: skip
        stream(OpenAIChatModel(to(script)))
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "misbehaves",
    [
        fails(500),
        fails(429),
        hangs_up,
        streams(done=False),
        streams("data: {oops"),
        streams("data: " + "[" * 5000),
        streams({"usage": {"prompt_tokens": 1e999}}),
    ],
)
def test_a_stream_that_has_not_begun_is_tried_again(misbehaves: Any) -> None:
    with serving(misbehaves, streams(piece(content="Hi."), piece(finish="stop"))) as script:
        assert spoken(stream(OpenAIChatModel(to(script)))) == "Hi."


@pytest.mark.parametrize(
    ("misbehaves", "message"),
    [
        (fails(400, "bad"), "answered 400: bad"),
        (fails(401), "wants another key"),
        (streams({"error": {"message": "boom"}}), "stopped with an error: boom"),
    ],
)
def test_a_stream_that_the_server_refuses_says_why(misbehaves: Any, message: str) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError, match=message):
        stream(OpenAIChatModel(to(script, retries=1)))


@pytest.mark.parametrize(
    ("misbehaves", "message"),
    [
        (writes("<!doctype html>\n<title>Shop</title>"), "sent no stream of answers. Check chat.base_url: '<!doctype"),
        (writes(json.dumps(completion("Hi."))), "sent no stream of answers"),
        (writes('{"error": {"message": "streams are off"}}'), "sent no stream of answers.*'streams are off'"),
        (lambda exchange: exchange.send(302, "", Location="/login"), "answered 302, a redirect to /login. Check chat"),
        (streams(piece(content="Well"), piece(finish="content_filter")), "content filter stopped the answer"),
    ],
)
def test_what_is_no_stream_of_answers_is_said_at_once(misbehaves: Any, message: str) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError, match=message):
        stream(OpenAIChatModel(to(script)))
    assert len(script.requests) == 1


def test_a_session_works_on_a_server_and_its_tools_too() -> None:
    call = piece(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"q": "x"}'}}])
    with serving(
        streams(call, piece(finish="tool_calls")), streams(piece(content="Found."), piece(finish="stop"))
    ) as script:
        session = ChatSession(OpenAIChatModel(to(script), context_length=4096))
        session.register_tool("f", "Finds.", lambda q: f"found {q}")
        assert session.execute_tool_loop("Find x") == "Found."
    assert script.requests[1].body["messages"][-1] == {"role": "tool", "content": "found x", "tool_call_id": "a"}


def test_a_chat_with_a_server_that_is_not_there_says_what_to_check() -> None:
    server = Server("m", base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(ModelError, match=r"can't be reached: .* Is the server running\? Check chat\.base_url"):
        stream(OpenAIChatModel(server))


def test_closing_a_stream_ends_the_request() -> None:
    gone = threading.Event()

    def endless(exchange: Exchange) -> None:
        try:
            exchange.send_events(piece(content="and "), done=False)
            while not script.stopping.is_set():
                exchange.handler.wfile.write(b"data: " + b'{"choices": [{"delta": {"content": "on "}}]}' + b"\n\n")
        except OSError:
            gone.set()

    with serving(endless) as script:
        events = OpenAIChatModel(to(script)).stream([Message(Role.USER, "Hi")], OPTIONS)
        next(events)
        events.close()  # type: ignore[attr-defined]
        assert gone.wait(10)


def test_the_context_length_is_what_the_server_tells() -> None:
    with serving(echoes) as script:
        script.models = [{"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 4321}]
        assert OpenAIChatModel(to(script)).context_length == 4321
        assert OpenAIChatModel(to(script), context_length=99).context_length == 99
        assert OpenAIChatModel(replace(to(script), model="unlisted")).context_length == 8192
        script.models = [{"id": "m", "max_model_len": float("inf")}]
        assert OpenAIChatModel(to(script)).context_length == 8192


def test_token_counts_are_estimated_from_above_for_english() -> None:
    model = OpenAIChatModel(Server("m"))
    text = "The quick brown fox jumps over the lazy dog, and it does so every single morning. " * 10
    assert 170 < model.count_tokens([Message(Role.USER, text)]) < 400
