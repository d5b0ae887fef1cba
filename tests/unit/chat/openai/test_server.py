import email.utils
import os
import time

import pytest

from tests.openai_clients import only
from tests.openai_server import fails, says, serving
from voicegen.chat.openai.server import Server
from voicegen.errors import ConfigError
from voicegen.servers.failures import TryAgain
from voicegen.servers.openai_client import retry_after


def test_the_wait_that_a_server_asks_for_is_honoured() -> None:
    with serving(fails(429, Retry_After="0.2"), says("x")) as script:
        started = time.perf_counter()
        only(script)
    assert time.perf_counter() - started >= 0.2


def test_a_wait_may_be_a_date_and_is_never_endless() -> None:
    server = Server("m")
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 55 < server.wait_before(0, TryAgain("busy", retry_after({"retry-after": date}))) <= 60
    assert server.wait_before(0, TryAgain("busy", retry_after({"retry-after": "86400"}))) == 60


def test_the_first_long_wait_that_a_server_asks_for_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    server = Server("m")
    server.wait_before(0, TryAgain("busy", wait=1))
    server.wait_before(0, TryAgain("busy"))
    assert not caplog.records
    for _ in range(2):
        server.wait_before(0, TryAgain("busy", wait=100_000))
    assert caplog.messages == ["http://127.0.0.1:8000/v1: busy: the server asks to wait 100000 s; trying again in 60 s"]


@pytest.mark.parametrize("key", ["sk-gehe\u00efm", "sk-\x00geheim", "sk-\ngeheim", "sk-geheim\udcff"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(os, "environ", {"OPENAI_API_KEY": key})
    with pytest.raises(ConfigError, match="the environment variable OPENAI_API_KEY holds a character") as raised:
        Server("m")
    assert "sk-" not in str(raised.value)
    assert "geh" not in str(raised.value)


def test_white_space_around_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1\r\n")
    assert Server("m").key == "sk-1"


def test_waits_grow_and_stay_bounded() -> None:
    server = Server("m", backoff=0.5)
    waits = [server.wait_before(attempt, TryAgain("busy")) for attempt in (0, 3, 20)]
    assert waits[0] <= 0.5 < 2 <= waits[1] <= 4 < 15 <= waits[2] <= 30


@pytest.mark.parametrize(
    "base_url", ["http://[::1/v1", "http://host:port/v1", "127.0.0.1:8000/v1", "http://", "", "a\nb"]
)
def test_an_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigError, match=r"chat\.base_url=.* is no address of a server: give one such as http"):
        Server("m", base_url=base_url)
