import email.utils
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.openai_server import (
    Exchange,
    ScriptedServer,
    completion,
    echoes,
    fails,
    hangs_up,
    piece,
    says,
    serving,
    streams,
    writes,
)
from tests.transcripts import harmony_transcripts
from voicegen.chat import ChatSession
from voicegen.chat.completions import parse_completion
from voicegen.chat.openai import OpenAIAnswerModel, OpenAIChatModel
from voicegen.chat.server import Server
from voicegen.chat.tools import ToolRegistry
from voicegen.errors import ConfigError, ModelError
from voicegen.protocols import ChatUsage, Delta, GenerationOptions
from voicegen.records import Answer, Failure, Message, Question, Role, ToolCall

OPTIONS = GenerationOptions(max_tokens=100)


def to(script: ScriptedServer, **changes: Any) -> Server:
    settings: dict[str, Any] = {"model": "m", "base_url": script.base_url, "backoff": 0.001, "timeout": 10, **changes}
    return Server(**settings)


def questions(count: int) -> list[Question]:
    return [Question(index, f"id{index}", f"question {index}", seed=index) for index in range(count)]


def answers(model: OpenAIAnswerModel, count: int = 1) -> list[Answer | Failure]:
    return list(model.answer(questions(count)))


def only(script: ScriptedServer, **settings: Any) -> Answer | Failure:
    server = settings.pop("server", None) or to(script)
    (record,) = answers(OpenAIAnswerModel(server, OPTIONS, **settings))
    return record


def text_of(record: Answer | Failure) -> str:
    assert isinstance(record, Answer), record
    return record.text


def error_of(record: Answer | Failure) -> str:
    assert isinstance(record, Failure), record
    return record.error


def test_every_question_is_answered_once_with_its_usage() -> None:
    with serving(echoes) as script:
        records = answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=4), 20)
    assert {text_of(record) for record in records} == {f"about question {index}" for index in range(20)}
    assert all(text_of(record).endswith(record.question.text) for record in records if isinstance(record, Answer))
    first = records[0]
    assert isinstance(first, Answer)
    assert (first.prompt_tokens, first.completion_tokens, first.finish_reason) == (7, 3, "stop")


def test_the_request_says_what_was_asked_for() -> None:
    history = (Message(Role.USER, "before"), Message(Role.ASSISTANT, "said"))
    options = GenerationOptions(max_tokens=9, temperature=0.5, top_p=0.9, top_k=4, reasoning_effort="low")
    with serving(echoes) as script:
        model = OpenAIAnswerModel(to(script), options, system_prompt="Be brief.")
        list(model.answer([Question(0, "a", "now", seed=5, history=history)]))
    assert script.requests[0].path == "/v1/chat/completions"
    assert script.requests[0].body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "before"},
            {"role": "assistant", "content": "said"},
            {"role": "user", "content": "now"},
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "seed": 5,
        "stream": False,
        "reasoning_effort": "low",
        "chat_template_kwargs": {"reasoning_effort": "low"},
    }


def test_the_key_comes_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    with serving(echoes) as script:
        only(script, server=to(script, api_key_env="MY_KEY"))
        only(script, server=to(script, api_key_env="NO_SUCH_KEY"))
        only(script, server=to(script, api_key_env=None))
        assert "s3cret" not in repr(to(script, api_key_env="MY_KEY"))
    sent = [request.headers.get("authorization") for request in script.requests]
    assert sent == ["Bearer s3cret", None, None]


def test_no_more_requests_are_under_way_than_allowed_and_as_many() -> None:
    together = threading.Barrier(3)

    def meets(exchange: Exchange) -> None:
        together.wait(10)  # breaks unless three are under way at once
        echoes(exchange)

    with serving(meets) as script:
        records = answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=3), 9)
    assert all(isinstance(record, Answer) for record in records)
    assert script.most_at_once == 3


def test_answers_come_in_the_order_in_which_they_are_ready() -> None:
    second_is_out = threading.Event()

    def first_waits(exchange: Exchange) -> None:
        if exchange.question == "question 0":
            second_is_out.wait(10)
        echoes(exchange)

    with serving(first_waits) as script:
        indices = []
        for record in OpenAIAnswerModel(to(script), OPTIONS).answer(questions(2)):
            assert isinstance(record, Answer)
            indices.append(record.question.index)
            second_is_out.set()
    assert indices == [1, 0]


def test_a_source_with_nothing_ready_does_not_hold_up_finished_answers() -> None:
    answered: list[int] = []

    def source() -> Iterator[Question | None]:
        yield questions(1)[0]
        while not answered:
            yield None
        yield questions(2)[1]

    with serving(echoes) as script:
        for record in OpenAIAnswerModel(to(script), OPTIONS).answer(source()):
            assert isinstance(record, Answer)
            answered.append(record.question.index)
    assert answered == [0, 1]


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
        writes(json.dumps(completion("Hi.")).replace("7", "Infinity")),
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
    with serving(misbehaves) as script:
        record = only(script, server=to(script, retries=2))
    assert reason in error_of(record)
    assert len(script.requests) == 3


def test_one_bad_row_does_not_touch_the_others() -> None:
    def picky(exchange: Exchange) -> None:
        (fails(400, "too long") if exchange.question == "question 3" else echoes)(exchange)

    with serving(picky) as script:
        records = answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=2), 8)
    failures = [record for record in records if isinstance(record, Failure)]
    assert [(failure.index, failure.stage) for failure in failures] == [(3, "chat")]
    assert "answered 400: too long" in failures[0].error
    assert len(script.requests) == 8


def test_the_wait_that_a_server_asks_for_is_honoured() -> None:
    with serving(fails(429, Retry_After="0.2"), says("x")) as script:
        started = time.perf_counter()
        only(script)
    assert time.perf_counter() - started >= 0.2


def test_a_wait_may_be_a_date_and_is_never_endless() -> None:
    server = Server("m")
    with pytest.raises(Exception, match="busy") as raised:
        server.check(429, {"retry-after": email.utils.formatdate(time.time() + 60, usegmt=True)}, "busy")
    assert 55 < server.wait_before(0, raised.value) <= 60  # type: ignore[arg-type]
    with pytest.raises(Exception, match="busy") as raised:
        server.check(503, {"retry-after": "86400"}, "busy")
    assert server.wait_before(0, raised.value) == 600  # type: ignore[arg-type]


def test_waits_grow_and_stay_bounded() -> None:
    server = Server("m", backoff=0.5)
    with pytest.raises(Exception, match="busy") as raised:
        server.check(500, {}, "busy")
    waits = [server.wait_before(attempt, raised.value) for attempt in (0, 3, 20)]  # type: ignore[arg-type]
    assert waits[0] <= 0.5 < 2 <= waits[1] <= 4 < 15 <= waits[2] <= 30


def test_a_slow_server_is_given_up_after_the_timeout() -> None:
    with serving(lambda exchange: script.stopping.wait(10) and None, says("x")) as script:
        assert text_of(only(script, server=to(script, timeout=0.1))) == "x"


@pytest.mark.parametrize(
    ("misbehaves", "message"),
    [
        (fails(401, "bad key"), "answered 401: bad key. The server wants another key: set OPENAI_API_KEY"),
        (fails(403), "wants another key"),
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


@pytest.mark.parametrize(
    "base_url", ["http://[::1/v1", "http://host:port/v1", "127.0.0.1:8000/v1", "http://", "", "a\nb"]
)
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url=.* is no address of a server: give one such as http"):
        Server("m", base_url=base_url)


def test_a_server_that_fails_row_after_row_stops_the_run() -> None:
    with serving(fails(400, "unknown parameter")) as script, pytest.raises(ModelError, match="20 rows in a row failed"):
        answers(OpenAIAnswerModel(to(script), OPTIONS), 200)


def test_closing_the_answers_ends_the_requests_under_way() -> None:
    begun = threading.Event()

    def first_answers(exchange: Exchange) -> None:
        if exchange.question == "question 0":
            begun.wait(10)
            echoes(exchange)
        else:
            begun.set()
            script.stopping.wait(30)

    with serving(first_answers) as script:
        stream = OpenAIAnswerModel(to(script, timeout=60), OPTIONS).answer(questions(2))
        next(stream)
        started = time.perf_counter()
        stream.close()  # type: ignore[attr-defined]
        assert time.perf_counter() - started < 5
    assert not [thread for thread in threading.enumerate() if thread.name == "chat requests"]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_kept_apart(key: str) -> None:
    with serving(says("Four.", **{key: "Two and two."})) as script:
        record = only(script)
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("Four.", "Two and two.")


@pytest.mark.parametrize(
    "content",
    ["<think>\nHm.\n</think>\n\nFour.", "Hm.</think>Four.",
     "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four."],
)  # fmt: skip
def test_reasoning_in_the_content_is_kept_apart(content: str) -> None:
    with serving(says(content)) as script:
        record = only(script)
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("Four.", "Hm.")


def test_raw_harmony_in_the_content_is_read_like_the_models_own_tokens() -> None:
    readable = [t for t in harmony_transcripts() if t.answer and not t.calls and "<|message|>" in t.text]
    for transcript in readable:
        assert parse_completion(json.dumps(completion(transcript.text))).text == transcript.answer.strip()


def test_a_cut_in_the_reasoning_is_asked_for_once_more_with_a_larger_budget() -> None:
    cut = says(None, finish="length", reasoning="on and on", tokens=(7, 100))
    with serving(cut, says("Four.", tokens=(7, 120))) as script:
        record = only(script, reasoning_budget=400)
    assert isinstance(record, Answer)
    assert record.completion_tokens == 220
    assert [request.body["max_tokens"] for request in script.requests] == [100, 500]


@pytest.mark.parametrize("content", ["<think>on and on", "<|channel|>analysis<|message|>on and on", "", None])
def test_a_second_cut_in_the_reasoning_fails_the_row(content: str | None) -> None:
    with serving(says(content, finish="length")) as script:
        record = only(script, reasoning_budget=400)
    assert "no answer within 500 tokens, all of them reasoning: raise chat.max_tokens" in error_of(record)
    assert len(script.requests) == 2


def test_an_answer_cut_by_its_budget_is_an_answer_that_says_so() -> None:
    with serving(says("One two", finish="length")) as script:
        record = only(script)
    assert isinstance(record, Answer)
    assert record.finish_reason == "length"


def test_an_empty_answer_fails_the_row() -> None:
    with serving(says("  ")) as script:
        assert error_of(only(script)) == "the model gave an empty answer"


def call_entry(name: str, arguments: str, id: str = "c1") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_tools_are_run_and_their_results_sent_back() -> None:
    tools = ToolRegistry()
    tools.register("add", "Adds.", lambda a, b: a + b)
    with serving(says(None, tool_calls=[call_entry("add", '{"a": 2, "b": 3}')]), says("Five.")) as script:
        record = only(script, tools=tools)
    assert isinstance(record, Answer)
    assert (record.text, record.prompt_tokens) == ("Five.", 14)
    assert script.requests[0].body["tools"] == tools.schemas
    assert script.requests[1].body["messages"][1:] == [
        {"role": "assistant", "content": None, "tool_calls": [call_entry("add", '{"a": 2, "b": 3}')]},
        {"role": "tool", "content": "5", "tool_call_id": "c1"},
    ]


def test_a_call_without_tools_and_calls_without_end_fail_the_row() -> None:
    tools = ToolRegistry()
    tools.register("f", "d", lambda: 1)
    with serving(says(None, tool_calls=[call_entry("f", "{}")])) as script:
        assert "called the tool 'f', but it has none" in error_of(only(script))
        assert "still called tools after 8 rounds" in error_of(only(script, tools=tools))


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


@pytest.mark.parametrize("pieces", [["hm</think>yes"], ["h", "m</th", "ink>", "yes"]])
def test_streamed_reasoning_whose_beginning_was_not_sent_is_no_part_of_the_answer(pieces: list[str]) -> None:
    with serving(streams(*(piece(content=text) for text in pieces), piece(finish="stop"))) as script:
        session = ChatSession(OpenAIChatModel(to(script), context_length=4096))
        assert session.chat("Well?") == "yes"
    assert session.turns[-1].messages[-1] == Message(Role.ASSISTANT, "yes", reasoning="hm")


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


def test_a_redirect_stops_the_run_and_a_filtered_answer_fails_its_row() -> None:
    elsewhere = serving(lambda exchange: exchange.send(302, "", Location="/login"))
    with elsewhere as script, pytest.raises(ModelError, match="a redirect to /login"):
        only(script)
    with serving(says("Well", finish="content_filter")) as script:
        assert error_of(only(script)) == "the server's content filter stopped the answer"
    assert len(script.requests) == 1


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_arguments_that_are_no_json_do_not_go_back_to_the_server_as_such(number: str) -> None:
    tools = ToolRegistry()
    tools.register("f", "d", lambda q: q)
    calls = says(None, tool_calls=[call_entry("f", '{"q": %s}' % number)])  # noqa: UP031
    in_text = says('<tool_call>{"name": "f", "arguments": {"q": %s}}</tool_call>' % number)  # noqa: UP031
    for call in (calls, in_text):
        with serving(call, says("Sorry.")) as script:
            assert text_of(only(script, tools=tools)) == "Sorry."
        *_, asked, told = script.requests[1].body["messages"]
        arguments = asked["tool_calls"][0]["function"]["arguments"]
        assert "q" in str(json.loads(arguments, parse_constant=pytest.fail))
        assert "must be one JSON object" in told["content"]


def test_a_session_works_on_a_server_and_its_tools_too() -> None:
    call = piece(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"q": "x"}'}}])
    with serving(
        streams(call, piece(finish="tool_calls")), streams(piece(content="Found."), piece(finish="stop"))
    ) as script:
        session = ChatSession(OpenAIChatModel(to(script), context_length=4096))
        session.register_tool("f", "Finds.", lambda q: f"found {q}")
        assert session.execute_tool_loop("Find x") == "Found."
    assert script.requests[1].body["messages"][-1] == {"role": "tool", "content": "found x", "tool_call_id": "a"}


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
