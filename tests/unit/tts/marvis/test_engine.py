from __future__ import annotations

import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.marvis_checkpoints import (
    AUDIO_EOS_TOKEN_ID,
    AUDIO_TOKEN_ID,
    random_weights,
    tiny_config,
    transformers_model,
    write_checkpoint,
)
from tests.marvis_reference import greedy_codes
from tests.mimi_checkpoints import tiny_mimi
from tests.speech_streams import ending
from tests.unit.tts.marvis.conftest import Loader
from voicegen.errors import ModelError
from voicegen.records import Failure, Speech
from voicegen.tts.marvis import Marvis, SpeechRequest
from voicegen.tts.marvis.codec import Codec
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.torch_mimi import TorchMimi

TEXTS = ("Hello.", "A longer sentence with some more in it.", "Hm, why?", "The fourth one: 42!", "Yes")


def requests(*texts: str, **settings: Any) -> list[SpeechRequest]:
    return [SpeechRequest(text, **settings) for text in texts]


class MimiOf:
    """A transformers model's own codec with the interface of `Codec`, one waveform at a time."""

    sample_rate = 24_000
    codebook_size = 32

    def __init__(self, model: Any) -> None:
        self.mimi = model.codec_model

    @torch.no_grad()
    def encode(self, samples: np.ndarray, rate: int) -> np.ndarray:
        assert rate == self.sample_rate
        return self.mimi.encode(torch.from_numpy(samples)[None, None]).audio_codes[0].numpy()

    @torch.no_grad()
    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        return [self.mimi.decode(torch.from_numpy(np.minimum(c, 31))[None]).audio_values[0, 0].numpy() for c in codes]

    def stream_decoder(self) -> Any:
        parts: list[np.ndarray] = []

        def push(codes: np.ndarray) -> np.ndarray:
            parts.append(codes)
            (samples,) = self.decode([np.concatenate(parts, axis=1)])
            return samples[len(samples) - 1920 * codes.shape[1] :]

        return SimpleNamespace(push=push)


def voice(mode: str, seconds: float = 0.5, seed: int = 0, transcript: str = "I said this.") -> Any:
    samples = np.random.default_rng(seed).normal(0, 0.3, int(24_000 * seconds)).astype(np.float32)
    return SimpleNamespace(audio=samples, sampling_rate=24_000, transcript=transcript, mode=mode)


@pytest.fixture(scope="module")
def theirs() -> dict[int, Any]:
    """transformers' model of the same weights, by seed."""
    return {seed: transformers_model(random_weights(tiny_config(), seed), tiny_config()) for seed in (0, 1, 2, 6)}


@pytest.fixture(scope="module")
def tiny_codec() -> Codec:
    return Codec(TorchMimi(tiny_mimi(num_quantizers=8, codebook_size=32)))


def generate(model: Any, frames: int, *ids: list[int], **inputs: Any) -> np.ndarray:
    """transformers' greedy codes (K, T)."""
    tokens = torch.tensor(ids)
    extra = {**inputs, "attention_mask": torch.ones_like(tokens)}
    return model.generate(tokens, do_sample=False, max_new_tokens=frames, **extra)[0].T.numpy()


@pytest.fixture(scope="module")
def their_greedy_codes(theirs: dict[int, Any]) -> Callable[[int, str, Marvis], np.ndarray]:
    """Twelve frames of each text by the model of each seed, which every format of it has to give."""
    made: dict[tuple[int, str], np.ndarray] = {}

    def codes(seed: int, text: str, engine: Marvis) -> np.ndarray:
        if (seed, text) not in made:
            made[seed, text] = generate(theirs[seed], 12, engine.tokenizer.encode(text, 0))
        return made[seed, text]

    return codes


@pytest.mark.parametrize("seed", [0, 1, 6])  # their best two logits are 1e-3 apart: more than any processor rounds
@pytest.mark.parametrize("fmt", ["native", "transformers"])
def test_greedy_codes_equal_those_of_transformers(
    seed: int, fmt: Any, load: Loader, their_greedy_codes: Callable[[int, str, Marvis], np.ndarray]
) -> None:
    engine = load(fmt, seed, slots=2)
    ours = engine.generate_codes(requests(*TEXTS), temperature=0, max_frames=12)
    for text, codes in zip(TEXTS, ours, strict=True):
        np.testing.assert_array_equal(codes, their_greedy_codes(seed, text, engine))


def test_a_model_of_other_depths_with_all_of_mimis_codes_speaks_as_transformers_does(tmp_path: Path) -> None:
    config = tiny_config(codebooks=32, audio_vocab=2051, num_hidden_layers=3)
    config["depth_decoder_config"]["num_hidden_layers"] = 1
    weights = random_weights(config, 4)
    engine = Marvis.load(write_checkpoint(tmp_path, config=config, weights=weights, codec_seed=None), "cpu", slots=2)
    model = transformers_model(weights, config)
    for text, codes in zip(
        TEXTS[:2], engine.generate_codes(requests(*TEXTS[:2]), temperature=0, max_frames=4), strict=True
    ):
        np.testing.assert_array_equal(codes, generate(model, 4, engine.tokenizer.encode(text, 0)))


def test_greedy_codes_after_context_audio_equal_those_of_transformers(load: Loader, theirs: dict[int, Any]) -> None:
    codec = MimiOf(theirs[1])
    engine = load("native", 1, codec=codec)
    said, heard = voice("context"), voice("context", 0.7, seed=5, transcript="And that.")
    tokenizer = engine.tokenizer
    asked = [SpeechRequest(text, voice=v) for text, v in zip(TEXTS, (said, heard, None, said, heard), strict=True)]
    for request, codes in zip(asked, engine.generate_codes(asked, temperature=0, max_frames=8), strict=True):
        ids, inputs = tokenizer.encode(request.text, 0), {}
        if request.voice:
            samples = torch.from_numpy(request.voice.audio)[None, None]
            frames = codec.encode(request.voice.audio, 24_000).shape[1]
            before = tokenizer.encode(request.voice.transcript, 0)
            ids = [*before, *[AUDIO_TOKEN_ID] * frames, AUDIO_EOS_TOKEN_ID, *ids]
            inputs = {"input_values": samples, "input_values_cutoffs": torch.tensor([[samples.shape[-1]]])}
        np.testing.assert_array_equal(codes, generate(theirs[1], 8, ids, **inputs))


def test_greedy_codes_equal_the_naive_reference_with_and_without_a_voice(load: Loader, theirs: dict[int, Any]) -> None:
    codec = MimiOf(theirs[2])
    engine = load("native", 2, codec=codec)
    config, weights = tiny_config(), random_weights(tiny_config(), 2)
    heard, encode = voice("match"), engine.tokenizer.encode
    codes = torch.from_numpy(codec.encode(heard.audio, 24_000))
    prompts: list[list[Any]] = [
        [encode("Hello.", 1)],
        [encode("I said this. Hello.", 0), codes],
        [encode("I said this.", 0), codes, torch.zeros(8, 1, dtype=torch.long), encode("Hello.", 0)],
    ]
    asked = [
        SpeechRequest("Hello.", speaker=1),
        SpeechRequest("Hello.", voice=heard),
        SpeechRequest("Hello.", voice=voice("context")),
    ]
    for prompt, ours in zip(prompts, engine.generate_codes(asked, 0, max_frames=6), strict=True):
        np.testing.assert_array_equal(ours, greedy_codes(prompt, 6, weights, config).numpy())


def test_takes_that_end_by_themselves_equal_the_naive_reference(load: Loader) -> None:
    sizes = {"codebooks": 2, "audio_vocab": 5}
    engine = load(seed=3, **sizes)
    config = tiny_config(**sizes)
    takes = engine.generate_takes(requests(*TEXTS), temperature=0, max_frames=24)
    for text, take in zip(TEXTS, takes, strict=True):
        expected = greedy_codes([engine.tokenizer.encode(text, 0)], 24, random_weights(config, 3), config)
        np.testing.assert_array_equal(take.codes, expected.numpy())
        assert take.finish_reason == ("length" if expected.shape[1] == 24 else "stop")


def test_all_formats_speak_alike(load: Loader) -> None:
    native, *others = (load(fmt) for fmt in ("native", "native-hf-names", "transformers"))
    expected = native.generate_codes(requests(*TEXTS), max_frames=6)
    for engine in others:
        for left, right in zip(expected, engine.generate_codes(requests(*TEXTS), max_frames=6), strict=True):
            np.testing.assert_array_equal(left, right)


def alone(engine: Marvis, request: SpeechRequest) -> np.ndarray:
    return engine.generate_codes([request], max_frames=20)[0]


@pytest.fixture(scope="module")
def with_slots(checkpoints: Callable[..., Path]) -> Callable[[int], Marvis]:
    """An engine of so many slots, which is loaded once."""
    return cache(lambda slots: Marvis.load(str(checkpoints(seed=1)), device="cpu", codec=None, slots=slots))


@pytest.fixture(scope="module")
def alone_codes(with_slots: Callable[[int], Marvis]) -> Callable[[str, int], np.ndarray]:
    """Twelve frames of a text and seed by itself."""
    return cache(lambda text, seed: alone(with_slots(1), SpeechRequest(text, seed=seed, max_frames=12)))


@settings(max_examples=15, deadline=None)
@given(
    slots=st.integers(1, 5),
    picks=st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, 1), st.integers(1, 12)), min_size=1, max_size=9),
    pauses=st.lists(st.booleans(), max_size=12),
)
def test_a_request_gives_the_same_codes_in_any_company(
    slots: int,
    picks: list[tuple[str, int, int]],
    pauses: list[bool],
    with_slots: Callable[[int], Marvis],
    alone_codes: Callable[[str, int], np.ndarray],
) -> None:
    engine = with_slots(slots)
    asked = [SpeechRequest(text, seed=seed, max_frames=frames) for text, seed, frames in picks]

    def arriving() -> Any:
        pausing = iter(pauses)
        for request in asked:
            while next(pausing, False):
                yield None
            yield engine.orders.order(request, 20)

    from voicegen.tts.marvis.drawing import Sampling

    takes = {take.order.tag: take.codes for take in engine.run(arriving(), Sampling()) if take}
    assert len(takes) == len(asked)
    for request in asked:
        expected = alone_codes(request.text, request.seed)
        np.testing.assert_array_equal(takes[request], expected[:, : request.max_frames])


def test_seeds_change_what_is_drawn_and_nothing_else_does(load: Loader) -> None:
    first, second, other = load().generate_codes(
        [SpeechRequest("Hello.", seed=1), SpeechRequest("Hello.", seed=1), SpeechRequest("Hello.", seed=2)],
        max_frames=8,
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_speech_comes_as_takes_end_and_nobody_swaps(load: Loader, theirs: dict[int, Any]) -> None:
    codec = MimiOf(theirs[0])
    engine = load(codec=codec, slots=2)
    lengths = [9, 2, 5, 3, 1, 7, 4]
    asked = [SpeechRequest(f"Number {n}", seed=n, max_frames=n) for n in lengths]
    spoken = list(engine.speak(asked))
    order = [record.utterance.index for record in spoken if isinstance(record, Speech)]
    assert sorted(order) == list(range(7))
    assert order[0] == 1
    for record in spoken:
        assert isinstance(record, Speech)
        request = asked[record.utterance.index]
        assert (record.utterance.text, record.sampling_rate, record.finish_reason) == (request.text, 24_000, "length")
        expected = codec.decode([alone(engine, request)])[0].clip(-1, 1)
        np.testing.assert_allclose(record.samples, expected, atol=1e-6)
        assert record.seconds > 0
    assert 0.5 < engine.counts.occupancy <= 1.0


def test_a_source_with_nothing_ready_does_not_hold_back_what_is_done(load: Loader, theirs: dict[int, Any]) -> None:
    engine = load(codec=MimiOf(theirs[0]), slots=3)
    given_back: list[int] = []

    def slow() -> Any:
        yield None  # nothing in hand yet: skipped
        for index in range(4):
            yield SpeechRequest("Hello.", seed=index, max_frames=2)
            while len(given_back) <= index:
                yield None

    for record in engine.speak(slow()):
        assert isinstance(record, Speech)
        given_back.append(record.utterance.index)  # what the source waits for
    assert given_back == [0, 1, 2, 3]


def test_an_unspeakable_request_fails_alone(load: Loader, theirs: dict[int, Any]) -> None:
    engine = load(codec=MimiOf(theirs[0]))
    asked = [SpeechRequest("Hello.", max_frames=2), SpeechRequest("  "), SpeechRequest("Yes", max_frames=2)]
    records = sorted(engine.speak(asked), key=lambda r: r.index if isinstance(r, Failure) else r.utterance.index)
    assert [type(record) for record in records] == [Speech, Failure, Speech]
    assert records[1] == Failure(1, "tts", "the text to speak is empty")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (SpeechRequest(""), "is empty"),
        (SpeechRequest(" \n\t "), "is empty"),
        (SpeechRequest("?!… ,"), "no letter and no digit"),
        (SpeechRequest("a\x07b"), r"control character U\+0007"),
        (SpeechRequest("a", speaker=-1), "speaker is -1"),
        (SpeechRequest("a", max_frames=0), "max_frames is 0"),
        (SpeechRequest("word " * 60), "take 30[0-9] of the model's 256 positions"),
    ],
)
def test_bad_requests_are_errors_before_any_work(request_: SpeechRequest, message: str, load: Loader) -> None:
    with pytest.raises(ModelError, match=f"request 1: .*{message}"):
        load().generate_codes([SpeechRequest("Hello."), request_])


def test_a_voice_that_leaves_no_room_is_an_error(load: Loader, theirs: dict[int, Any]) -> None:
    engine = load(codec=MimiOf(theirs[0]))
    for mode in ("match", "context"):
        with pytest.raises(ModelError, match="shorten the voice prompt"):
            engine.generate_codes([SpeechRequest("Hello there.", voice=voice(mode, seconds=17.0))])
    with pytest.raises(ModelError, match="the voice prompt alone takes"):
        engine.generate_codes([SpeechRequest("Hello there.", voice=voice("context", seconds=24.0))])


def test_nan_in_the_logits_fails_that_utterance_alone(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, asked = load(slots=3), [*requests(*TEXTS[:3]), SpeechRequest("This one follows in its slot.")]
    expected = engine.generate_codes(asked, max_frames=6)
    draw, poison = PlainFrames.draw_frame, [True]

    def poisoned(self: PlainFrames, rows: slice) -> Any:
        if poison and self.state.frames[1] == 3:
            poison.clear()
            for tensor in (self.state.hidden[1], self.state.keys[:, 1], self.state.values[:, 1]):
                tensor.fill_(torch.nan)
        return draw(self, rows)

    monkeypatch.setattr(PlainFrames, "draw_frame", poisoned)
    takes = engine.generate_takes(asked, max_frames=6)
    assert takes[1].error == "the model gave no finite logits at frame 3"
    for index in (0, 2, 3):
        assert takes[index].error is None
        np.testing.assert_array_equal(takes[index].codes, expected[index])
    poison.append(True)
    with pytest.raises(ModelError, match="request 1: the model gave no finite logits"):
        engine.generate_codes(asked, max_frames=6)


def test_out_of_memory_halves_the_slots_and_goes_on(
    load: Loader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = load(slots=4)
    asked = [SpeechRequest(text, max_frames=3 + index) for index, text in enumerate(TEXTS)]
    expected = load(slots=1).generate_codes(asked)
    launch, calls = PlainFrames.launch, []

    def short_of_memory(self: PlainFrames, slots: int) -> Any:
        calls.append(slots)
        if len(calls) > 4 and slots > 2:
            raise torch.OutOfMemoryError("no")
        return launch(self, slots)

    monkeypatch.setattr(PlainFrames, "launch", short_of_memory)
    with caplog.at_level(logging.WARNING):
        ours = engine.generate_codes(asked)
    for left, right in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(left, right)
    assert [record.message for record in caplog.records] == ["out of memory on cpu: going on with 2 slots"]
    engine.slots = 1
    monkeypatch.setattr(PlainFrames, "launch", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("no")))
    with pytest.raises(ModelError, match="with a single slot"):
        engine.generate_codes(asked)


def test_fewer_codebooks_are_generated_on_demand(load: Loader) -> None:
    full = load(seed=1).generate_codes(requests("Hello."), temperature=0, max_frames=3)[0]
    fewer = load(seed=1, books=4).generate_codes(requests("Hello."), temperature=0, max_frames=3)[0]
    assert fewer.shape == (4, 3)
    np.testing.assert_array_equal(fewer[:, 0], full[:4, 0])
    with pytest.raises(ModelError, match="codebooks is 9; this model has 8"):
        load(books=9)


def test_streamed_pieces_join_to_the_whole(load: Loader, theirs: dict[int, Any]) -> None:
    engine = load(codec=MimiOf(theirs[0]))
    request = SpeechRequest("Hello.", seed=4, max_frames=7)
    (whole,) = engine.speak([request])
    assert isinstance(whole, Speech)
    np.testing.assert_allclose(np.concatenate(list(engine.stream(request))), whole.samples, atol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_k": -1}, {"max_frames": 0}],
)
def test_a_number_that_cannot_be_is_refused_by_name(load: Loader, wrong: dict[str, Any]) -> None:
    (name,) = wrong
    engine = load()
    with pytest.raises(ModelError, match=f"{name} is {wrong[name]};"):
        engine.generate_codes(requests("Hello."), **wrong)


@pytest.mark.parametrize("slots", [0, -1])
def test_an_engine_has_a_slot_at_least(load: Loader, slots: int) -> None:
    with pytest.raises(ModelError, match=f"slots is {slots};"):
        load(slots=slots)


def test_a_stream_returns_how_the_take_ended(load: Loader, theirs: dict[int, Any]) -> None:
    stream = load(codec=MimiOf(theirs[0])).stream(SpeechRequest("Hello.", max_frames=2))
    assert ending(stream) == "length"


def test_a_stuck_take_is_a_runaway(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(self: PlainFrames, rows: slice) -> Any:
        size = rows.stop - rows.start
        return torch.full((size, 8), 5), torch.ones(size, dtype=torch.bool)

    monkeypatch.setattr(PlainFrames, "draw_frame", stuck)
    (take,) = load().generate_takes(requests("Hello there, how are you today?"))
    assert (take.finish_reason, take.codes.shape[1]) == ("runaway", 25)


def test_the_texts_length_bounds_a_take(load: Loader) -> None:
    (take,) = load().generate_takes(requests("Yes"))
    assert (take.finish_reason, take.codes.shape[1]) == ("length", 45)


def test_two_calls_at_once_do_not_mix(load: Loader) -> None:
    from voicegen.tts.marvis.drawing import Sampling

    engine = load()
    orders = [engine.orders.order(request, 4) for request in requests(*TEXTS)]
    first = engine.run(iter(orders), Sampling())
    next(first)
    assert len(engine.generate_codes(requests("Hello."), max_frames=2)) == 1
    with pytest.raises(ModelError, match="took over its slots"):
        list(first)


def taken(streams: list[Any], order: list[int]) -> list[np.ndarray]:
    """What streams give that are pulled in turn, each to its end; `order` says whose turn it is."""
    pieces: list[list[np.ndarray]] = [[] for _ in streams]
    turns = [*order, *(index for index in range(len(streams)) for _ in range(50))]
    for index in turns:
        pieces[index] += [piece] if (piece := next(streams[index], None)) is not None else []
    return [np.concatenate(parts) for parts in pieces]


def assert_same_sound(one: np.ndarray, other: np.ndarray) -> None:
    """Of the same codes; where a piece ends differs, and so does what the codec's products round."""
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_streams_that_are_open_at_once_give_what_each_gives_alone(load: Loader, tiny_codec: Codec, slots: int) -> None:
    engine = load(codec=tiny_codec, slots=slots)
    asked = [SpeechRequest(text, seed=index, max_frames=2 + 2 * index) for index, text in enumerate(TEXTS)]
    alone = [np.concatenate(list(engine.stream(request))) for request in asked]
    turns = np.random.default_rng(slots).integers(0, len(TEXTS), 15).tolist()
    for one, other in zip(taken([engine.stream(request) for request in asked], turns), alone, strict=True):
        assert_same_sound(one, other)


def test_a_codec_that_works_ahead_and_takes_frames_together_gets_the_first_alone(
    load: Loader, tiny_codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(codec=tiny_codec, slots=2)
    request, other = SpeechRequest("Hello.", max_frames=9), SpeechRequest("Yes", max_frames=6)
    alone = [np.concatenate(list(engine.stream(one))) for one in (request, other)]
    monkeypatch.setattr("voicegen.tts.marvis.codec_streams.PlainRows.frames", 3)
    monkeypatch.setattr("voicegen.tts.marvis.codec_streams.PlainRows.lag", 1)
    engine = load(codec=tiny_codec, slots=2)
    pieces = list(engine.stream(request))
    assert [len(piece) // 1920 for piece in pieces] == [1, 3, 3, 2]
    assert_same_sound(np.concatenate(pieces), alone[0])
    for one, expected in zip(taken([engine.stream(one) for one in (request, other)], [1, 0, 0]), alone, strict=True):
        assert_same_sound(one, expected)


def test_a_stream_that_is_closed_gives_its_slot_to_another(load: Loader, tiny_codec: Codec) -> None:
    engine = load(codec=tiny_codec, slots=1)
    given_up, never_begun, waiting = (engine.stream(request) for request in requests(*TEXTS[:3], max_frames=4))
    next(given_up)
    given_up.close()
    never_begun.close()
    assert ending(waiting) == "length"


def test_a_stream_goes_on_while_a_batch_is_spoken(load: Loader, tiny_codec: Codec) -> None:
    engine = load(codec=tiny_codec, slots=2)
    request = SpeechRequest("Hello.", max_frames=5)
    whole = np.concatenate(list(engine.stream(request)))
    stream = engine.stream(request)
    pieces = [next(stream)]
    assert len(engine.generate_codes(requests(*TEXTS), max_frames=3)) == len(TEXTS)
    assert_same_sound(np.concatenate([*pieces, *stream]), whole)


def test_streams_of_several_threads_share_the_slots(load: Loader, tiny_codec: Codec) -> None:
    engine = load(codec=tiny_codec, slots=3)
    asked = [SpeechRequest(text, seed=index, max_frames=6) for index, text in enumerate(TEXTS)]
    alone = [np.concatenate(list(engine.stream(request))) for request in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda request: np.concatenate(list(engine.stream(request))), asked))
    for one, other in zip(together, alone, strict=True):
        assert_same_sound(one, other)


def test_a_stream_that_draws_otherwise_waits_for_those_that_are_open(load: Loader, tiny_codec: Codec) -> None:
    engine = load(codec=tiny_codec, slots=2)
    stream, other = (engine.stream(SpeechRequest("Hello.", max_frames=3), temperature=t) for t in (0.5, 0.9))
    next(stream)
    with pytest.raises(ModelError, match="another temperature or top_k is open"):
        next(other)
    stream.close()
    assert ending(engine.stream(SpeechRequest("Hello.", max_frames=3), temperature=0.9)) == "length"


def test_devices_and_dtypes_that_are_not_there_are_named(load: Loader, checkpoints: Any) -> None:
    folder = str(checkpoints())
    with pytest.raises(ModelError, match="device cuda:7 is not there"):
        Marvis.load(folder, device="cuda:7")
    with pytest.raises(ModelError, match="device is 'gpu'"):
        Marvis.load(folder, device="gpu")
    with pytest.raises(Exception, match="dtype is 'int4'"):
        Marvis.load(folder, device="cpu", dtype="int4")
