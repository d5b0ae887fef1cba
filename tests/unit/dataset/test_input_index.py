"""What a look at an input found is kept, and is used where the input has not changed since."""

import json
import os
import time

import fsspec
import pytest

from tests.question_files import jsonl_file, parquet_file, text_file
from voicegen.dataset import input_index, questions
from voicegen.dataset.input_index import INPUT_INDEX, InputIndex
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError
from voicegen.remote import RemotePath
from voicegen.store import Store


@pytest.fixture(autouse=True)
def small_inputs_are_kept(monkeypatch):
    monkeypatch.setattr(input_index, "KEPT_FROM", 1)
    monkeypatch.setattr("voicegen.dataset.input_files._COARSE", 0)


@pytest.fixture
def looks(monkeypatch):
    """Every look at a whole input."""
    made = []
    look = questions.QuestionFile._look
    monkeypatch.setattr(questions.QuestionFile, "_look", lambda self, found: made.append(self) or look(self, found))
    return made


@pytest.fixture
def again(tmp_path):
    """A way to open an input as the next session of its run does."""
    index = InputIndex(Store(tmp_path / "run"))

    def opened(path, **settings):
        file = QuestionFile(path, **settings, index=index)
        file.inspect()
        file.keep_index()
        return file

    return opened


def two_files(folder):
    for name in ("lang=en", "lang=de"):
        (folder / name).mkdir(parents=True)
    text_file(folder / "lang=en/1.csv", "id,question,level\na,What?,1\nb,Why?,2\n")
    text_file(folder / "lang=de/2.csv", "id,question,level\nc,Was?,3\n")
    return folder


def conversations(path):
    talk = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Yes?"}]
    rows = [{"messages": talk * 2, "level": 1}, {"messages": "none"}, {"messages": talk, "level": 2}]
    return jsonl_file(path, rows)


INPUTS = {
    "csv": lambda folder: (text_file(folder / "q.csv", "id,Question\na,What?\nb,Why?\n"), {}),
    "parquet": lambda folder: (parquet_file(folder / "q.parquet", {"question": ["A?", "B?"], "x": [1, 2]}), {}),
    "several": lambda folder: (two_files(folder / "in"), {"id_column": "id"}),
    "conversations": lambda folder: (conversations(folder / "q.jsonl"), {"given_history": True}),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_the_next_session_finds_the_same_without_a_look(kind, tmp_path, again, looks):
    path, settings = INPUTS[kind](tmp_path)
    first, second = again(path, **settings), again(path, **settings)
    assert looks == [first]
    assert second.inspect() == first.inspect()
    assert list(second.questions()) == list(first.questions())
    assert list(second.questions(2)) == list(first.questions(2))
    assert list(second.batches()) == list(first.batches())
    assert [second.place(row) for row in (1, 2)] == [first.place(row) for row in (1, 2)]
    assert second.told == first.told


def let_the_clock_of_the_disk_go_on(path):
    """Until a file that is changed now has another time than this one."""
    probe = path.with_name("probe")
    while not probe.exists() or probe.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        probe.write_bytes(b"")
    probe.unlink()


def changed_bytes(path):
    path.write_bytes(path.read_bytes().replace(b"What?", b"Whom?"))


def changed_bytes_and_the_old_time(path):
    before = path.stat()
    changed_bytes(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_file_in_its_place(path):
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes().replace(b"What?", b"Whom?"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [changed_bytes, changed_bytes_and_the_old_time, another_file_in_its_place])
def test_a_file_that_has_changed_is_looked_at(change, tmp_path, again, looks):
    path, _ = INPUTS["csv"](tmp_path)
    first = again(path)
    let_the_clock_of_the_disk_go_on(path)
    change(path)
    second = again(path)
    assert looks == [first, second]
    assert [record.text for record in second.questions()] == ["Whom?", "Why?"]
    assert second.inspect().sha256 != first.inspect().sha256


def test_a_file_that_became_bad_is_refused_as_ever(tmp_path, again):
    path, _ = INPUTS["csv"](tmp_path)
    again(path)
    path.write_text("id,question\na,What?\na,Why?\n", "utf-8")
    with pytest.raises(InputError, match="ids in column 'id' occur twice: 'a' in rows 1 and 2"):
        again(path)


def test_a_file_that_came_or_went_is_noticed(tmp_path, again, looks):
    path, settings = INPUTS["several"](tmp_path)
    again(path, **settings)
    text_file(path / "lang=en/3.csv", "id,question,level\nd,Who?,4\n")
    assert again(path, **settings).inspect().rows == 4
    (path / "lang=en/3.csv").unlink()
    assert again(path, **settings).inspect().rows == 3
    assert len(looks) == 3


def test_other_settings_are_another_look(tmp_path, again, looks):
    path = text_file(tmp_path / "q.csv", "id,question,other\na,What?,Why?\n")
    assert [record.text for record in again(path).questions()] == ["What?"]
    assert [record.text for record in again(path, text_column="other").questions()] == ["Why?"]
    assert len(looks) == 2


def test_a_file_that_was_changed_just_now_is_not_kept(tmp_path, again, looks, monkeypatch):
    monkeypatch.setattr("voicegen.dataset.input_files._COARSE", 2 * 10**9)
    path, _ = INPUTS["csv"](tmp_path)
    os.utime(path, ns=(0, time.time_ns()))
    again(path)
    again(path)
    assert len(looks) == 2
    assert not (tmp_path / "run" / INPUT_INDEX).exists()


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[1]\n", b"\xff\n", b'{"format": 1}\n12345'])
def test_garbage_in_its_place_costs_a_look(garbage, tmp_path, again, looks):
    path, _ = INPUTS["csv"](tmp_path)
    again(path)
    (tmp_path / "run" / INPUT_INDEX).write_bytes(garbage)
    assert again(path).inspect().rows == 2
    assert len(looks) == 2
    assert json.loads((tmp_path / "run" / INPUT_INDEX).read_bytes())["rows"] == 2


def test_few_rows_are_looked_at_each_time(tmp_path, again, looks, monkeypatch):
    monkeypatch.setattr(input_index, "KEPT_FROM", 3)
    path, _ = INPUTS["csv"](tmp_path)
    again(path)
    again(path)
    assert len(looks) == 2


def test_an_object_is_known_by_its_tag(again, looks):
    files = fsspec.filesystem("memory")
    files.pipe("/bucket/q.csv", b"question\nWhat?\n")
    path = RemotePath("memory://bucket/q.csv")
    again(path)
    again(path)
    assert len(looks) == 1
    files.pipe("/bucket/q.csv", b"question\nWhom?\n")
    assert [record.text for record in again(path).questions()] == ["Whom?"]
    files.store.clear()
