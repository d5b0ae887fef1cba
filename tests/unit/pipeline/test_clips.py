"""What is known of a large run's folders of audio, so that the next session looks into few of them."""

import os
import time
from dataclasses import replace

import pytest

from tests.finished_rows import spoken_row
from voicegen.pipeline import clips, plan
from voicegen.pipeline.clips import Clips
from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.plan import Plan, audio_path
from voicegen.store import Store

ROWS, EACH = 6, 2
SIZE = 8


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Three folders of two clips each, made some time ago."""
    monkeypatch.setattr(plan, "ROWS_PER_FOLDER", EACH)
    store = Store(tmp_path)
    put(store, *map(row, range(ROWS)))
    age(tmp_path)
    return store


def row(index, status="ok"):
    made = spoken_row(index)
    return replace(
        made, status=status, clip=replace(made.clip, path=audio_path(index, status, ROWS), num_bytes=SIZE)
    )  # fmt: skip


def put(store, *rows):
    writer = LedgerWriter(store, Ledger(store).session, "local")
    store.put([(row.clip.path, bytes(SIZE)) for row in rows])
    writer.append(rows)
    writer.close()


def age(folder):
    """Makes all folders as old as those of an earlier session are."""
    for path in [*folder.rglob("*")]:
        if path.is_dir():
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**10))


def again(store):
    """The clips as the next session finds them, and its ledger."""
    ledger = Ledger(store)
    return Clips(store, Plan(0, ROWS), ledger), ledger


def kept(store):
    again(store)[0].keep()
    return store


def missing(store):
    found, ledger = again(store)
    count = found.forget_missing()
    rows = [index for index in range(ROWS) if ledger.status(index) is None]
    assert count == len(rows)
    return rows


def looked_into(store, monkeypatch):
    """The folders that the next session looks into."""
    folders = []
    files = type(store).files
    monkeypatch.setattr(type(store), "files", lambda self, folder: folders.append(folder) or files(self, folder))
    again(store)[0].forget_missing()
    return folders


def test_folders_that_have_not_changed_are_not_looked_into_again(store, monkeypatch):
    assert looked_into(kept(store), monkeypatch) == []


def test_all_folders_are_looked_into_where_nothing_is_kept(store, monkeypatch):
    assert looked_into(store, monkeypatch) == [
        f"{top}/{folder:04d}" for folder in range(3) for top in ("audio", "rejected")
    ]


def test_a_folder_in_which_files_came_or_went_is_looked_into(store, monkeypatch):
    kept(store)
    (store.root / "audio/0001/000003.wav").unlink()
    assert looked_into(store, monkeypatch) == ["audio/0001", "rejected/0001"]
    assert missing(store) == [3]


def test_a_folder_that_is_gone_is_missed(store):
    kept(store)
    for file in (store.root / "audio/0002").iterdir():
        file.unlink()
    (store.root / "audio/0002").rmdir()
    assert missing(store) == [4, 5]


def test_a_folder_that_lacked_a_file_is_looked_into_until_it_has_it(store):
    (store.root / "audio/0000/000001.wav").unlink()
    age(store.root)
    kept(store)
    assert missing(store) == [1]
    store.put([("audio/0000/000001.wav", bytes(SIZE))])
    assert missing(store) == []


def test_a_file_that_is_cut_is_missed_where_nothing_is_kept(store):
    (store.root / "audio/0000/000001.wav").write_bytes(b"")
    assert missing(store) == [1]


def test_a_folder_that_was_changed_just_now_may_change_unseen_and_is_looked_into(store, monkeypatch):
    os.utime(store.root / "audio/0001", ns=(0, time.time_ns()))
    kept(store)
    assert looked_into(store, monkeypatch) == ["audio/0001", "rejected/0001"]


def test_a_take_that_was_rejected_before_a_good_one_came_is_removed(store):
    put(store, row(2, "rejected"))
    put(store, row(2))
    found, _ = again(store)
    found.remove_leftovers()
    assert not (store.root / "rejected/0001/000002.wav").exists()
    assert (store.root / "audio/0001/000002.wav").exists()
    assert missing(store) == []


def test_what_is_kept_may_be_lost_or_garbled(store):
    kept(store)
    (store.root / clips.AUDIO_INDEX).write_text('{"whole": [1]}', "utf-8")
    (store.root / "audio/0000/000000.wav").unlink()
    assert missing(store) == [0]


def test_it_is_worth_keeping_where_looking_takes_some_seconds(store, monkeypatch):
    found, _ = again(store)
    found.forget_missing()
    assert not found.is_worth_keeping
    monkeypatch.setattr(clips, "INDEX_AFTER", ROWS)
    assert found.is_worth_keeping
    found.keep()
    assert not found.is_worth_keeping
