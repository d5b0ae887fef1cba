from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.speech_streams import ending
from voicegen.errors import ModelError
from voicegen.protocols import Traits
from voicegen.records import Failure, FinishReason, ModelInfo, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.tone import ToneSpeech

RATE = 1000
TEXT = "One two three. Four five six! Seven eight nine?"


class Batch:
    """Speaks in batches of `slots`, the last of a batch first; text with "bad" fails, with "long" is cut."""

    def __init__(self, slots: int = 3) -> None:
        self.info = ModelInfo("batch", "test")
        self.sample_rate = RATE
        self.slots = slots
        self.asked: list[Utterance] = []
        self.nothing_ready = 0
        self.traits = Traits()

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        batch: list[Utterance] = []
        for utterance in utterances:
            if utterance is None:
                self.nothing_ready += 1
            else:
                self.asked.append(utterance)
                batch.append(utterance)
            if len(batch) == self.slots or utterance is None:
                yield from map(self._one, reversed(batch))
                batch = []
        yield from map(self._one, reversed(batch))

    def _one(self, utterance: Utterance) -> Speech | Failure:
        if "bad" in utterance.text:
            return Failure(utterance.index, "tts", "cannot be spoken", utterance.part)
        samples = np.full(len(utterance.text), len(utterance.text) / 100, dtype=np.float32)
        reason: FinishReason = "length" if "long" in utterance.text else "stop"
        return Speech(utterance, samples, RATE, reason, seconds=1.0)


def test_parts_are_spoken_and_joined_in_order_with_a_pause() -> None:
    model = Batch()
    (speech,) = LongTextSpeech(model, 18).speak([Utterance(7, TEXT, voice="v", seed=3, part=2)])
    assert isinstance(speech, Speech)
    assert [u.text for u in model.asked] == ["One two three.", "Four five six!", "Seven eight nine?"]
    assert speech.utterance == Utterance(7, TEXT, voice="v", seed=3, part=2)
    assert {u.voice for u in model.asked} == {"v"}
    pause = np.zeros(150, dtype=np.float32)
    assert np.array_equal(speech.samples[:9], np.full(9, 0.14, dtype=np.float32))
    assert np.array_equal(speech.samples[14:164], pause)
    assert len(speech.samples) == 14 + 150 + 14 + 150 + 17
    assert speech.seconds == 3.0


def test_parts_have_seeds_of_their_own_that_only_the_utterance_decides() -> None:
    model = Batch()
    list(LongTextSpeech(model, 16).speak([Utterance(0, TEXT, seed=3), Utterance(1, TEXT, seed=4)]))
    seeds = [u.seed for u in model.asked]
    assert len(set(seeds)) == len(seeds)
    assert seeds[0] == derived_seed(3, 0)
    assert all(seed >= 0 for seed in seeds)


def test_a_short_text_passes_with_its_own_seed() -> None:
    model = Batch()
    (speech,) = LongTextSpeech(model, 100).speak([Utterance(5, "Short.", seed=9, part=1)])
    assert isinstance(speech, Speech)
    assert speech.utterance == Utterance(5, "Short.", seed=9, part=1)
    assert model.asked[0].seed == 9


def test_the_finish_reason_is_the_worst_of_the_parts() -> None:
    (speech,) = LongTextSpeech(Batch(), 20).speak([Utterance(0, "Fine to say. A long one too. Fine again.")])
    assert isinstance(speech, Speech)
    assert speech.finish_reason == "length"


def test_a_part_that_fails_fails_its_text_alone_and_says_where() -> None:
    model = Batch(slots=1)
    texts = ["All is fine here. And here as well.", "All is fine. This is bad today. Never asked for."]
    first, second = LongTextSpeech(model, 20).speak([Utterance(i, text) for i, text in enumerate(texts)])
    assert isinstance(first, Speech)
    assert second == Failure(1, "tts", "part 2 of 3 of the text, from 'This is bad today.': cannot be spoken")
    assert "Never asked for." not in {u.text for u in model.asked}


def test_two_failed_parts_give_one_failure() -> None:
    records = list(LongTextSpeech(Batch(), 12).speak([Utterance(0, "It is bad. It is bad. It is bad.")]))
    assert [type(record) for record in records] == [Failure]


def test_a_text_without_words_is_left_to_the_model() -> None:
    (record,) = LongTextSpeech(ToneSpeech(), 100).speak([Utterance(3, " ")])
    assert record == Failure(3, "tts", "there is no text to speak")


def test_nothing_ready_is_passed_on() -> None:
    model = Batch()
    records = list(LongTextSpeech(model, 100).speak(iter([Utterance(0, "a"), None, Utterance(1, "b")])))
    assert model.nothing_ready == 1
    assert len(records) == 2


def test_utterances_that_share_an_index_are_kept_apart() -> None:
    takes = [Utterance(0, TEXT, part=part) for part in range(3)]
    records = list(LongTextSpeech(Batch(), 16).speak(takes))
    assert sorted(record.utterance.part for record in records if isinstance(record, Speech)) == [0, 1, 2]


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), max_size=12),
    slots=st.integers(1, 5),
    waits=st.lists(st.booleans(), max_size=12),
)
def test_every_text_comes_back_whole_whatever_the_batch(lengths: list[int], slots: int, waits: list[bool]) -> None:
    utterances = [Utterance(i, "Some words. " * length, seed=i) for i, length in enumerate(lengths)]
    source: list[Utterance | None] = []
    for i, utterance in enumerate(utterances):
        source += [utterance, None] if i < len(waits) and waits[i] else [utterance]
    model = LongTextSpeech(ToneSpeech(8000, duration=0.01), 25)
    batched = LongTextSpeech(_Reordered(slots), 25)
    alone = {u.index: next(iter(model.speak([u]))) for u in utterances}
    together = list(batched.speak(iter(source)))
    assert len(together) == len(utterances)
    for record in together:
        assert isinstance(record, Speech)
        expected = alone[record.utterance.index]
        assert isinstance(expected, Speech)
        assert np.array_equal(record.samples, expected.samples)


class _Reordered(Batch):
    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self.sample_rate = 8000

    def _one(self, utterance: Utterance) -> Speech | Failure:
        (record,) = ToneSpeech(8000, duration=0.01).speak([utterance])
        return replace(record)


@pytest.mark.parametrize("model", [ToneSpeech(8000, duration=0.05), _Reordered(1)])
def test_streamed_pieces_join_to_the_whole(model: ToneSpeech | _Reordered) -> None:
    long = LongTextSpeech(model, 16)
    assert long.traits.stream is not None
    (whole,) = long.speak([Utterance(0, TEXT, seed=1)])
    assert isinstance(whole, Speech)
    assert np.array_equal(np.concatenate(list(long.stream(Utterance(0, TEXT, seed=1)))), whole.samples)


def test_a_stream_returns_the_worst_finish_reason_of_its_parts() -> None:
    long = LongTextSpeech(Batch(1), 20)
    assert ending(long.stream(Utterance(0, "Fine to say. A long one too. Fine again."))) == "length"
    assert ending(long.stream(Utterance(0, "Fine to say."))) == "stop"
    assert ending(LongTextSpeech(ToneSpeech(), 20).stream(Utterance(0, "Fine to say."))) == "stop"


def test_a_text_that_cannot_be_spoken_ends_a_stream_with_an_error() -> None:
    with pytest.raises(ModelError, match="cannot be spoken"):
        list(LongTextSpeech(Batch(), 100).stream(Utterance(0, "bad")))
