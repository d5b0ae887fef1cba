"""Stop strings with a server that takes them, one that does not, and one that looks for them in the reasoning too."""

import dataclasses
import json
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, error_of, questions, text_of, to
from tests.openai_server import Behaviour, Exchange, ScriptedServer, piece, says, serving, streams
from voicegen.chat import ChatSession
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.records import Answer, Failure

STOPPING = dataclasses.replace(OPTIONS, stop=("###", "\n\n"))


def only(script: ScriptedServer, **server: Any) -> Answer | Failure:
    (record,) = OpenAIAnswerModel(to(script, **server), STOPPING).answer(questions(1))
    return record


def session(script: ScriptedServer, **server: Any) -> ChatSession:
    return ChatSession(OpenAIChatModel(to(script, **server), 4096), stop=("###", "\n\n"))


def test_a_server_is_told_and_its_answers_are_looked_through_as_well() -> None:
    with serving(says("One. ###Two.", finish="length")) as script:
        record = only(script)
    assert script.requests[0].body["stop"] == ["###", "\n\n"]
    assert isinstance(record, Answer)
    assert (record.text, record.finish_reason) == ("One.", "stop")


def test_no_more_strings_are_sent_than_every_server_takes() -> None:
    many = dataclasses.replace(OPTIONS, stop=tuple("abcdef"))
    with serving(says("10 e 20")) as script:
        (record,) = OpenAIAnswerModel(to(script), many).answer(questions(1))
    assert script.requests[0].body["stop"] == ["a", "b", "c", "d"]
    assert text_of(record) == "10"


def test_a_model_that_takes_no_stop_strings_is_asked_without() -> None:
    def refuses(exchange: Exchange) -> None:
        error = {"message": "no stop", "code": "unsupported_parameter", "param": "stop"}
        exchange.send(400, json.dumps({"error": error}))

    with serving(refuses, says("One.\n\nTwo.")) as script:
        assert text_of(only(script)) == "One."
    assert ["stop" in request.body for request in script.requests] == [True, False]


@pytest.mark.parametrize("starts_in_reasoning", [None, True])
def test_a_server_that_may_reason_in_its_text_is_not_told_and_reasoning_is_not_stopped(
    starts_in_reasoning: bool | None,
) -> None:
    with serving(says("Hm ### hm.</think>One.###Two.")) as script:
        record = only(script, starts_in_reasoning=starts_in_reasoning)
    assert "stop" not in script.requests[0].body
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("One.", "Hm ### hm.")


def test_a_server_that_stops_the_reasoning_is_asked_again_without() -> None:
    thought = {"reasoning_content": "Hm "}
    with serving(says("", **thought), says("One.###Two.", reasoning_content="Hm ### hm.")) as script:
        assert text_of(only(script)) == "One."
    assert ["stop" in request.body for request in script.requests] == [True, False]


def test_a_stop_string_at_the_very_beginning_leaves_an_empty_answer() -> None:
    with serving(says("###")) as script:
        assert "empty answer" in error_of(only(script))


def test_a_stream_ends_before_a_stop_string_split_over_pieces_and_ends_the_request() -> None:
    def writes_on(exchange: Exchange) -> None:
        exchange.send_events(piece(content="One. #"), piece(content="#"), piece(content="# Two."), done=False)
        script.stopping.wait(10)

    with serving(writes_on) as script:
        assert list(session(script).chat_stream("q")) == ["One. "]
    assert script.requests[0].body["stop"] == ["###", "\n\n"]


def test_a_stream_that_the_server_stops_in_its_reasoning_is_asked_for_again() -> None:
    stopped = streams(piece(reasoning_content="Hm "), piece("stop"))
    whole: Behaviour = streams(piece(reasoning_content="Hm ###"), piece(content="One.###"), piece("stop", content="T"))
    with serving(stopped, whole) as script:
        assert session(script).chat("q") == "One."
    assert ["stop" in request.body for request in script.requests] == [True, False]


def test_the_question_how_replies_begin_is_asked_without_stop_strings() -> None:
    with serving(
        streams(piece(content="Yes."), piece("stop")), streams(piece(content="One.###"), piece("stop"))
    ) as script:
        assert session(script, starts_in_reasoning=None).chat("q") == "One."
    assert len(script.requests) == 2
    assert not any("stop" in request.body for request in script.requests)
