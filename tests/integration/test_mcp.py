import base64
import io
import json
import re
import socket
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import httpx
import pytest
import soundfile

from tests.mcp_clients import assistant, over_http, over_stdio, serving
from tests.openai_server import completion, piece
from tests.openai_server import serving as model_serving
from tests.product import ROOT, voicegen
from voicegen.cli import main
from voicegen.commands.mcp import main as mcp

FAKE = ("preset=fake",)
TOOLS = ["ask", "speak", "list_voices", "start_run", "run_status", "cancel_run"]


class Model:
    """A model behind a server, which holds its answers to what is held until it is released."""

    def __init__(self):
        self.asked = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self, exchange):
        question = exchange.question
        if "hold" in question:
            self.asked.release()
            self.release.wait(30)
        said = [message["content"] for message in exchange.request.body["messages"] if message["role"] == "user"]
        answer = f"{len(said)}: {question}"
        if exchange.request.body.get("stream"):
            exchange.send_events(piece(content=answer), piece("stop"))
        else:
            exchange.send(200, json.dumps(completion(answer)))


@pytest.fixture(scope="module")
def model():
    return Model()


@pytest.fixture
def held(model):
    """The model, as it holds answers; afterwards it gives them."""
    model.asked = threading.Semaphore(0)  # what was held before is no concern of the test
    model.release.clear()
    yield model
    model.release.set()


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    with model_serving(model) as script:
        words = ("preset=fake", "chat=openai", "chat.model=m", f"chat.base_url={script.base_url}", "chat.retries=0")
        root = tmp_path_factory.mktemp("http")
        with serving(*words, f"output_dir={root}", "mcp.sessions=8") as (url, service):
            yield url, service, root


@pytest.fixture(scope="module", params=["stdio", "http"])
def client(request, tmp_path_factory):
    if request.param == "stdio":
        folder = tmp_path_factory.mktemp("stdio")
        with assistant(over_stdio("preset=fake", f"output_dir={folder}")) as made:
            yield made
    else:
        url, _, _ = request.getfixturevalue("server")
        with assistant(over_http(url), mode="legacy") as made:
            yield made


@pytest.fixture
def other(server):
    with assistant(over_http(server[0])) as made:
        yield made


def test_every_tool_says_what_it_takes_and_gives(client):
    tools = client.portal.call(client.client.list_tools).tools
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.output_schema["properties"]
        assert "overrides" not in tool.input_schema["properties"]
    configs = next(tool for tool in tools if tool.name == "start_run").input_schema["properties"]["config"]
    assert {"fake", "marvis", "starter"} <= set(configs["enum"])


def test_a_session_remembers_and_is_a_resource(client):
    first = client.told("ask", text="What is MLX?")
    assert "What is MLX?" in first["answer"]
    second = client.told("ask", text="And Marvis?", session=first["session"])
    assert second["session"] == first["session"]
    told = [json.loads(line) for line in client.read(first["conversation"]).text.splitlines()]
    assert [line["content"] for line in told if line["role"] == "user"] == ["What is MLX?", "And Marvis?"]
    assert [line["content"] for line in told if line["role"] == "assistant"] == [first["answer"], second["answer"]]


def test_the_model_is_given_the_turns_before(other):
    first = other.told("ask", text="One?")
    assert first["answer"] == "1: One?"
    assert other.told("ask", text="Two?", session=first["session"])["answer"] == "2: Two?"
    assert other.told("ask", text="Three?")["answer"] == "1: Three?"


def test_an_answer_is_spoken_in_a_clip_that_says_what_made_it(client):
    result = client.call("ask", text="Say this aloud.", speak=True)
    audio = result.structured_content["audio"]
    assert audio["verdict"] == "ok"
    assert [block.uri for block in result.content if block.type == "resource_link"] == [audio["uri"]]
    clip = client.read(audio["uri"])
    assert clip.mime_type == "audio/wav"
    with soundfile.SoundFile(io.BytesIO(base64.b64decode(clip.blob))) as file:
        assert file.samplerate == audio["sampling_rate"]
        assert len(file) == pytest.approx(audio["seconds"] * file.samplerate, abs=20)
        assert json.loads(file.comment)["synthetic"] is True


def test_a_long_text_is_spoken_as_a_job(client):
    begun = client.told("speak", text="This goes on and on. " * 60)
    assert (begun["state"], begun["audio"]) == ("queued", None)
    done = client.told("run_status", job=begun["job"], wait=30)
    assert (done["kind"], done["state"], done["done"]) == ("speech", "done", 1)
    assert done["audio"]["seconds"] > 30
    uri = done["audio"]["uri"]
    if uri.startswith("http"):  # larger than a message may be
        assert httpx.get(uri).headers["content-type"] == "audio/wav"
        with pytest.raises(Exception, match=f"more than a message holds: get {re.escape(uri)}"):
            client.read(re.sub(".*/clips", "voicegen://clips", uri))
    else:
        assert client.read(uri).blob


def test_the_same_text_and_seed_sound_the_same_and_voices_differ(client):
    def sound(**how):
        return client.read(client.told("speak", text="Hello.", **how)["audio"]["uri"]).blob

    assert sound(seed=3, voice="a") == sound(seed=3, voice="a")
    assert sound(seed=3, voice="a") != sound(seed=4, voice="a")


def test_what_is_wrong_with_a_call_is_data_and_names_what_is_missing(client):
    assert client.refused("ask") == {
        "kind": "arguments", "message": "text is missing", "fields": {"text": "is missing"}
    }  # fmt: skip
    assert client.refused("ask", text=["a"])["fields"].keys() == {"text"}
    assert client.refused("ask", text=" ")["fields"] == {"text": "is empty"}
    assert "overrides" in client.refused("ask", text="Hi.", overrides=["chat=echo"])["fields"]
    assert "'nothing'" in client.refused("ask", text="Hi.", session="nothing")["message"]
    assert client.refused("ask", text="x" * 200_001)["fields"].keys() == {"text"}
    assert client.refused("speak", text="![]()")["kind"] == "model"
    assert client.refused("speak", text="Hello.", seed=-1)["fields"].keys() == {"seed"}
    assert client.refused("dance")["kind"] == "unknown_tool"
    assert client.refused("start_run")["fields"] == {"questions": "is missing"}
    assert "starter" in client.refused("start_run", questions=[{"text": "Hi?"}], config="../secret")["message"]
    assert client.refused("start_run", questions=[{"text": "Hi?", "path": "/etc/passwd"}])["kind"] == "arguments"
    assert client.refused("start_run", questions=[{"text": "Hi?", "answer": "Yes."}, {"text": "So?"}])["message"]
    assert client.refused("start_run", run="../../etc")["kind"] == "unknown_run"
    assert client.refused("run_status", job="nothing")["kind"] == "unknown_job"
    assert client.refused("run_status", job="nothing", wait=1000)["fields"].keys() == {"wait"}
    assert client.told("ask", text="Still there?")["answer"]


@pytest.mark.parametrize(
    "uri",
    ["clips/../requests/x.json", "clips/%2e%2e%2fquestions.wav", "clips//etc/passwd.wav", "conversations/nobody",
     "runs/nothing/manifest", "runs/../manifest", "runs/x/..%2F..%2Fclips%2Fa.wav", "runs/x//etc/passwd.wav"],
)  # fmt: skip
def test_a_resource_that_is_not_there_or_leads_out_is_refused(client, uri):
    with pytest.raises(Exception, match=r"there is no|Unknown resource|not found|outside of it|security"):
        client.read(f"voicegen://{uri}")


@pytest.mark.parametrize("rows", ["offset=-1", "limit=many", f"offset={10**30}"])
def test_rows_that_no_manifest_has_are_told_in_one_line(client, rows):
    with pytest.raises(Exception, match=f"{rows}: give a number of rows"):
        client.read(f"voicegen://runs/nothing/manifest?{rows}")


def test_a_run_is_made_whole_and_read_row_by_row(client):
    questions = [{"text": f"Question {number}?", "id": f"q{number}"} for number in range(5)]
    begun = client.told("start_run", questions=questions, config="fake", seed=7)
    assert begun["rows"] == 5
    done = client.told("run_status", job=begun["job"], wait=30)
    assert (done["state"], done["done"], done["ok"], done["rejected"], done["failed"]) == ("done", 5, 5, 0, 0)
    rows = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert [row["id"] for row in rows] == ["q0", "q1", "q2", "q3", "q4"]
    page = client.read(f"{done['manifest']}?offset=3&limit=1").text.splitlines()
    assert [json.loads(line)["id"] for line in page] == ["q3"]
    assert client.read(f"voicegen://runs/{begun['job']}/{rows[0]['audio_path']}").blob
    if done["files"].startswith("http"):
        assert httpx.get(done["files"] + rows[1]["audio_path"]).content.startswith(b"RIFF")
        assert httpx.get(done["files"] + "audio/000009.wav").status_code == 404
    for secret in ("run.json", "voicegen.wav", "audio/999999.wav"):
        with pytest.raises(Exception, match=r"Unknown resource|no audio file"):
            client.read(f"voicegen://runs/{begun['job']}/{secret}")


def test_ready_answers_are_spoken_without_the_model(client):
    begun = client.told("start_run", questions=[{"text": "What?", "answer": "That is ready."}])
    done = client.told("run_status", job=begun["job"], wait=30)
    (row,) = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert row["answer"] == "That is ready."


def test_a_run_whose_models_are_not_here_is_begun_at_once_and_says_what_is_missing(client):
    begun = client.told("start_run", questions=[{"text": "Who?"}], config="marvis")
    failed = client.told("run_status", job=begun["job"], wait=30)
    assert (failed["state"], failed["error"]["kind"]) == ("failed", "model")
    assert "marvis" in failed["error"]["message"].lower()


def test_no_text_of_a_client_is_taken_for_a_setting(client):
    asked = "${oc.env:SECRET} ${oc.env:HOME}"
    begun = client.told("start_run", questions=[{"text": asked}], voice="${oc.env:SECRET}", config="fake")
    done = client.told("run_status", job=begun["job"], wait=30)
    (row,) = [json.loads(line) for line in client.read(done["manifest"]).text.splitlines()]
    assert row["question"] == asked
    assert row["voice"] == "${oc.env:SECRET}"


def test_four_clients_at_once_have_sessions_of_their_own(server):
    def talk(name):
        with assistant(over_http(server[0]), mode="legacy" if name in "ab" else "auto") as one:
            session, answers = None, []
            for turn in range(4):
                given = {"session": session} if session else {}
                told = one.told("ask", text=f"{name}{turn}", speak=turn == 3, **given)
                session = told["session"]
                answers.append(told["answer"])
            return session, answers

    with ThreadPoolExecutor(4) as pool:
        talks = list(pool.map(talk, "abcd"))
    assert len({session for session, _ in talks}) == 4
    assert [answers for _, answers in talks] == [[f"{turn + 1}: {name}{turn}" for turn in range(4)] for name in "abcd"]


def test_what_clients_ask_at_once_reaches_the_model_at_once(server, held):
    with assistant(over_http(server[0])) as one:
        calls = [one.begin("ask", {"text": f"hold {number}"}) for number in range(6)]
        for _ in calls:
            assert held.asked.acquire(timeout=20)
        held.release.set()
        assert [call.result(20).structured_content["answer"] for call in calls] == [f"1: hold {n}" for n in range(6)]


def test_who_waits_is_told_that_there_is_work_going_on(other, held):
    seen, answering = [], threading.Event()

    async def progress(_step, _total, message):
        seen.append(message)
        if message == "answering":
            answering.set()

    call = other.begin("ask", {"text": "hold on"}, progress)
    assert answering.wait(20)
    held.release.set()
    assert call.result(20).structured_content["answer"] == "1: hold on"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_cancelled_question_leaves_its_session_as_it_was(server, held, mode):
    with assistant(over_http(server[0]), mode=mode) as one:
        first = one.told("ask", text="Begin.")
        call = one.begin("ask", {"text": "hold this", "session": first["session"]})
        assert held.asked.acquire(timeout=20)
        assert one.refused("ask", text="Too early.", session=first["session"])["kind"] == "busy"
        call.cancel()
        with pytest.raises(CancelledError):
            call.result(20)
        while (asked := one.call("ask", text="Next.", session=first["session"])).is_error:
            pass  # until the server has read that the call is cancelled
        assert asked.structured_content["answer"] == "2: Next."
        assert "hold this" not in one.read(first["conversation"]).text


def test_a_client_that_vanishes_in_mid_answer_costs_the_others_nothing(server, held, other):
    url = server[0]
    arguments = {"name": "ask", "arguments": {"text": "hold, I am going"}}
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as connection:
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        begun = httpx.post(url, json=_request("initialize", _HELLO), headers=headers)
        body = json.dumps(_request("tools/call", arguments)).encode()
        headers |= {"Host": f"127.0.0.1:{httpx.URL(url).port}", "Content-Length": str(len(body))}
        headers["Mcp-Session-Id"] = begun.headers["mcp-session-id"]
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        assert held.asked.acquire(timeout=20)
    assert other.told("ask", text="I stay.")["answer"] == "1: I stay."
    held.release.set()
    assert other.told("ask", text="hold no more.")["answer"] == "1: hold no more."


def test_a_cancelled_run_keeps_what_is_finished_and_is_gone_on_with(other, held):
    questions = [{"text": text} for text in ("First?", "Second?", "hold this?")]
    job = other.told("start_run", questions=questions)["job"]
    assert held.asked.acquire(timeout=20)
    while other.told("run_status", job=job, wait=0.1)["done"] < 2:
        pass
    assert other.refused("start_run", run=job)["kind"] == "busy"
    cancelled = other.told("cancel_run", job=job)
    assert (cancelled["state"], cancelled["ok"]) == ("cancelled", 2)
    held.release.set()
    assert other.told("start_run", run=job)["job"] == job
    done = other.told("run_status", job=job, wait=30)
    assert (done["state"], done["ok"], done["done"]) == ("done", 3, 1)


def test_a_job_that_waits_is_cancelled_before_it_begins(other, held):
    first = other.told("start_run", questions=[{"text": "hold the line?"}])["job"]
    waiting = other.told("start_run", questions=[{"text": "Me too?"}])["job"]
    assert other.told("run_status", job=waiting)["state"] == "queued"
    assert other.told("cancel_run", job=waiting)["state"] == "cancelled"
    held.release.set()
    assert other.told("run_status", job=first, wait=30)["state"] == "done"


_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def _request(method, params, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def test_pages_of_other_sites_and_other_names_are_kept_out(server):
    headers = {"Accept": "application/json, text/event-stream"}

    def status(**more):
        return httpx.post(server[0], json=_request("initialize", _HELLO), headers=headers | more).status_code

    assert status() == 200
    assert status(Origin=server[0].removesuffix("/mcp")) == 200
    assert status(Origin="https://evil.example") == 403
    assert status(Host="evil.example") == 421
    assert httpx.get(server[0].replace("/mcp", "/clips/x.wav"), headers={"Host": "evil.example"}).status_code == 421
    assert httpx.post(server[0], content=b"no JSON", headers=headers | {"Content-Type": "application/json"}).is_error


def test_a_token_is_asked_for_where_one_is_set(tmp_path):
    with serving(*FAKE, f"output_dir={tmp_path}", token="open sesame") as (url, _):
        assert httpx.get(url.replace("/mcp", "/clips/x.wav")).status_code == 401
        for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "open sesame"}):
            response = httpx.post(url, json={}, headers=given)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
        with assistant(over_http(url, "open sesame")) as one:
            assert one.told("ask", text="Hello?")["answer"] == "Hello?"


def test_a_server_for_other_machines_needs_a_token(capsys):
    assert main(["mcp", *FAKE, "--http", "mcp.host=0.0.0.0"]) == 2
    assert "set VOICEGEN_TOKEN" in capsys.readouterr().err


def test_an_address_that_is_taken_is_told_in_one_line(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["mcp", *FAKE, f"output_dir={tmp_path}", "--http", "--port", port]) == 2
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


def test_documents_are_searched_and_no_tool_says_so_where_there_are_none(tmp_path, other):
    assert "search_documents" not in [tool.name for tool in other.portal.call(other.client.list_tools).tools]
    index = tmp_path / "documents.npz"
    assert main(["index", str(ROOT / "data/documents"), "--to", str(index)]) == 0
    with serving(*FAKE, f"output_dir={tmp_path}", f"mcp.docs={index}") as (url, _), assistant(over_http(url)) as one:
        assert [tool.name for tool in one.portal.call(one.client.list_tools).tools][-1] == "search_documents"
        found = one.told("search_documents", question="When can I climb the tower?", k=3)["passages"]
        assert len(found) == 3
        assert "The tower is open from May to September" in found[0]["text"]
        assert found[0]["source"].startswith("lighthouse.md")
        assert one.refused("search_documents", question="")["fields"].keys() == {"question"}
        assert one.refused("search_documents", question="Hi?", k=0)["fields"].keys() == {"k"}


def test_an_index_that_is_not_there_is_told_before_the_server_starts(tmp_path, capsys):
    assert main(["mcp", *FAKE, f"output_dir={tmp_path}", "--docs", str(tmp_path / "none.npz")]) == 2
    assert "none.npz" in capsys.readouterr().err


def test_the_readmes_lines_start_a_server_that_ends_with_its_input(tmp_path):
    readme = (ROOT / "README.md").read_text("utf-8")
    entry = json.loads(re.search(r"```json\n(.*?)```", readme, re.DOTALL)[1])["mcpServers"]["voicegen"]
    assert f"claude mcp add voicegen -- {entry['command']} {' '.join(entry['args'])}\n" in readme
    uv, words = entry["args"][:5], entry["args"][6:]
    assert uv == ["run", "--directory", "/path/to/voicegen", "--extra", "mcp"]

    run = {"name": "start_run", "arguments": {"questions": [{"text": "Is it so?"}] * 50}}
    calls = [_request("initialize", _HELLO), {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    lines = [*map(json.dumps, calls), "this is no JSON", json.dumps(_request("tools/call", run, 2))]
    ended = voicegen(*words, *FAKE, cwd=tmp_path, stdin="\n".join(lines) + "\n")
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert told[0]["result"]["serverInfo"]["name"] == "voicegen"
    assert all(message["jsonrpc"] == "2.0" for message in told)
