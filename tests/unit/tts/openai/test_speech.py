"""Speech through a server: what it is asked, what is made of its replies, and what ends a run."""

import io
import json
import struct
import threading
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.openai_server import Behaviour, Exchange, ScriptedServer, fails, hangs_up, serving, writes
from voicegen import build
from voicegen.errors import ConfigError, ModelError
from voicegen.job.composing import compose
from voicegen.protocols import SpeechModel
from voicegen.quality.verdict import judge
from voicegen.records import Failure, Speech, Utterance
from voicegen.servers.endpoint import Endpoint
from voicegen.tts.backends import open_speech_model
from voicegen.tts.openai.speech import OpenAISpeech

RATE = 16_000
TEXTS = [f"Number {number}." for number in range(6)]


def tone(seconds: float = 0.1, rate: int = RATE) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def wav(samples: np.ndarray | None = None, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone() if samples is None else samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def plays(data: bytes, **headers: str) -> Behaviour:
    return lambda exchange: exchange.send(200, data, **headers)


def hums(exchange: Exchange) -> None:
    """A take whose length is that of its text."""
    exchange.send(200, wav(tone(0.01 * len(exchange.request.body["input"]))))


def configured(script: ScriptedServer, *overrides: str) -> SpeechModel:
    return build.speech_model(compose(["chat=echo", "tts=openai", "tts.model=m", *overrides, *at(script)]))


def at(script: ScriptedServer) -> list[str]:
    return [f"tts.base_url={script.base_url}", "tts.timeout=10"]


def model(script: ScriptedServer, retries: int = 2, timeout: float = 10, **settings: Any) -> OpenAISpeech:
    endpoint = Endpoint("m", script.base_url, timeout=timeout, retries=retries, backoff=0.001, group="tts")
    return OpenAISpeech.open(endpoint, **settings)


def utterances(count: int = 6, voice: str | None = None) -> list[Utterance]:
    return [Utterance(number, text, voice, seed=number) for number, text in enumerate(TEXTS[:count])]


def spoken(model: SpeechModel, *given: Utterance) -> dict[int, Speech | Failure]:
    records = list(model.speak(given or utterances()))
    return {r.utterance.index if isinstance(r, Speech) else r.index: r for r in records}


def only(model: SpeechModel) -> Speech | Failure:
    return spoken(model, *utterances(1))[0]


def test_every_text_is_spoken_once_by_several_requests_at_a_time() -> None:
    together = threading.Barrier(3)

    def meets(exchange: Exchange) -> None:
        if exchange.request.body["input"] != "Yes.":
            together.wait(10)  # breaks unless three are under way at once
        hums(exchange)

    with serving(meets) as script:
        takes = spoken(model(script, concurrency=3))
    assert sorted(takes) == list(range(6))
    for take in takes.values():
        assert isinstance(take, Speech), take
        assert (take.sampling_rate, take.finish_reason, judge(take).status) == (RATE, "stop", "ok")
        assert len(take.samples) == pytest.approx(0.01 * len(take.utterance.text) * RATE, abs=2)
    assert script.most_at_once == 3


def test_the_request_says_what_is_to_be_spoken_and_how() -> None:
    with serving(hums) as script:
        speech = configured(script, "tts.speed=1.5", "tts.extra={language: English}")
        spoken(speech, Utterance(0, "Hello.", "vivian", seed=2**31 + 5))
    assert script.requests[-1].path == "/v1/audio/speech"
    assert script.requests[-1].body == {
        "model": "m",
        "input": "Hello.",
        "voice": "vivian",
        "response_format": "wav",
        "speed": 1.5,
        "max_new_tokens": 2048,
        "seed": 5,
        "language": "English",
    }


def test_bare_samples_are_taken_at_the_rate_that_the_settings_say() -> None:
    samples = (tone() * 32767).astype("<i2")
    with serving(plays(samples.tobytes())) as script:
        take = only(model(script, response_format="pcm", pcm_rate=22_050))
    assert isinstance(take, Speech)
    assert take.sampling_rate == 22_050
    np.testing.assert_allclose(take.samples, tone(), atol=1e-3)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_that_was_written_as_a_stream_is_read_to_its_end(size: int) -> None:
    data = bytearray(wav())
    struct.pack_into("<I", data, data.index(b"data") + 4, size)
    with serving(plays(bytes(data))) as script:
        take = only(model(script))
    assert isinstance(take, Speech)
    assert len(take.samples) == len(tone())


def test_stereo_and_another_rate_than_the_first_takes_become_one_channel_at_one_rate() -> None:
    stereo = np.stack([tone(0.2, 48_000), tone(0.2, 48_000)], axis=1)
    with serving(plays(wav()), plays(wav(stereo, 48_000))) as script:
        take = only(model(script))
    assert isinstance(take, Speech)
    assert (take.samples.ndim, take.sampling_rate) == (1, RATE)
    assert len(take.samples) == pytest.approx(0.2 * RATE, abs=2)


@pytest.mark.parametrize("headers", [{"X_Finish_Reason": "length"}, {"x_vllm_omni_output_tokens": "2048"}])
def test_a_take_that_the_server_says_was_cut_is_never_ok(headers: dict[str, str]) -> None:
    with serving(plays(wav(), **headers)) as script:
        take = only(model(script))
    assert isinstance(take, Speech)
    assert (take.finish_reason, judge(take).status) == ("length", "rejected")


def test_a_take_with_room_left_is_whole() -> None:
    with serving(plays(wav(), X_Finish_Reason="stop", x_vllm_omni_output_tokens="2047")) as script:
        assert isinstance(take := only(model(script)), Speech)
    assert take.finish_reason == "stop"


@pytest.mark.parametrize(
    "misbehaves",
    [
        fails(500),
        fails(429),
        hangs_up,
        writes("<html>Bad gateway</html>"),
        writes('{"error": "busy"}'),
        writes(""),
        plays(wav()[:-100]),
    ],
)
def test_what_may_pass_is_tried_again(misbehaves: Any) -> None:
    with serving(hums, misbehaves, misbehaves, hums) as script:
        assert isinstance(only(model(script)), Speech)
    assert len(script.requests) == 4


@pytest.mark.parametrize("data", [b"<html>Bad gateway</html>", b"\0\0\0", wav()])
def test_bare_samples_that_cannot_be_any_are_no_speech(data: bytes) -> None:
    samples = plays((tone() * 32767).astype("<i2").tobytes())
    with serving(samples, plays(data)) as script:
        assert isinstance(only(model(script, response_format="pcm")), Failure)


def test_a_text_that_the_server_refuses_fails_alone_with_its_reason() -> None:
    def picky(exchange: Exchange) -> None:
        (fails(400, "too rude") if exchange.request.body["input"] == TEXTS[3] else hums)(exchange)

    with serving(picky) as script:
        takes = spoken(model(script))
    failures = [take for take in takes.values() if isinstance(take, Failure)]
    assert [(failure.index, failure.stage) for failure in failures] == [(3, "tts")]
    assert "answered 400: too rude" in failures[0].error


def test_a_server_that_no_longer_speaks_ends_the_run_with_one_line() -> None:
    with serving(hums, fails(500, "out of order")) as script, pytest.raises(ModelError, match="out of order"):
        list(model(script).speak(Utterance(number, "Hello.") for number in range(200)))
    assert len(script.requests) < 100


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (fails(500, "oh"), "answered 500: oh (after 3 tries)"),
        (writes("<html>"), "reply is no audio: '<html>' (after 3"),
    ],
)
def test_a_few_texts_on_which_a_working_server_fails_are_lost_alone(misbehaves: Any, reason: str) -> None:
    with serving(hums, misbehaves) as script:
        takes = spoken(model(script, concurrency=1))
    assert len(takes) == 6
    for take in takes.values():
        assert isinstance(take, Failure)
        assert reason in take.error
        assert script.base_url in take.error


def test_a_server_without_a_batch_endpoint_is_known_before_the_first_row() -> None:
    with serving(fails(404, "Not Found")) as script, pytest.raises(ModelError, match=r"wants tts\.batch_size=1"):
        model(script, batch_size=4)


def test_a_server_that_is_slow_is_given_up_at_the_deadline() -> None:
    def waits(exchange: Exchange) -> None:
        script.stopping.wait(10)

    with (
        serving(waits) as script,
        pytest.raises(ModelError, match=r"gave no whole answer within 0\.5 s \(tts\.timeout\)"),
    ):
        only(OpenAISpeech(Endpoint("m", script.base_url, timeout=0.5, retries=0, group="tts")))


@pytest.mark.parametrize(
    ("misbehaves", "message"),
    [
        (fails(401, "bad key"), "wants another key: set OPENAI_API_KEY"),
        (fails(404, "no model"), r"Check tts\.base_url and tts\.model \('m'\)"),
        (
            fails(400, "voice is needed"),
            r"answered 400: voice is needed\. Check tts\.model, voice\.names and tts\.extra",
        ),
        (
            fails(500, "oh"),
            r"500: oh \(after 3 tries\), and nothing else had a reply\. Check the server and tts\.base_url",
        ),
        (
            writes("<html>Log in</html>"),
            r"/v1: the server's reply is no audio: '<html>Log in.* Check the server and tts\.",
        ),
        (fails(503, "full", Retry_After="0"), r"Lower tts\.concurrency, or come back later"),
    ],
)
def test_a_server_that_cannot_speak_is_known_before_the_first_row(misbehaves: Any, message: str) -> None:
    with serving(misbehaves) as script, pytest.raises(ModelError, match=message):
        model(script)


def test_a_server_that_is_not_there_is_known_when_it_is_looked_for() -> None:
    config = compose(["chat=echo", "tts=openai", "tts.model=m", "tts.base_url=http://127.0.0.1:9/v1"])
    with pytest.raises(ModelError, match=r"can't be reached: .*Is the server running\? Check tts\.base_url"):
        build.look(config)


@pytest.mark.parametrize("voices", [["vivian", "ryan"], [{"id": "vivian", "name": "V"}, {"name": "ryan"}]])
def test_voices_that_the_server_lists_are_known_and_others_refused_before_anything_is_spoken(voices: list[Any]) -> None:
    def config(names: str) -> Any:
        return compose(["chat=echo", "tts=openai", "tts.model=m", f"voice.names=[{names}]", *at(script)])

    with serving(hums) as script:
        script.voices = voices
        build.look(config("Vivian, vivian+ryan"))
        with pytest.raises(ModelError, match="has no voice 'nobody': it has vivian, ryan"):
            build.look(config("nobody"))
        check = build.speech_model(config("ryan")).traits.check_voices
        assert check is not None
        with pytest.raises(ModelError):
            check(["nobody"])
    assert {request.path for request in script.requests} == {"/v1/audio/speech"}


def test_a_server_without_a_list_of_voices_is_asked_for_any() -> None:
    with serving(hums) as script:
        assert model(script, voice="somebody").traits.check_voices is None
    assert script.requests[0].body["voice"] == "somebody"


def test_recordings_of_voices_are_refused_as_no_server_is_given_them() -> None:
    words = ["chat=echo", "tts=openai", "tts.model=m", "voice.prompts={me: {audio: me.wav, transcript: Hi}}"]
    with pytest.raises(ConfigError, match=r"a server's are named by voice\.names"):
        build.look(compose(words))


def test_a_batch_speaks_many_texts_a_request_and_fails_the_ones_that_the_server_could_not() -> None:
    def batch(exchange: Exchange) -> None:
        results = []
        for place, item in enumerate(exchange.request.body["items"]):
            if item["input"] == TEXTS[1]:
                results.append({"index": place, "status": "error", "error": "cannot say it"})
                continue
            tokens = 2048 if item["input"] == TEXTS[2] else 80
            audio = b64encode(wav()).decode()
            results.append(
                {"index": place, "status": "success", "audio_data": audio, "usage": {"output_tokens": tokens}}
            )
        exchange.send(200, json.dumps({"results": list(reversed(results))}))

    with serving(batch) as script:
        speech = model(script, batch_size=4, concurrency=1)
        takes = spoken(speech, *utterances(6, voice="ryan"))
    assert [len(request.body["items"]) for request in script.requests] == [1, 4, 2]
    assert {request.path for request in script.requests} == {"/v1/audio/speech/batch"}
    assert script.requests[1].body["items"][0]["voice"] == "ryan"
    assert sorted(takes) == list(range(6))
    assert isinstance(takes[1], Failure)
    assert "cannot say it" in takes[1].error
    reasons = {index: take.finish_reason for index, take in takes.items() if isinstance(take, Speech)}
    assert reasons == {0: "stop", 2: "length", 3: "stop", 4: "stop", 5: "stop"}


@pytest.mark.parametrize("reply", ["[]", "{}", '{"results": []}', '{"results": [{"index": 0, "status": "success"}]}',
                                   '{"results": [{"index": 0, "status": "success", "audio_data": "*"}]}'])  # fmt: skip
def test_a_batch_that_comes_back_misshapen_is_tried_again_and_then_fails_its_rows(reply: str) -> None:
    whole = json.dumps({"results": [{"index": 0, "status": "success", "audio_data": b64encode(wav()).decode()}]})
    with serving(writes(whole), writes(reply)) as script:
        assert isinstance(only(model(script, batch_size=4)), Failure)
    assert len(script.requests) == 4


def test_a_source_with_nothing_ready_does_not_hold_up_what_is_there() -> None:
    said: list[int] = []

    def source() -> Any:
        yield utterances(1)[0]
        while not said:
            yield None
        yield utterances(2)[1]

    with serving(hums) as script:
        for take in model(script).speak(source()):
            assert isinstance(take, Speech)
            said.append(take.utterance.index)
    assert said == [0, 1]


def test_a_servers_model_is_had_by_its_address_and_name() -> None:
    with serving(hums) as script:
        speech = open_speech_model(f"{script.base_url}#kokoro")
        assert (speech.info.id, speech.info.backend, speech.sample_rate) == ("kokoro", "openai", RATE)
        with pytest.raises(ConfigError, match="#MODEL"):
            open_speech_model(script.base_url)


def in_batch(**result: Any) -> Behaviour:
    """A batch's reply with one good take."""
    took = {"index": 0, "status": "success", "audio_data": b64encode(wav()).decode(), **result}
    return writes(json.dumps({"results": [took]}))


@pytest.mark.parametrize("usage", [None, "x", [1], 7, {"output_tokens": None}, {"output_tokens": "9" * 5000}, {}])
def test_a_count_of_tokens_that_cannot_be_read_is_unknown_and_costs_no_take(usage: Any) -> None:
    with serving(in_batch(usage=usage, finish_reason=None)) as script:
        take = only(model(script, batch_size=2))
    assert isinstance(take, Speech)
    assert take.finish_reason == "stop"


@pytest.mark.parametrize("tokens", ["x", "", "-1", "1e9", "9" * 5000, "\xb2"])
def test_a_count_of_tokens_in_a_header_that_cannot_be_read_is_unknown_too(tokens: str) -> None:
    with serving(plays(wav(), x_vllm_omni_output_tokens=tokens)) as script:
        take = only(model(script))
    assert isinstance(take, Speech)
    assert take.finish_reason == "stop"


def drips(exchange: Exchange) -> None:
    exchange.handler.send_response(200)
    exchange.handler.end_headers()
    never = threading.Event()
    while not never.wait(0.01):
        exchange.handler.wfile.write(b" ")
        exchange.handler.wfile.flush()


def test_a_take_that_drips_is_given_up_at_the_deadline() -> None:
    with serving(hums, drips) as script:
        take = only(model(script, timeout=0.5, retries=0))
    assert isinstance(take, Failure)
    assert "gave no whole answer within 0.5 s (tts.timeout)" in take.error


@pytest.mark.parametrize(
    "shows", [drips, writes("<html>Log in</html>"), writes("[" * 5000), writes('{"voices": 7}'), fails(500), hangs_up]
)
def test_a_list_of_voices_that_cannot_be_read_is_none(shows: Any) -> None:
    with serving(hums) as script:
        script.shows = shows
        assert model(script, timeout=0.5).traits.check_voices is None


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_no_error_shows_the_key_or_the_password(status: int, batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-geheim'0/1")

    def echoes_secrets(exchange: Exchange) -> None:
        said = f"not {exchange.request.headers['authorization']} at http://me:pass-word@there/"
        failed = {"index": 0, "status": "error", "error": said}
        exchange.send(status, json.dumps({"results": [failed]}) if status == 200 and batch_size > 1 else said)

    with serving(echoes_secrets) as script, pytest.raises(ModelError) as raised:
        model(script, retries=0, batch_size=batch_size)
    assert not [secret for secret in ("geheim", "pass-word") if secret in str(raised.value)]
    assert script.base_url in str(raised.value)
    assert "tts." in str(raised.value) or "OPENAI_API_KEY" in str(raised.value)
    assert "\n" not in str(raised.value)
