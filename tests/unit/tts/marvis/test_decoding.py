from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.marvis.decoding import Decoding
from voicegen.tts.marvis.scheduler import Take


def take(index: int, frames: int = 2, error: str | None = None) -> Take:
    order: Any = SimpleNamespace(tag=SimpleNamespace(utterance=Utterance(index, f"text {index}")))
    return Take(order, np.full((4, frames), index, np.int64), "stop", 1.0, error)


class Codec:
    """Says each code once; a code of 13 breaks the batch that it is in."""

    sample_rate = 10
    codebook_size = 64

    def __init__(self) -> None:
        self.batches: list[int] = []

    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        if any((one == 13).any() for one in codes):
            raise RuntimeError("thirteen")
        self.batches.append(len(codes))
        return [one[0].astype(np.float32) / 64 for one in codes]


def test_takes_that_are_decoded_together_wait_for_one_another_or_for_the_end() -> None:
    codec = Codec()
    with Decoding(codec, together=3) as decoding:  # type: ignore[arg-type]
        given = [len(list(decoding.add(take(index)))) for index in range(7)]
        assert (given, codec.batches) == ([0, 0, 3, 0, 0, 3, 0], [3, 3])
        assert [record.utterance.index for record in decoding.flush() if isinstance(record, Speech)] == [6]


@pytest.mark.parametrize("threaded", [False, True])
def test_every_take_comes_back_as_itself_and_a_broken_one_fails_alone(threaded: bool) -> None:
    takes = [take(index, frames=1 + index % 3) for index in range(30)]
    takes[5] = take(5, error="no finite logits")
    takes[6] = take(6, frames=0)
    records: list[Speech | Failure] = []
    before = sys.getswitchinterval()
    with Decoding(Codec(), threaded=threaded) as decoding:  # type: ignore[arg-type]
        for one in takes:
            records += decoding.add(one)
        records += decoding.flush()
        assert list(decoding.flush()) == []
    assert sys.getswitchinterval() == before
    failed = {record.index: record.error for record in records if isinstance(record, Failure)}
    assert failed == {
        5: "no finite logits",
        6: "the model ended the take before its first frame",
        13: "the codec failed: thirteen",
    }
    spoken = [record for record in records if isinstance(record, Speech)]
    assert len(spoken) == 27
    for record in spoken:
        index = record.utterance.index
        np.testing.assert_array_equal(record.samples, np.full(1 + index % 3, index / 64))


def test_a_thread_decodes_takes_in_batches_as_its_decoder_asks() -> None:
    codec = Codec()
    codec.batch_of = lambda frames: (frames % 2, 4)  # type: ignore[attr-defined]
    with Decoding(codec, codec, threaded=True) as decoding:  # type: ignore[arg-type]
        records = [record for index in range(10) for record in decoding.add(take(index, frames=1 + index % 2))]
        records += decoding.flush()
    assert len(records) == 10
    assert sorted(codec.batches) == [1, 1, 4, 4]


def test_the_thread_ends_when_its_user_stops_halfway() -> None:
    before = threading.active_count()
    decoding = Decoding(Codec(), threaded=True)  # type: ignore[arg-type]
    with decoding:
        list(decoding.add(take(1)))
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


class HalfTheRate:
    """Leaves out every other sample, and says how many waveforms came at a time."""

    rate = 5

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.batches.append(len(waveforms))
        return [waveform[::2] for waveform in waveforms]


def test_takes_of_a_batch_are_resampled_together() -> None:
    resampler, records = HalfTheRate(), list[Speech | Failure]()
    with Decoding(Codec(), resampler=resampler, threaded=True) as decoding:  # type: ignore[arg-type]
        for index in range(9):
            records += decoding.add(take(index, frames=4))
        records += decoding.flush()
    assert sum(resampler.batches) == 9
    assert max(resampler.batches) > 1
    for record in records:
        assert isinstance(record, Speech)
        assert record.sampling_rate == 5
        np.testing.assert_array_equal(record.samples, np.full(2, record.utterance.index / 64))
