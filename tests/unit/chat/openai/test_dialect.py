"""Servers that refuse parameters which others need, as OpenAI's newest models do."""

import json
import logging
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, text_of, to
from tests.openai_server import Behaviour, Exchange, echoes, piece, serving, streams
from voicegen.chat import ChatSession
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.chat.openai.dialect import Dialect
from voicegen.chat.openai.server import Server
from voicegen.reading.beginning import Beginning


def refuses(*parameters: str, then: Behaviour = echoes) -> Behaviour:
    """A server that takes none of these, and names the first that a request has."""

    def behave(exchange: Exchange) -> None:
        named = next((name for name in parameters if name in exchange.request.body), None)
        if named is None:
            return then(exchange)
        error = {
            "message": f"Unsupported parameter: '{named}' is not supported with this model.",
            "type": "invalid_request_error",
            "param": named,
            "code": "unsupported_value" if named == "temperature" else "unsupported_parameter",
        }
        return exchange.send(400, json.dumps({"error": error}))

    return behave


def test_a_model_that_wants_max_completion_tokens_gets_it_from_then_on() -> None:
    with serving(refuses("max_tokens")) as script:
        model = OpenAIAnswerModel(to(script), OPTIONS, concurrency=1)
        assert [text_of(record) for record in answers(model, 3)] == [f"about question {n}" for n in range(3)]
    limits = [(body.get("max_tokens"), body.get("max_completion_tokens")) for body in bodies(script)]
    assert limits == [(100, None), (None, 100), (None, 100), (None, 100)]


def bodies(script: Any) -> list[dict[str, Any]]:
    return [request.body for request in script.requests]


def test_requests_under_way_together_all_adapt() -> None:
    with serving(refuses("max_tokens", "temperature", "top_p")) as script:
        records = answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=8), 16)
    assert sorted(map(text_of, records)) == sorted(f"about question {n}" for n in range(16))


def test_a_setting_that_the_model_refuses_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), serving(refuses("max_tokens", "temperature")) as script:
        answers(OpenAIAnswerModel(to(script), OPTIONS, concurrency=1), 2)
    assert "temperature" not in bodies(script)[-1]
    assert [record.getMessage() for record in caplog.records] == ["the server takes no temperature=0.0: it is left out"]


def test_a_conversation_adapts_too() -> None:
    reply = streams(piece(content="Hi."), piece(finish="stop"))
    with serving(refuses("max_tokens", "temperature", then=reply)) as script:
        session = ChatSession(OpenAIChatModel(to(script), context_length=4096))
        assert [session.chat(text) for text in ("Hello", "Again")] == ["Hi.", "Hi."]
    assert len(script.requests) == 4
    assert bodies(script)[-1]["max_completion_tokens"] == 256


@pytest.mark.parametrize("parameters", [("messages",), ("max_tokens", "max_completion_tokens", "model")])
def test_a_request_that_cannot_do_without_is_refused(parameters: tuple[str, ...]) -> None:
    with serving(refuses(*parameters)) as script:
        record = only(script)
    assert f"answered 400: Unsupported parameter: '{parameters[-1]}'" in error_of(record)
    assert len(script.requests) == len(parameters)


def test_openais_own_replies_are_known_to_begin_with_the_answer() -> None:
    assert Dialect(Server("gpt-5", "https://api.openai.com/v1")).begins is Beginning.ANSWER
    assert Dialect(Server("m", "https://notopenai.com/v1")).begins is Beginning.UNKNOWN


def test_what_replies_show_says_only_whether_they_may_be_streamed() -> None:
    dialect = Dialect(Server("m"))
    seen = []
    for shown in (Beginning.UNKNOWN, Beginning.ANSWER, Beginning.REASONING, Beginning.ANSWER):
        dialect.learn(shown)
        seen.append((dialect.begins, dialect.streamed))
    held, streamed = (Beginning.UNKNOWN, Beginning.UNKNOWN), (Beginning.UNKNOWN, Beginning.LIKELY_ANSWER)
    assert seen == [held, streamed, held, held]


@pytest.mark.parametrize(("told", "begins"), [(True, Beginning.REASONING), (False, Beginning.ANSWER)])
def test_what_the_settings_say_is_never_given_up(told: bool, begins: Beginning) -> None:
    dialect = Dialect(Server("m", starts_in_reasoning=told))
    for shown in Beginning:
        dialect.learn(shown)
        assert (dialect.begins, dialect.streamed) == (begins, begins)
    assert not dialect.wants_to_ask()
