"""In a store of objects what is left over is told by the ledger: the audio is never listed."""

from dataclasses import replace

import pytest

from tests.finished_rows import spoken_row
from voicegen.pipeline.clips import Clips
from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.plan import Plan
from voicegen.records import ManifestRow
from voicegen.remote import RemotePath
from voicegen.store import Store


@pytest.fixture
def store(memory):
    return Store(RemotePath("memory://bucket/leftovers"))


def rejected_row(index):
    row = spoken_row(index)
    return replace(row, status="rejected", clip=replace(row.clip, path=f"rejected/{index:06d}.wav"))


def session(store, *rows):
    writer = LedgerWriter(store, Ledger(store).session, "local")
    store.put([(row.clip.path, b"RIFF") for row in rows])
    entries = writer.append(rows)
    writer.close()
    return entries


def audio(store):
    return sorted(file.name for folder in ("audio", "rejected") for file in store.files(folder))


def test_the_take_that_a_row_had_before_it_ended_otherwise_is_removed_now_or_by_the_next_session(store):
    session(store, rejected_row(0), rejected_row(1), spoken_row(2))
    ledger = Ledger(store)
    for index in (0, 1):
        ledger.forget(index, redraw=True)
    Clips(store, Plan(0, 3), ledger).remove_leftovers()
    assert audio(store) == ["audio/000002.wav", "rejected/000000.wav", "rejected/000001.wav"]  # nothing is better yet
    ledger.add(session(store, spoken_row(0)))
    Clips(store, Plan(0, 3), ledger).remove_leftovers()
    assert audio(store) == ["audio/000000.wav", "audio/000002.wav", "rejected/000001.wav"]
    session(store, spoken_row(1))  # and killed before it could remove anything
    Clips(store, Plan(0, 3), Ledger(store)).remove_leftovers()
    assert audio(store) == ["audio/000000.wav", "audio/000001.wav", "audio/000002.wav"]


def test_a_row_that_failed_and_is_good_by_now_keeps_its_audio(store):
    entries = LedgerWriter(store, Ledger(store).session, "local").append(
        [ManifestRow(0, "failed", seed=0, error="chat: no")]
    )
    assert len(entries) == 1
    ledger = Ledger(store)
    ledger.forget(0)
    ledger.add(session(store, spoken_row(0)))
    for known in (ledger, Ledger(store)):
        Clips(store, Plan(0, 1), known).remove_leftovers()
        assert audio(store) == ["audio/000000.wav"]


def test_what_was_put_is_not_looked_for(store):
    session(store, spoken_row(0))
    store.remove(["audio/000000.wav"])
    assert Clips(store, Plan(0, 1), Ledger(store)).forget_missing() == 0
