import base64
import io
import json
import re

import httpx
import pytest
import soundfile

from tests.mcp_clients import assistant, over_http, serving
from tests.product import ROOT
from voicegen.cli import main

TOOLS = ["ask", "speak", "list_voices", "start_run", "run_status", "cancel_run"]


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
    assert client.refused("ask", text=["a"])["message"] == "text: it must be text"
    assert client.refused("ask", text=" ")["fields"] == {"text": "is empty"}
    assert "overrides" in client.refused("ask", text="Hi.", overrides=["chat=echo"])["fields"]
    assert "'nothing'" in client.refused("ask", text="Hi.", session="nothing")["message"]
    assert client.refused("ask", text="x" * 200_001)["message"] == "text: it may have 200000 characters at the most"
    assert client.refused("speak", text="![]()")["kind"] == "model"
    wrong = client.refused("speak", seed=-1, voice=7)
    assert wrong["fields"].keys() == {"text", "voice", "seed"}
    assert wrong["message"] == ("text is missing; voice: it must be text; seed: it must be greater than or equal to 0")
    assert client.refused("dance")["kind"] == "unknown_tool"
    assert client.refused("start_run")["fields"] == {"questions": "is missing"}
    assert "starter" in client.refused("start_run", questions=[{"text": "Hi?"}], config="../secret")["message"]
    assert (
        client.refused("start_run", questions=[{"text": "Hi?", "path": "x"}])["message"]
        == "questions.0.path is unknown"
    )
    assert client.refused("start_run", questions="Hi?")["message"] == "questions: it must be a list"
    wrong = client.refused("start_run", questions=[{"text": "Hi?"}], quality="best")
    assert wrong["message"] == "quality: it must be 'off', 'basic' or 'strict'"
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


def test_documents_are_searched_and_no_tool_says_so_where_there_are_none(tmp_path, other):
    assert "search_documents" not in [tool.name for tool in other.portal.call(other.client.list_tools).tools]
    index = tmp_path / "documents.npz"
    assert main(["index", str(ROOT / "data/documents"), "--to", str(index)]) == 0
    with (
        serving("preset=fake", f"output_dir={tmp_path}", f"mcp.docs={index}") as (url, _),
        assistant(over_http(url)) as one,
    ):
        assert [tool.name for tool in one.portal.call(one.client.list_tools).tools][-1] == "search_documents"
        found = one.told("search_documents", question="When can I climb the tower?", k=3)["passages"]
        assert len(found) == 3
        assert "The tower is open from May to September" in found[0]["text"]
        assert found[0]["source"].startswith("lighthouse.md")
        assert one.refused("search_documents", question="")["fields"].keys() == {"question"}
        assert one.refused("search_documents", question="Hi?", k=0)["fields"].keys() == {"k"}
