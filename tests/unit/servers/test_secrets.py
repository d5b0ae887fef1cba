"""A key and a password are told to their server and to nobody else."""

import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from tests.openai_clients import OPTIONS, answers, error_of, only, rows_meet, to
from tests.openai_server import Exchange, echoes, fails, piece, serving, streams
from voicegen.chat.openai.answer_model import OpenAIAnswerModel
from voicegen.chat.openai.chat_model import OpenAIChatModel
from voicegen.chat.openai.server import Server
from voicegen.errors import ConfigError, ModelError
from voicegen.job.composing import compose
from voicegen.records import Message, Role

KEY = "sk-geheim'0/1"


@pytest.fixture(autouse=True)
def key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def echoing_the_key(status: int) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.send(status, f"no, not with {exchange.request.headers['authorization']}!")


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_failed_row_does_not_hold_the_key_that_its_server_gave_back(status: int) -> None:
    with serving(rows_meet(echoing_the_key(status))) as script:
        error = error_of(only(script, server=to(script, retries=1)))
    assert "not with Bearer ***!" in error
    assert "geheim" not in error


@pytest.mark.parametrize(
    "misbehaves",
    [
        echoing_the_key(401),
        echoing_the_key(404),
        lambda exchange: exchange.send(302, "", Location=f"http://name:pass-word@there/?key={KEY}"),
    ],
)
def test_an_error_that_ends_the_run_does_not_show_the_key(misbehaves: Any) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError) as raised:
        only(script)
    assert "***" in str(raised.value)
    assert not [secret for secret in ("geheim", "pass-word") if secret in str(raised.value)]


@pytest.mark.parametrize(
    "misbehaves",
    [
        echoing_the_key(200),
        echoing_the_key(400),
        echoing_the_key(500),
        streams({"error": {"message": f"no {KEY}"}}),
        streams({"choices": [KEY]}),
    ],
)
def test_a_stream_that_fails_does_not_show_the_key(misbehaves: Any) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError) as raised:
        list(OpenAIChatModel(to(script, retries=0)).stream([Message(Role.USER, "Hi")], OPTIONS))
    assert "***" in str(raised.value)
    assert "geheim" not in str(raised.value)


def test_a_key_at_the_place_where_a_long_reply_is_cut_is_not_shown_in_part() -> None:
    server = Server("m")
    assert not [before for before in range(500) if "sk-" in server.told("x" * before + KEY)]


def test_a_name_and_password_in_the_address_go_to_the_server_and_into_no_message(
    caplog: pytest.LogCaptureFixture,
) -> None:

    caplog.set_level(logging.DEBUG)
    with serving(echoes) as script:
        server = to(script, base_url=script.base_url.replace("//", "//name:pass%2Dword@"))
        only(script, server=server)
    token = b64encode(b"name:pass-word").decode()
    assert script.requests[0].headers["authorization"] == f"Basic {token}"
    with serving(fails(403)) as script, pytest.raises(ModelError) as raised:
        only(script, server=to(script, base_url=script.base_url.replace("//", "//name:pass-word@")))
    told = [str(raised.value), repr(server), *caplog.messages]
    assert not [text for text in told for secret in ("pass-word", "pass%2Dword", token) if secret in text]


@pytest.mark.parametrize("address", ["http://name:pass-word@host:port/v1", "name:pass-word@host/v1"])
def test_an_address_that_is_none_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address of a server") as raised:
        Server("m", base_url=address)
    assert "pass-word" not in str(raised.value)


@pytest.mark.parametrize("address", ["name:pass-word@host/v1", "ftp://name:pass-word@host/v1"])
def test_an_address_in_the_settings_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigError, match=r"tts\.base_url: the address of a server begins with http://") as raised:
        compose(["tts=openai", "tts.model=m", f"tts.base_url={address}"])
    assert "pass-word" not in str(raised.value)


def test_a_key_that_is_a_short_placeholder_is_left_in_the_words_that_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with serving(fails(400, "maximum exceeded")) as script:
        assert "maximum exceeded" in error_of(only(script))


def test_nothing_of_an_account_at_openai_goes_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "geheim")
    with serving(echoes) as script:
        answers(OpenAIAnswerModel(to(script, api_key_env=None), OPTIONS))
    assert "geheim" not in str(script.requests[0].headers)
    with serving(streams(piece("stop", content="Hi."))) as script:
        list(OpenAIChatModel(to(script, api_key_env=None)).stream([Message(Role.USER, "Hi")], OPTIONS))
    assert "geheim" not in str(script.requests[0].headers)
