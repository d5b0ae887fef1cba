"""`voicegen serve`: who is let in, several clients at once, a run of ours as a client, and the command itself."""

import io
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
import soundfile

from tests.product import cold_start, voicegen
from tests.talker import HELLO, Talker
from tests.web_server import web_server
from voicegen.chat.echo import EchoChatModel
from voicegen.protocols import ReplyPart
from voicegen.records import ChatUsage, Delta, ModelInfo
from voicegen.sharing.chat import ChatInOneBatch
from voicegen.sharing.thread import ModelThread
from voicegen.tts.tone import ToneSpeech
from voicegen.webserver.engine import Engine


def test_pages_of_other_sites_and_other_names_for_this_machine_stay_out():
    with web_server() as url:
        port = httpx.URL(url).port
        for headers, status in (
            ({}, 200),
            ({"Origin": f"http://127.0.0.1:{port}"}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://["}, 403),
            ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
            ({"Host": "["}, 403),
        ):
            assert httpx.get(f"{url}v1/models", headers=headers).status_code == status, headers


def test_whoever_has_the_token_may_come_in_from_elsewhere():
    with web_server(
        None, None, "serve.host=0.0.0.0", "serve.origins=['https://talk.example.org']", token="s3cret"
    ) as url:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer other"}, 401),
            ({"Authorization": "Bearer s3cret", "Host": "my.machine"}, 200),
            ({"Authorization": "Bearer s3cret", "Origin": "https://talk.example.org"}, 200),
            ({"Authorization": "Bearer s3cret", "Origin": "https://evil.example"}, 403),
        ):
            assert httpx.get(f"{url}v1/models", headers=headers).status_code == status, headers
        asks_first = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin, allowed in (
            ("https://talk.example.org", "https://talk.example.org"),
            ("https://evil.example", None),
        ):
            reply = httpx.options(f"{url}v1/chat/completions", headers={"Origin": origin, **asks_first})
            assert reply.headers.get("Access-Control-Allow-Origin") == allowed


def test_more_clients_than_there_are_seats_are_told_to_come_again():
    talker = Talker()
    with (
        web_server(talker, None, "serve.max_clients=1") as url,
        openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client,
    ):
        reply = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "endless"}], stream=True
        )
        next(iter(reply))
        for ask in (
            lambda: client.chat.completions.create(model="any", messages=HELLO),
            lambda: client.chat.completions.create(model="any", messages=HELLO, stream=True),
            lambda: client.audio.speech.create(model="any", voice="", input="Hi.", response_format="pcm"),
        ):
            with pytest.raises(openai.RateLimitError, match="try again soon"):
                ask()
        reply.close()


def test_several_clients_have_answers_of_their_own():
    with web_server(EchoChatModel()) as url, openai.OpenAI(base_url=f"{url}v1", api_key="none") as client:

        def ask(number):
            text = f"say {number} and no other number than {number}"
            reply = client.chat.completions.create(model="any", messages=[{"role": "user", "content": text}])
            audio = client.audio.speech.create(model="any", voice="", input=text, response_format="wav").content
            return reply.choices[0].message.content == text, len(soundfile.read(io.BytesIO(audio))[0])

        with ThreadPoolExecutor(6) as clients:
            found = list(clients.map(ask, range(6)))
    assert {right for right, _ in found} == {True}


def test_what_clients_ask_at_once_is_one_batch_and_who_leaves_is_left_out_of_it():
    class Gathering:
        """A `ChatBatch` that gives a part of each reply in turn, and none before three are in hand."""

        info, context_length = ModelInfo("gathering", "test"), 1000

        def __init__(self):
            self.most, self.left = 0, threading.Event()

        def count_tokens(self, messages, tools=()):
            return len(messages)

        def work(self, asked, is_wanted):
            in_hand, begun = {}, False
            for one in asked:
                if one is not None:
                    in_hand[one.index] = one
                begun = begun or len(in_hand) == 3
                self.most = max(self.most, len(in_hand))
                for index, request in tuple(in_hand.items()) if begun else ():
                    if not is_wanted(index):
                        del in_hand[index]
                        self.left.set()
                    else:
                        yield ReplyPart(index, Delta("more "))
                        if request.messages[-1].content != "endless":
                            del in_hand[index]
                            yield ReplyPart(index, ChatUsage("stop", 1, 1))

    model = Gathering()
    engine = Engine(ChatInOneBatch(lambda: model), ModelThread(lambda: ToneSpeech(24_000, None), "voice"))

    def ask(text):
        with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
            asked = [{"role": "user", "content": text}]
            reply = client.chat.completions.create(model="any", messages=asked, stream=True)
            said = next(iter(reply)).choices[0].delta.content
            reply.close()
            return said

    with web_server(engine=engine) as url, ThreadPoolExecutor(3) as clients:
        assert list(clients.map(ask, ["one", "two", "endless"])) == ["more "] * 3
        assert model.left.wait(20)
    assert model.most == 3


def test_a_run_of_ours_may_have_its_answers_and_its_voice_from_the_server(tmp_path):
    with web_server() as url:
        server = [f"{group}.{key}" for group in ("chat", "tts") for key in (f"base_url={url}v1", "model=any")]
        done = voicegen("run", "chat=openai", "tts=openai", *server, "quality=off", "questions.limit=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 ok, 0 rejected, 0 failed" in done.stdout


def test_the_command_serves_until_ctrl_c(tmp_path):
    process = cold_start("serve", "preset=fake", "--port", "0", cwd=tmp_path)
    try:
        url = next(line for line in iter(process.stderr.readline, "") if "voicegen is at" in line).split()[3]
        with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
            reply = client.chat.completions.create(model="any", messages=HELLO)
            assert reply.choices[0].message.content == "hello out there"
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--host", "0.0.0.0"), "serve.host=0.0.0.0 lets other machines in: put a token in VOICEGEN_TOKEN"),
        (("--host", "203.0.113.7", "serve.token_env=PATH"), "can't be listened on"),
        (("--port", "99999"), "serve.port=99999: it must be less than or equal to 65535"),
    ],
)
def test_what_keeps_a_server_from_beginning_is_told_in_one_line(tmp_path, words, message):
    done = voicegen("serve", "preset=fake", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
