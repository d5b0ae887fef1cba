"""Numbers in temporary files: the same as in memory, and none of them kept there."""

import tracemalloc

import numpy as np
import pytest

from voicegen.errors import OutputError
from voicegen.scratch import by_part
from voicegen.scratch.by_part import ByPart
from voicegen.scratch.by_place import ByPlace
from voicegen.scratch.same_keys import SameKeys


@pytest.fixture
def drawn():
    return np.random.default_rng(0)


def test_what_was_put_is_at_its_place_and_elsewhere_is_zero():
    numbers = ByPlace(np.uint32)
    numbers.put(np.array([3, 4, 9, 1]), np.array([30, 40, 90, 10]))
    numbers.put(np.array([4]), np.array([41]))
    assert len(numbers) == 10
    assert numbers.part(0, 12).tolist() == [0, 10, 0, 30, 41, 0, 0, 0, 0, 90, 0, 0]
    assert numbers.at(np.array([9, 2, 4, 100, 4])).tolist() == [90, 0, 41, 0, 41]


def test_nothing_was_put():
    numbers = ByPlace(np.uint32)
    numbers.put(np.empty(0, np.int64), np.empty(0, np.uint32))
    assert (len(numbers), numbers.part(0, 2).tolist(), numbers.at(np.array([5])).tolist()) == (0, [0, 0], [0])


def test_a_record_may_have_several_numbers():
    sketches, pairs = ByPlace((np.uint8, 3)), ByPlace([("first", "<i8"), ("similarity", "<f4")])
    sketches.put(np.array([2]), np.array([[1, 2, 3]]))
    assert sketches.at(np.array([0, 2])).tolist() == [[0, 0, 0], [1, 2, 3]]
    pairs.put(np.array([1]), np.array([(7, 0.5)], pairs.type))
    assert pairs.part(1, 2)["first"].tolist() == [7]


@pytest.mark.parametrize("together", [2, 1_000, 10**6])
def test_each_part_has_its_records_in_the_order_of_arrival(together, drawn, monkeypatch):
    monkeypatch.setattr(by_part, "_TOGETHER", together)
    records = ByPart(np.uint32, 5)
    parts = drawn.integers(0, 5, 3_000)
    for start in range(0, 3_000, 700):
        block = slice(start, min(start + 700, 3_000))
        records.add(parts[block], np.arange(start, block.stop, dtype=np.uint32))
    for number in range(5):
        assert records.part(number).tolist() == np.flatnonzero(parts == number).tolist()
    records.add(np.array([4]), np.array([9_999], np.uint32))
    assert records.part(4)[-1] == 9_999


@pytest.mark.parametrize("together", [100, 10**6])
def test_places_with_the_same_key_are_found_with_the_first_and_the_one_before(together, drawn, monkeypatch):
    monkeypatch.setattr(by_part, "_TOGETHER", together)
    keys = drawn.integers(0, 800, 2_000).astype(np.uint64) << np.uint64(40)
    found = SameKeys()
    for start in range(0, len(keys), 300):
        found.add(keys[start : start + 300], np.arange(start, min(start + 300, len(keys))))
    told = {
        place: (key, first, before)
        for alike in found.alike()
        for key, place, first, before in zip(*(column.tolist() for column in alike), strict=True)
    }
    at = {}
    for place, key in enumerate(keys.tolist()):
        at.setdefault(key, []).append(place)
    assert told == {
        place: (key, places[0], places[max(number - 1, 0)])
        for key, places in at.items()
        if len(places) > 1
        for number, place in enumerate(places)
    }


def test_memory_does_not_grow_with_the_keys(monkeypatch):
    monkeypatch.setattr(by_part, "_TOGETHER", 10_000)

    def peak(rows):
        tracemalloc.start()
        found = SameKeys()
        for start in range(0, rows, 5_000):
            places = np.arange(start, start + 5_000)
            found.add(places.astype(np.uint64), places)
        assert list(found.alike()) == []
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    assert peak(400_000) < 1.3 * peak(100_000)


def test_a_disk_that_cannot_be_used_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="gone"):
        ByPlace(np.uint8)
