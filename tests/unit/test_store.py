import contextlib
import pickle

import pytest

from voicegen.errors import OutputError
from voicegen.files import TEMPORARY_SUFFIX
from voicegen.remote import RemotePath
from voicegen.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


@pytest.fixture(params=["a folder", "a store of objects"])
def any_store(request, tmp_path, memory):
    return Store(tmp_path / "run" if request.param == "a folder" else RemotePath("memory://bucket/run"))


def test_what_was_put_is_listed_and_read(any_store):
    any_store.put([("audio/0000/a.wav", b"123"), ("run.json", b"{}")])
    assert any_store.names() == ["audio", "run.json"]
    assert any_store.names("audio") == ["0000"]
    assert [(file.name, file.size) for file in any_store.files("audio")] == [("audio/0000/a.wav", 3)]
    assert (any_store.read("run.json"), any_store.size("audio/0000/a.wav"), any_store.name) == (b"{}", 3, "run")
    assert any_store.changed("run.json") > 0
    any_store.remove(["run.json", "never-there"])
    assert any_store.names() == ["audio"]


def test_what_is_not_there_is_nothing_and_no_error_but_where_it_is_to_be_read(any_store):
    assert any_store.names() == list(any_store.files("audio")) == []
    assert (any_store.read("run.json"), any_store.size("run.json"), any_store.changed("run.json")) == (None, None, 0)
    with pytest.raises(OutputError, match=r"run/run\.json"):
        any_store.reading("run.json").__enter__()


def test_a_large_file_is_put_when_it_is_made_and_not_if_that_fails(any_store):
    with any_store.making("m") as path:
        path.write_bytes(b"whole")
        assert any_store.names() == []
    with contextlib.suppress(RuntimeError), any_store.making("m") as path:
        path.write_bytes(b"half")
        raise RuntimeError
    assert any_store.read("m") == b"whole"
    assert any_store.names() == ["m"]


def test_pieces_of_a_journal_are_found_where_they_were_said_to_lie(store):
    journal = store.journal("ledger/0.jsonl")
    assert store.names("ledger") == []
    places = [journal.add(piece) for piece in (b"one\n", b"three\n")]
    for (name, offset), line in zip(places, (b"one\n", b"three\n"), strict=True):
        with store.reading(name) as file:
            file.seek(offset)
            assert file.readline() == line
    journal.close()


def test_a_journal_is_begun_once_and_a_log_goes_on(any_store):
    for _ in range(2):
        log = any_store.log("logs/run.log")
        log.add(b"line\n")
        log.add(b"more\n")
        log.close()
    assert any_store.read("logs/run.log") == b"line\nmore\n" * 2
    with pytest.raises(OutputError, match=r"cannot write|another process began it"):
        any_store.journal("logs/run.log").add(b"line\n")


def test_a_store_is_held_by_one_at_a_time_and_what_kills_left_is_removed(store):
    store.put([("a", b"a")])
    (store.root / f".b.7{TEMPORARY_SUFFIX}").write_bytes(b"half")
    with store.hold():
        assert [path.name for path in sorted(store.root.iterdir())] == [".lock", "a"]
        assert store.names() == ["a"]
        with pytest.raises(OutputError, match="in use by another voicegen process"):
            store.hold()
    store.hold().give_back()  # free again


def test_a_store_that_is_given_back_keeps_no_new_trace_and_every_old_one(store):
    store.hold().give_back()
    assert list(store.root.iterdir()) == []
    (store.root / ".lock").touch()
    store.hold().give_back()
    assert [path.name for path in store.root.iterdir()] == [".lock"]


def test_what_is_moved_aside_is_whole_and_the_empty_store_is_still_held(store):
    for content in (b"first", b"second"):  # within one second, too
        store.put([("a", content)])
        with store.hold() as hold:
            aside = hold.move_aside()
            assert aside.read("a") == content
            assert store.names() == []
            with pytest.raises(OutputError, match="in use"):
                store.hold()
    assert len([path for path in store.root.parent.iterdir() if ".old-" in path.name]) == 2


def test_a_place_that_cannot_be_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file")
    for use in (store.hold, lambda: store.put([("a", b"")]), lambda: store.log("l").add(b"")):
        with pytest.raises(OutputError, match=r"cannot write .*file.*; .*choose another folder"):
            use()


def test_a_store_is_plain_data(any_store):
    any_store.put([("a", b"a")])
    assert pickle.loads(pickle.dumps(any_store)).read("a") == b"a"


def test_what_cannot_be_read_is_told_as_such(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot read .*run\.json: is a directory"):
        Store(tmp_path).read("run.json")
