import io
import json
import sys

import pytest

from tests.mcp_clients import serving as mcp_serving
from tests.openai_server import piece, serving, streams
from voicegen.chat.tool_servers import ToolServer, tools_of, user_file
from voicegen.chat.tools import ToolRegistry
from voicegen.commands.chat import main
from voicegen.errors import ConfigError
from voicegen.records import ToolCall

TIME = f"{sys.executable} -m mcp_server_time --local-timezone Europe/Paris"


@pytest.fixture(scope="module")
def time_server():
    """The tools of a real server, from the registry."""
    registry = ToolRegistry()
    with tools_of([ToolServer.given(TIME)], registry) as added:
        yield registry, added


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, for the user's own file of servers."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    user_file().parent.mkdir(parents=True)
    return tmp_path


def called(registry, name, **arguments):
    return registry.call(ToolCall(name, arguments, "1")).content


def test_a_servers_tools_are_offered_with_their_schemas(time_server):
    registry, added = time_server
    assert added == {TIME: ["get_current_time", "convert_time"]}
    schema = registry.schemas[0]["function"]
    assert schema["description"]
    assert schema["parameters"]["required"] == ["timezone"]


def test_an_interruption_ends_the_servers_and_is_still_one():
    with pytest.raises(KeyboardInterrupt), tools_of([ToolServer.given(TIME)], ToolRegistry()):
        raise KeyboardInterrupt


def test_a_call_reaches_the_server_and_its_result_the_model(time_server):
    registry, _ = time_server
    told = json.loads(
        called(registry, "convert_time", source_timezone="Asia/Tokyo", time="12:00", target_timezone="Asia/Kolkata")
    )
    assert told["time_difference"] == "-3.5h"
    assert "T08:30" in told["target"]["datetime"]


def test_what_goes_wrong_with_a_call_is_told_to_the_model(time_server):
    registry, _ = time_server
    assert "Mars/Phobos" in json.loads(called(registry, "get_current_time", timezone="Mars/Phobos"))["error"]
    assert "do not fit its schema" in json.loads(called(registry, "get_current_time"))["error"]


def test_the_model_of_a_chat_calls_a_servers_tool(tmp_path, monkeypatch, capsys):
    call = {"index": 0, "id": "a", "function": {"name": "get_current_time", "arguments": '{"timezone": "UTC"}'}}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    asks = streams(piece(tool_calls=[call]), piece("tool_calls"))
    answers = streams(piece(content="It is late."), piece("stop"))
    with serving(asks, answers) as model:
        words = ("--chat-model", f"{model.base_url}#m", "chat.starts_in_reasoning=false", "--no-save-audio")
        assert main([*words, "--mcp", TIME, "--single", "What time is it?"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "It is late.\n"
    assert "get_current_time, convert_time" in captured.err
    first, second = (request.body for request in model.requests)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["get_current_time", "convert_time"]
    assert second["messages"][-1]["role"] == "tool"
    assert json.loads(second["messages"][-1]["content"])["timezone"] == "UTC"


def test_a_server_behind_a_url_and_two_tools_of_one_name(tmp_path):
    with mcp_serving("preset=fake", f"output_dir={tmp_path}") as (url, _):
        registry = ToolRegistry()
        registry.register("speak", "of one's own", lambda: "mine")
        with tools_of([ToolServer.named(url)], registry) as added:
            assert {"ask", "speak_2", "list_voices"} <= set(added[url])
            assert called(registry, "speak") == "mine"
            assert "s of speech" in called(registry, "speak_2", text="Hello there.")


def test_a_config_names_servers_that_the_user_has_written_down(home):
    user_file().write_text(json.dumps({"mcpServers": {"time": {"command": "uvx", "args": ["x"], "env": {"A": "b"}}}}))
    assert ToolServer.named("time") == ToolServer("time", ("uvx", "x"), env={"A": "b"})
    assert ToolServer.given("time") == ToolServer.named("time")
    assert ToolServer.given("uvx 'my server'").command == ("uvx", "my server")


def test_a_config_starts_no_command(home):
    with pytest.raises(ConfigError, match="write it down there"):
        main(["--preset", "fake", "--no-save-audio", "voicechat.mcp_servers=['touch harm']", "--single", "Hi."])


@pytest.mark.parametrize("text", ["{", '{"mcpServers": {"a": {}}}', "[]"])
def test_a_file_of_servers_that_cannot_be_is_told_in_one_line(home, text):
    user_file().write_text(text)
    with pytest.raises(ConfigError, match=r"mcp\.json: it must be"):
        ToolServer.given("time")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-command --x", "there is no command 'no-such-command'"),
        (f"{sys.executable} -c 'raise SystemExit(\"no key: set KEY\")'", "no key: set KEY"),
        (f"{sys.executable} -c 'print(1)'", "cannot be used"),
        ("'unclosed", "no command"),
        ("", "give the command"),
    ],
)
def test_a_server_that_does_not_start_is_told_in_one_line(home, command, told):
    with pytest.raises(ConfigError, match=told), tools_of([ToolServer.given(command)], ToolRegistry()):
        pass


def test_without_servers_nothing_is_started():
    with tools_of([], ToolRegistry()) as added:
        assert added == {}
