"""A store of objects, in memory here and on a real S3 API in tests/integration; `test_store.py` has what both do."""

import json
import logging
import subprocess
import sys

import pytest

from voicegen.errors import OutputError
from voicegen.job.run_log import logging_to
from voicegen.remote import RemotePath
from voicegen.store import Store
from voicegen.store import journal as journals
from voicegen.store import lease as leases


@pytest.fixture
def store(memory):
    return Store(RemotePath("memory://bucket/run"))


def objects(memory, folder):
    return sorted(name.removeprefix(f"/bucket/run/{folder}/") for name in memory.find(f"/bucket/run/{folder}"))


def test_a_journal_is_one_file_to_its_readers_while_its_objects_are_joined(store, memory):
    journal = store.journal("ledger/0.jsonl")
    assert store.names("ledger") == []
    lines = [f"line {number}\n".encode() for number in range(2 * journals.JOINED + 5)]
    places = [journal.add(line) for line in lines]
    assert len(objects(memory, "ledger/0.jsonl")) == 2 + 5
    assert store.names("ledger") == ["0.jsonl"]
    with store.reading("ledger/0.jsonl") as file:
        assert file.readlines() == lines
        for (name, offset), line in list(zip(places, lines, strict=True))[::-7]:
            assert name == "ledger/0.jsonl"
            file.seek(offset)
            assert file.readline() == line
    journal.close()
    assert len(objects(memory, "ledger/0.jsonl")) == 1
    assert store.read("ledger/0.jsonl") == b"".join(lines)


def test_a_journal_is_read_on_while_its_objects_are_joined_and_also_after_a_kill_between(store, memory):
    journal = store.journal("ledger/0.jsonl")
    lines = [f"line {number}\n".encode() for number in range(journals.JOINED)]
    for line in lines[:-1]:
        journal.add(line)
    before = {name: memory.cat_file(name) for name in memory.find("/bucket/run/ledger")}
    with store.reading("ledger/0.jsonl") as file:
        journal.add(lines[-1])  # all are one object now
        assert file.readlines() == lines
    for name, data in before.items():  # as if the process had died before it removed them
        memory.pipe_file(name, data)
    assert store.read("ledger/0.jsonl") == b"".join(lines)


def test_the_objects_of_a_long_journal_are_few_and_each_byte_is_written_a_few_times(store, memory, monkeypatch):
    monkeypatch.setattr(journals, "ENOUGH", 16_000)
    written = []
    pipe = type(memory).pipe_file

    def count(self, name, data, **more):
        written.append(len(data))
        pipe(self, name, data, **more)

    monkeypatch.setattr(type(memory), "pipe_file", count)
    journal = store.journal("ledger/0.jsonl")
    size = sum(journal.add(b"x" * 99 + b"\n") is not None for _ in range(2000)) * 100
    assert len(objects(memory, "ledger/0.jsonl")) < 2 * size / 8_000 + 2 * journals.JOINED
    assert sum(written) < 4 * size
    assert len(store.read("ledger/0.jsonl")) == size


def test_a_store_is_held_by_one_at_a_time_and_is_free_again(store):
    with store.hold():
        assert store.names() == []
        for take in (store.hold, store.kept_still().__enter__):
            with pytest.raises(OutputError, match="memory://bucket/run is in use by another voicegen process"):
                take()
    with store.kept_still():
        store.hold().give_back()


def test_a_store_that_is_given_back_keeps_no_new_trace(store, memory):
    store.hold().give_back()
    assert memory.find("/bucket/run") == []
    with store.hold():
        pass
    store.hold().give_back()
    assert memory.find("/bucket/run") == ["/bucket/run/.lock/000000002"]


def test_a_dead_process_of_this_machine_holds_nothing(store, memory):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    record = {"machine": leases._machine(), "process": process.pid, "started": 0.0, "beat": 3, "released": False}
    memory.pipe_file("/bucket/run/.lock/000000007", json.dumps(record).encode())
    with store.hold():
        assert memory.find("/bucket/run/.lock") == ["/bucket/run/.lock/000000008"]


def test_a_lease_whose_answer_was_lost_is_held_all_the_same(store, memory, monkeypatch):
    pipe_file = type(memory).pipe_file

    def lost(filesystem, path, value, mode="overwrite"):
        pipe_file(filesystem, path, value, mode=mode)
        if mode == "create":  # asked again, as no answer came, the store says that it is there
            raise FileExistsError(path)

    monkeypatch.setattr(type(memory), "pipe_file", lost)
    with store.hold():
        assert objects(memory, ".lock") == ["000000001"]


def test_a_log_that_cannot_be_written_ends_no_run(store, memory, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(type(memory), "pipe_file", refuse)
    with logging_to(store, show=False):
        logging.getLogger("voicegen").warning("a line")


def test_a_process_elsewhere_holds_a_store_as_long_as_it_gives_signs_of_life(store, memory, monkeypatch, caplog):
    now = [0.0]
    beats = iter(range(100))
    record = {"machine": "elsewhere", "process": 1, "started": 0.0, "beat": 0, "released": False}

    def put():
        memory.pipe_file("/bucket/run/.lock/000000007", json.dumps({**record, "beat": next(beats)}).encode())

    def sleep(seconds, lives=True):
        now[0] += seconds
        if lives and now[0] % 10 == 0:
            put()

    put()
    monkeypatch.setattr(leases, "clock", lambda: now[0])
    monkeypatch.setattr(leases.time, "sleep", sleep)
    with pytest.raises(OutputError, match="in use"):
        store.hold()
    assert now[0] == 10
    monkeypatch.setattr(leases.time, "sleep", lambda seconds: sleep(seconds, lives=False))
    with store.hold():
        assert now[0] == 10 + leases.DEAD_AFTER
    assert "waiting up to a minute" in caplog.text


def test_who_was_taken_over_from_adds_nothing_any_more(store, memory, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(leases, "clock", lambda: now[0])
    hold = store.hold()
    journal = store.journal("ledger/0.jsonl")
    journal.add(b"mine\n")
    memory.pipe_file("/bucket/run/.lock/000000002", b"{}")  # another process's, which took this one for dead
    now[0] += leases.BEAT
    with pytest.raises(OutputError, match=r"^memory://bucket/run was taken over by another voicegen process"):
        journal.add(b"lost\n")
    hold.__exit__()
    assert store.read("ledger/0.jsonl") == b"mine\n"
    assert memory.cat_file("/bucket/run/.lock/000000002") == b"{}"


def test_a_store_of_objects_is_no_folder(store):
    with pytest.raises(OutputError, match=r"^memory://bucket/run is a URL, and this needs a folder"):
        _ = store.folder
    with store.hold() as hold, pytest.raises(OutputError, match="renames nothing, so that overwrite=true cannot"):
        hold.move_aside()
