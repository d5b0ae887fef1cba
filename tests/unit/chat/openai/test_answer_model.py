import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, questions, text_of, to
from tests.openai_server import Exchange, echoes, says, serving
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.tools import ToolRegistry
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Message, Question, Role


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


def test_a_task_of_ours_has_its_own_instructions_is_greedy_and_offers_no_tools() -> None:
    registry = ToolRegistry()
    registry.register("add", "Adds.", lambda a, b: a + b)
    options = GenerationOptions(temperature=0.5)
    with serving(echoes) as script:
        model = OpenAIAnswerModel(to(script), options, system_prompt="Be brief.", tools=registry)
        list(model.answer([Question(0, "a", "now", seed=5, instructions="Say it."), Question(1, "b", "then")]))
    ours, other = sorted((request.body for request in script.requests), key=lambda body: "tools" in body)
    assert ours["messages"] == [{"role": "system", "content": "Say it."}, {"role": "user", "content": "now"}]
    assert (ours["temperature"], ours["seed"], "tools" in ours) == (0.0, 5, False)
    assert (other["temperature"], other["messages"][0]["content"], "tools" in other) == (0.5, "Be brief.", True)


def test_a_rows_own_system_prompt_stands_in_the_place_of_the_models() -> None:
    with serving(echoes) as script:
        model = OpenAIAnswerModel(to(script), system_prompt="Be brief.")
        list(model.answer([Question(0, "a", "now", system_prompt="Be long."), Question(1, "b", "then")]))
    asked = sorted([message["content"] for message in request.body["messages"]] for request in script.requests)
    assert asked == [["Be brief.", "then"], ["Be long.", "now"]]


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
    assert "used its tokens up before it came to its answer: raise max_tokens" in error_of(record)
    assert len(script.requests) == 2


def test_an_answer_cut_by_its_budget_is_an_answer_that_says_so() -> None:
    with serving(says("One two", finish="length")) as script:
        record = only(script)
    assert isinstance(record, Answer)
    assert record.finish_reason == "length"


def test_an_empty_answer_fails_the_row() -> None:
    with serving(says("  ")) as script:
        assert error_of(only(script)).startswith("the model gave an empty answer")


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
        assert "still calls tools after 8 rounds" in error_of(only(script, tools=tools))


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
