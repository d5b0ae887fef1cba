"""A conversation over `/v1/realtime`, as OpenAI's own client has it."""

import base64
import json
import threading
from contextlib import contextmanager

import numpy as np
import openai
import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.spoken_questions import CAPITAL, among_silence, said
from tests.web_server import engine_of, web_server
from voicegen.chat.echo import EchoChatModel
from voicegen.errors import ModelError
from voicegen.records import ChatUsage, Delta, ModelInfo
from voicegen.webserver.ears import Ears
from voicegen.webserver.engine import RATE
from voicegen.webserver.pcm import pcm_bytes, pcm_samples

KNOWN = TypeAdapter(RealtimeServerEvent)
PIECE = 2400


class Talker(EchoChatModel):
    """Repeats what is asked; tells a story without end where that is asked for; fails where it is told to."""

    info = ModelInfo("talker", "test")
    context_length = 10_000_000  # words: a story may have become long before it is interrupted

    def __init__(self):
        super().__init__()
        self.asked = []
        self.told = threading.Event()

    def stream(self, messages, options, tools=()):
        self.asked.append([(message.role.value, message.content) for message in messages])
        match messages[-1].content:
            case "story":
                try:
                    while True:
                        yield Delta("And then there was another one. ")
                finally:
                    self.told.set()
            case "fail":
                raise ModelError("the model can't")
            case "nothing":
                self.told.clear()
                try:
                    while True:
                        yield Delta("")
                finally:
                    self.told.set()
            case _:
                yield from super().stream(messages, options, tools)
                return
        yield ChatUsage("stop", 1, 1)


@pytest.fixture(scope="module")
def ears():
    return Ears.load("whisper-tiny.en", "en")


@pytest.fixture(scope="module")
def talker():
    return Talker()


@pytest.fixture(scope="module")
def url(talker, ears):
    with web_server(engine=engine_of(talker, ears=ears), **{"serve.max_clients": 3}) as url:
        yield url


class Talk:
    """One connection; every event that comes is one that OpenAI's client knows, whole."""

    def __init__(self, connection):
        self.connection = connection
        self.events = []
        self.created = self.until("session.created")
        self.id = self.created.session.id

    def send(self, kind, **fields):
        self.connection.send({"type": kind, **fields})

    def ask(self, text, **response):
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self.send("response.create", **({"response": response} if response else {}))

    def say(self, samples):
        for start in range(0, len(samples), PIECE):
            audio = base64.b64encode(pcm_bytes(samples[start : start + PIECE])).decode()
            self.send("input_audio_buffer.append", audio=audio)

    def next(self):
        raw = self.connection.recv_bytes()
        KNOWN.validate_python(json.loads(raw), strict=True)
        event = self.connection.parse_event(raw)
        self.events.append(event)
        return event

    def until(self, kind):
        while (event := self.next()).type != kind:
            assert event.type != "error" or kind == "error", event
        return event

    def of(self, kind):
        return [event for event in self.events if event.type == kind]

    @property
    def audio(self):
        data = b"".join(base64.b64decode(event.delta) for event in self.of("response.output_audio.delta"))
        return pcm_samples(data)


@contextmanager
def talking(url, **query):
    with (
        openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client,
        client.realtime.connect(model="any", extra_query=query) as connection,
    ):
        yield Talk(connection)


def test_a_question_in_writing_is_answered_in_writing_and_aloud(url):
    with talking(url) as talk:
        talk.ask("How are you today?")
        done = talk.until("response.done")
    assert done.response.status == "completed"
    assert done.response.output[0].content[0].transcript == "How are you today?"
    deltas = talk.of("response.output_audio_transcript.delta")
    assert [event.delta for event in deltas] == ["How", " are", " you", " today?"]
    assert len(talk.audio) / RATE > 0.5
    assert np.abs(talk.audio).max() > 0.1
    assert done.response.usage.output_tokens == 4


def test_an_answer_may_be_in_writing_alone(url):
    with talking(url) as talk:
        talk.ask("Good day.", output_modalities=["text"], max_output_tokens=1)
        done = talk.until("response.done")
    assert [event.delta for event in talk.of("response.output_text.delta")] == ["Good"]
    assert (done.response.status, done.response.status_details.reason) == ("incomplete", "max_output_tokens")
    assert len(talk.audio) == 0


def test_a_spoken_question_is_heard_and_answered(url):
    with talking(url) as talk:
        talk.say(among_silence(said(CAPITAL)))
        done = talk.until("response.done")
    kinds = [event.type for event in talk.events]
    places = [
        kinds.index(kind)
        for kind in (
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_audio.delta",
        )
    ]
    assert places == sorted(places)
    [heard] = talk.of("conversation.item.input_audio_transcription.completed")
    assert heard.transcript == CAPITAL
    assert done.response.output[0].content[0].transcript == CAPITAL
    [stopped] = talk.of("input_audio_buffer.speech_stopped")
    assert stopped.audio_end_ms == pytest.approx(1000 * (0.5 + len(said(CAPITAL)) / RATE + 0.4), abs=300)


def test_a_client_may_say_itself_where_a_question_ends(url):
    with talking(url) as talk:
        talk.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
        assert talk.until("session.updated").session.audio.input.turn_detection is None
        talk.say(said(CAPITAL))
        talk.send("input_audio_buffer.commit")
        talk.send("response.create")
        assert talk.until("response.done").response.output[0].content[0].transcript == CAPITAL
        talk.say(said(CAPITAL))
        talk.send("input_audio_buffer.clear")
        talk.until("input_audio_buffer.cleared")
        talk.send("input_audio_buffer.commit")
        assert talk.until("error").error.code == "input_audio_buffer_commit_empty"
        assert talk.of("input_audio_buffer.speech_started") == []


def test_a_question_may_be_an_item_of_audio(url):
    audio = base64.b64encode(pcm_bytes(said(CAPITAL))).decode()
    content = [{"type": "input_audio", "audio": audio}]
    with talking(url) as talk:
        talk.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        talk.send("response.create")
        assert talk.until("response.done").response.output[0].content[0].transcript == CAPITAL


def test_speaking_interrupts_the_answer(url, talker):
    talker.told.clear()
    with talking(url) as talk:
        talk.ask("story")
        talk.until("response.output_audio.delta")
        talk.say(among_silence(said(CAPITAL)))
        talk.until("input_audio_buffer.speech_started")
        told = talk.until("response.done").response
        assert (told.status, told.status_details.reason) == ("cancelled", "turn_detected")
        assert talker.told.wait(20)
        answer = talk.until("response.done").response
    assert answer.output[0].content[0].transcript == CAPITAL
    ended = next(place for place, event in enumerate(talk.events) if event.type == "response.done")
    assert {event.response_id for event in talk.events[ended:] if hasattr(event, "delta")} == {answer.id}
    roles = [role for role, _ in talker.asked[-1]]
    assert roles == ["user", "assistant", "user"]  # what was told of the story is remembered


def test_an_event_interrupts_the_answer_and_what_was_heard_of_it_is_kept(url, talker):
    with talking(url) as talk:
        talk.ask("story")
        delta = talk.until("response.output_audio.delta")
        talk.send("response.cancel")
        told = talk.until("response.done").response
        assert (told.status, told.status_details.reason) == ("cancelled", "client_cancelled")
        talk.send("conversation.item.truncate", item_id=delta.item_id, content_index=0, audio_end_ms=1500)
        talk.until("conversation.item.truncated")
        talk.ask("next")
        talk.until("response.done")
    (_, story), (_, heard), (_, last) = talker.asked[-1]
    assert (story, last) == ("story", "next")
    assert heard.startswith("And then")
    assert len(heard) < 60


def test_an_answer_that_is_broken_off_at_once_is_told_to_its_end_all_the_same(url, talker):
    with talking(url) as talk:
        talk.ask("story")
        talk.send("response.cancel")
        told = talk.until("response.done").response
        assert (told.status, told.status_details.reason) == ("cancelled", "client_cancelled")
        talk.ask("Well then.")
        assert talk.until("response.done").response.status == "completed"


def test_a_question_whose_answer_had_not_begun_is_asked_with_the_next(url, talker):
    with talking(url) as talk:
        talk.ask("nothing")
        talk.until("response.content_part.added")
        talk.send("response.cancel")
        talk.until("response.done")
        assert talker.told.wait(20)
        talk.ask("at all")
        talk.until("response.done")
    assert talker.asked[-1] == [("user", "nothing\nat all")]


def test_instructions_and_answers_from_elsewhere_are_part_of_the_conversation(url, talker):
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Four."}]}
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Two and two?"}]}
    with talking(url) as talk:
        talk.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        talk.until("session.updated")
        for item in (question, answer):
            talk.send("conversation.item.create", item=item)
        talk.ask("And one more?")
        talk.until("response.done")
    assert talker.asked[-1] == [
        ("system", "Be brief."),
        ("user", "Two and two?"),
        ("assistant", "Four."),
        ("user", "And one more?"),
    ]


def test_a_dropped_connection_goes_on_with_its_conversation(url, talker):
    with talking(url) as talk:
        talk.ask("one")
        talk.until("response.done")
    with talking(url, session=talk.id) as again:
        assert again.id == talk.id
        items = [again.until("conversation.item.done").item for _ in range(2)]
        assert [item.role for item in items] == ["user", "assistant"]
        again.ask("two")
        again.until("response.done")
    assert talker.asked[-1] == [("user", "one"), ("assistant", "one"), ("user", "two")]
    with talking(url, session="sess_unknown") as other:
        assert other.id != "sess_unknown"


def test_a_client_that_comes_back_takes_the_place_of_its_old_connection(url):
    with talking(url) as old, talking(url, session=old.id) as new:
        with pytest.raises(ConnectionClosed, match="goes on over another connection"):
            old.next()
        new.ask("still there?")
        assert new.until("response.done").response.status == "completed"


def test_two_clients_at_once_do_not_mix(url):
    with talking(url) as one, talking(url) as other:
        for talk, text in ((one, "I am one, and one only."), (other, "I am the other, and no other.")):
            talk.ask(text)
        for talk, text in ((one, "I am one, and one only."), (other, "I am the other, and no other.")):
            assert talk.until("response.done").response.output[0].content[0].transcript == text
            ids = {event.response_id for event in talk.events if hasattr(event, "response_id")}
            assert len(ids) == 1
    assert one.id != other.id


def test_what_cannot_be_is_told_and_the_conversation_goes_on(url):
    content = [{"type": "input_text", "text": "x" * 5000}]
    with talking(url) as talk:
        for event, message in (
            ({"type": "cat"}, "an event's type is one of session.update, input_audio_buffer.append"),
            ({"type": "session.update", "session": {"tools": [{"type": "function"}]}}, "session.tools: "),
            ({"type": "session.update", "session": {"temperature": 1}}, "session.temperature is not known here"),
            ({"type": "response.cancel"}, "no answer is under way"),
            ({"type": "response.create"}, "nothing was asked"),
            ({"type": "input_audio_buffer.append", "audio": "?"}, "audio is 16-bit little-endian samples in base64"),
            ({"type": "input_audio_buffer.append", "audio": "AAAA"}, "audio is 16-bit little-endian samples in base64"),
            (
                {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}},
                "the item has 5000 characters, and 4096 is the most",
            ),
            ({"type": "conversation.item.truncate", "item_id": "x", "audio_end_ms": 1}, "there is no spoken answer x"),
        ):
            talk.connection.send({**event, "event_id": "mine"})
            error = talk.until("error").error
            assert error.message.startswith(message), error
        talk.ask("fail")
        assert talk.until("error").error.message == "the model can't"
        assert talk.until("response.done").response.status == "failed"
        talk.ask("Well then.")
        assert talk.until("response.done").response.status == "completed"


def test_one_client_more_than_there_is_room_for_is_told_to_come_again(url):
    with talking(url), talking(url), talking(url), connect(f"{url.replace('http', 'ws')}v1/realtime") as fourth:
        assert "try again soon" in json.loads(fourth.recv())["error"]["message"]
        with pytest.raises(ConnectionClosed):
            fourth.recv()


def test_a_server_without_a_recognizer_says_so():
    with web_server() as url, talking(url) as talk:
        talk.say(np.zeros(PIECE, np.float32))
        assert "hears nothing" in talk.until("error").error.message


def test_the_websocket_asks_for_the_token_too():
    with web_server(token="s3cret") as url:
        with pytest.raises(Exception, match="401"):
            connect(f"{url.replace('http', 'ws')}v1/realtime")
        with connect(
            f"{url.replace('http', 'ws')}v1/realtime", subprotocols=["realtime", "openai-insecure-api-key.s3cret"]
        ) as socket:
            assert json.loads(socket.recv())["type"] == "session.created"
            assert socket.subprotocol == "realtime"
