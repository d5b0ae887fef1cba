import json
import re
import socket

import httpx

from tests.mcp_clients import HELLO, assistant, over_http, over_stdio, request_of, serving
from tests.product import ROOT, voicegen
from voicegen.cli import main
from voicegen.commands.mcp import main as mcp


def test_pages_of_other_sites_and_other_names_are_kept_out(server):
    headers = {"Accept": "application/json, text/event-stream"}

    def status(**more):
        return httpx.post(server[0], json=request_of("initialize", HELLO), headers=headers | more).status_code

    assert status() == 200
    assert status(Origin=server[0].removesuffix("/mcp")) == 200
    assert status(Origin="https://evil.example") == 403
    assert status(Host="evil.example") == 421
    assert httpx.get(server[0].replace("/mcp", "/clips/x.wav"), headers={"Host": "evil.example"}).status_code == 421
    assert httpx.post(server[0], content=b"no JSON", headers=headers | {"Content-Type": "application/json"}).is_error


def test_a_token_is_asked_for_where_one_is_set(tmp_path):
    with serving("preset=fake", f"output_dir={tmp_path}", token="open sesame") as (url, _):
        assert httpx.get(url.replace("/mcp", "/clips/x.wav")).status_code == 401
        for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "open sesame"}):
            response = httpx.post(url, json={}, headers=given)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        with assistant(over_http(url, "open sesame")) as one:
            assert one.told("ask", text="Hello?")["answer"] == "Hello?"


def test_a_server_for_other_machines_needs_a_token(capsys):
    assert main(["mcp", "preset=fake", "--http", "mcp.host=0.0.0.0"]) == 2
    assert "set VOICEGEN_TOKEN" in capsys.readouterr().err


def test_an_address_that_is_taken_is_told_in_one_line(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["mcp", "preset=fake", f"output_dir={tmp_path}", "--http", "--port", port]) == 2
    assert "give another mcp.port" in capsys.readouterr().err


def test_flags_are_settings(capsys):
    words = ["--cfg", "job", "--http", "--port", "99", "--audio", "files", "--output-dir", "here", "--preset", "fake"]
    assert mcp(words) == 0
    shown = capsys.readouterr().out
    for line in ("transport: http", "port: 99", "audio: files", "output_dir: here", "kind: echo"):
        assert line in shown


def test_the_starter_models_answer_and_speak_and_standard_output_holds_the_protocol_alone(tmp_path):
    told = tmp_path / "stdout"
    with assistant(over_stdio("preset=starter", f"output_dir={tmp_path}", "chat.max_tokens=24", told=told)) as one:
        answer = one.told("ask", text="What is the capital of France?", speak=True)
        assert "Paris" in answer["answer"]
        assert answer["audio"]["verdict"] == "ok"
        assert answer["audio"]["seconds"] > 0.5
        assert [voice["language"] for voice in one.told("list_voices")["voices"]] == ["en_US"]
        wrong = one.refused("speak", text="Hi.", voice="nobody")
        assert (wrong["kind"], wrong["fields"]) == ("unknown_voice", {"voice": "is none of list_voices"})
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in told.read_text("utf-8").splitlines())


def test_an_index_that_is_not_there_is_told_before_the_server_starts(tmp_path, capsys):
    assert main(["mcp", "preset=fake", f"output_dir={tmp_path}", "--docs", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


def test_the_readmes_lines_start_a_server_that_ends_with_its_input(tmp_path):
    readme = (ROOT / "README.md").read_text("utf-8")
    entry = json.loads(re.search(r"```json\n(.*?)```", readme, re.DOTALL)[1])["mcpServers"]["voicegen"]
    assert f"claude mcp add voicegen -- {entry['command']} {' '.join(entry['args'])}\n" in readme
    uv, words = entry["args"][:5], entry["args"][6:]
    assert uv == ["run", "--directory", "/path/to/voicegen", "--extra", "mcp"]

    run = {"name": "start_run", "arguments": {"questions": [{"text": "Is it so?"}] * 50}}
    calls = [request_of("initialize", HELLO), {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    lines = [*map(json.dumps, calls), "this is no JSON", json.dumps(request_of("tools/call", run, 2))]
    ended = voicegen(*words, "preset=fake", cwd=tmp_path, stdin="\n".join(lines) + "\n")
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert told[0]["result"]["serverInfo"]["name"] == "voicegen"
    assert all(message["jsonrpc"] == "2.0" for message in told)
