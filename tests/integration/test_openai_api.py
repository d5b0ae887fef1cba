"""`voicegen serve` as programs use it: by OpenAI's own client."""

import io
import json

import httpx
import numpy as np
import openai
import pytest
import soundfile

from tests.talker import HELLO, Talker
from tests.web_server import web_server
from voicegen.protocols import Traits
from voicegen.records import ToolCall
from voicegen.tts.tone import ToneSpeech


class Voices(ToneSpeech):
    """Hums, in two voices that it knows."""

    @property
    def traits(self):
        return Traits(stream=self.stream, check_voices=self.check)

    def check(self, names):
        from voicegen.tts.voices import check_voice_name

        for name in names:
            check_voice_name(name, ("ann", "bob"))


@pytest.fixture(scope="module")
def talker():
    return Talker()


@pytest.fixture(scope="module")
def url(talker):
    with web_server(talker, Voices(24_000, None), "serve.max_text=200") as url:
        yield url


@pytest.fixture
def client(url):
    with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
        yield client


def samples(data):
    return soundfile.read(io.BytesIO(data), dtype="float32")


def test_a_reply_comes_whole_with_its_reasoning_apart_and_its_cost(client, talker):
    talker.seen.clear()
    asked = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "think"}]},
    ]
    reply = client.chat.completions.create(
        model="any", messages=asked, max_completion_tokens=7, temperature=0.5, seed=3, stop="###"
    )
    assert reply.choices[0].message.content == "Yes."
    assert reply.choices[0].message.reasoning_content == "Hm. "
    assert (reply.choices[0].finish_reason, reply.model, reply.usage.total_tokens) == ("stop", "talker", 7)
    [(messages, options, _)] = talker.seen
    assert [(message.role, message.content) for message in messages] == [("system", "Be brief."), ("user", "think")]
    assert (options.max_tokens, options.temperature, options.seed, options.stop) == (7, 0.5, 3, ("###",))


def test_a_reply_streams(client):
    chunks = list(
        client.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "think"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Yes."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_of_a_tool_and_its_result_go_both_ways(client, talker, stream):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    asked = [{"role": "user", "content": "call"}]
    reply = client.chat.completions.create(model="any", messages=asked, tools=[tool], stream=stream)
    chunks = list(reply) if stream else [reply]
    [call] = next(
        calls for one in chunks if (calls := getattr(one.choices[0], "delta" if stream else "message").tool_calls)
    )
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("c1", "add", {"a": 1})
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    called = {"id": call.id, "type": "function", "function": {"name": "add", "arguments": call.function.arguments}}
    told = [
        *asked,
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ]
    client.chat.completions.create(model="any", messages=told)
    assert talker.seen[-1][0][-2].tool_calls == (ToolCall("add", {"a": 1}, "c1"),)


def test_a_client_that_leaves_in_the_middle_ends_its_reply(client, talker):
    talker.closed.clear()
    reply = client.chat.completions.create(model="any", messages=[{"role": "user", "content": "endless"}], stream=True)
    assert next(iter(reply)).choices[0].delta.content == "more "
    reply.close()
    assert talker.closed.wait(20)
    assert client.chat.completions.create(model="any", messages=HELLO).choices[0].message.content == "Yes."


def test_a_text_is_spoken_in_every_format(client):
    lengths = set()
    for name in ("wav", "flac", "mp3", "opus"):
        audio, rate = samples(
            client.audio.speech.create(model="any", voice="ann", input="Hello.", response_format=name).content
        )
        lengths.add((len(audio), rate))
        assert np.abs(audio).max() > 0.1
    pcm = client.audio.speech.create(model="any", voice="ann", input="Hello.", response_format="pcm").content
    assert lengths == {(len(pcm) // 2, 24_000)}
    slow = client.audio.speech.create(
        model="any", voice="ann", input="Hello.", response_format="pcm", speed=0.5
    ).content
    assert len(slow) == pytest.approx(2 * len(pcm), rel=0.05)


def test_samples_come_while_the_rest_is_made(client):
    with client.audio.speech.with_streaming_response.create(
        model="any", voice="bob", input="A long sentence that takes its time.", response_format="pcm"
    ) as response:
        pieces = list(response.iter_bytes())
    assert len(pieces) > 1
    assert sum(map(len, pieces)) > 2 * 24_000


def test_what_cannot_be_had_is_told_in_one_line(client, url):
    for body, status, message in (
        ({"messages": []}, 400, "messages: it must have at least 1 of them"),
        ({"messages": HELLO, "n": 2}, 400, "n: it must be 1"),
        ({"messages": HELLO, "logit_bias": {"50256": -100}}, 400, "logit_bias: "),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            "messages.0.content: a part of the type 'image_url' cannot be read here: send text alone",
        ),
        ({"messages": HELLO, "top_a": 1}, 400, "top_a is not known here"),
        ({}, 400, "messages is missing"),
        ({"messages": [{"role": "cat", "content": "x"}]}, 400, "messages.0.role: it must be 'system'"),
    ):
        reply = httpx.post(f"{url}v1/chat/completions", json=body)
        assert (reply.status_code, reply.json()["error"]["message"].startswith(message)) == (status, True), reply.text
    assert "no JSON" in httpx.post(f"{url}v1/chat/completions", content=b"{").json()["error"]["message"]
    assert httpx.post(f"{url}v1/chat/completions", content=b"x" * 2**21).status_code == 413
    for words, message in (
        ({"voice": "anne"}, "the nearest names are ann, bob; GET /v1/audio/voices lists all"),
        ({"voice": "ann", "input": "x" * 201}, "201 characters, and 200 is the most"),
        ({"voice": "ann", "input": "***"}, "nothing to say aloud"),
        ({"voice": "ann", "speed": 9}, "speed: "),
        ({"voice": "ann", "instructions": "Whisper."}, "instructions: no voice here takes any: leave it out"),
        ({"voice": "ann", "extra_body": {"seed": -1}}, "seed: it must be greater than or equal to 0"),
        ({"voice": "ann", "extra_body": {"seed": 2**63}}, "seed: it must be"),
    ):
        with pytest.raises(openai.BadRequestError, match=message):
            client.audio.speech.create(**{"model": "any", "input": "Hello.", **words})


def test_an_address_or_a_method_that_there_is_not_is_told_as_any_other_error(client, url):
    with pytest.raises(openai.NotFoundError, match="POST /v1/embeddings is not to be had here: not found") as raised:
        client.embeddings.create(model="any", input="Hello.")
    assert raised.value.body == {
        "message": "POST /v1/embeddings is not to be had here: not found", "type": "invalid_request_error",
        "param": None, "code": None,
    }  # fmt: skip
    reply = httpx.get(f"{url}v1/chat/completions")
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert reply.json()["error"]["message"] == "GET /v1/chat/completions is not to be had here: method not allowed"


def test_an_error_that_nobody_foresaw_is_told_as_any_other_error(client):
    with pytest.raises(openai.InternalServerError) as raised:
        client.with_options(max_retries=0).chat.completions.create(
            model="any", messages=[{"role": "user", "content": "break"}]
        )
    assert raised.value.body["type"] == "server_error"


def test_voices_and_models_are_listed(url, client):
    assert [model.id for model in client.models.list()] == ["talker", "tone"]
    assert httpx.get(f"{url}v1/audio/voices").json()["default"] is None


def test_a_model_is_told_by_its_name(client):
    assert client.models.retrieve("talker").owned_by == "test"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o' here: there are talker, tone"):
        client.models.retrieve("gpt-4o")


def test_a_voice_of_openai_is_the_usual_one_and_the_answer_says_which_spoke(client):
    def voice_of(name):
        reply = client.audio.speech.with_raw_response.create(model="tts-1", voice=name, input="Hi.")
        return reply.headers["X-Voice"]

    assert [voice_of(name) for name in ("alloy", "shimmer", "default", "bob")] == ["default"] * 3 + ["bob"]


def test_what_common_clients_send_beside_is_let_pass_where_it_changes_nothing(client, talker):
    said = {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": [], "audio": None,
            "function_call": None, "tool_calls": None}  # fmt: skip
    client.chat.completions.create(
        model="gpt-4o", messages=[*HELLO, said, *HELLO], frequency_penalty=0.0, presence_penalty=0, logit_bias={},
        logprobs=False, n=1, user="me", metadata={"a": "b"}, verbosity="medium", store=False,
        extra_body={"top_k": 40, "min_p": 0.1, "repetition_penalty": 1.2},
    )  # fmt: skip
    options = talker.seen[-1][1]
    assert (options.top_k, options.min_p, options.repetition_penalty) == (40, 0.1, 1.2)
