"""Clients of the scripted server, and what their records say."""

from typing import Any

from tests.openai_server import Behaviour, Exchange, ScriptedServer, says
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.server import Server
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Failure, Question

OPTIONS = GenerationOptions(max_tokens=100)


def to(script: ScriptedServer, **changes: Any) -> Server:
    """A server of which it is known that replies begin with the answer."""
    settings: dict[str, Any] = {"model": "m", "base_url": script.base_url, "backoff": 0.001, "timeout": 10}
    return Server(**{**settings, "starts_in_reasoning": False, **changes})


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


def rows_meet(misbehaves: Behaviour) -> Behaviour:
    """A server that works, as its reply to the short question shows, and so misbehaves for each row."""

    def behave(exchange: Exchange) -> None:
        (misbehaves if exchange.question.startswith("question") else says("Yes."))(exchange)

    return behave


def error_of(record: Answer | Failure) -> str:
    assert isinstance(record, Failure), record
    return record.error
