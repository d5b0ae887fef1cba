import pickle

import pytest

from voicegen.errors import OutputError
from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.records import Clip, ManifestRow
from voicegen.store import Store


def clip(index, seconds=2.0):
    return Clip(index, f"audio/{index:06d}.wav", 16_000, int(16_000 * seconds), "0" * 64, -3.0)


def ok(index, answer="an answer"):
    return ManifestRow(index, "ok", seed=index, answer=answer, clip=clip(index))


def failed(index):
    return ManifestRow(index, "failed", seed=index, error="chat: too long")


class Session:
    """A session of a run in which one writer finishes rows."""

    def __init__(self, folder):
        store = Store(folder)
        self.ledger = Ledger(store)
        self.writer = LedgerWriter(store, self.ledger.session, "w")

    def append(self, *rows):
        self.ledger.add(self.writer.append(rows))


def appended(folder, *rows):
    """The ledger of a session that appended rows, and that has ended."""
    session = Session(folder)
    session.append(*rows)
    session.writer.close()
    return session.ledger


def reopened(folder):
    return Ledger(Store(folder))


def names(folder):
    return sorted(path.name for path in (folder / "ledger").iterdir())


def test_rows_come_back_as_they_were_appended(tmp_path):
    rows = [ok(3, 'tricky "quotes",\nlines, \u2028 and \ud800'), failed(0), ok(7)]
    ledger = appended(tmp_path, *rows)
    assert ledger.get(range(10)) == reopened(tmp_path).get(range(10)) == {row.index: row for row in rows}


def test_what_a_writer_that_died_had_added_and_not_told_is_found(tmp_path):
    session = Session(tmp_path)
    assert list(session.ledger.left_by("w")) == []
    session.append(ok(3))
    untold = session.writer.append([ok(0), failed(7)])
    assert list(session.ledger.left_by("w")) == untold
    (tmp_path / "ledger" / "00000-w.jsonl").open("ab").write(b'{"index":8,"sta')  # torn
    assert list(session.ledger.left_by("w")) == untold
    session.ledger.add(untold)
    assert list(session.ledger.left_by("w")) == list(session.ledger.left_by("nobody")) == []


def test_counts_end_and_audio_follow_the_rows(tmp_path):
    for each in (appended(tmp_path, ok(4), failed(1)), reopened(tmp_path)):
        assert (len(each), each.count("ok"), each.count("failed"), each.end) == (2, 1, 1, 5)
        assert each.audio_seconds() == 2.0
        assert (each.count("ok", range(4)), each.unfinished(range(4)), each.first_unfinished()) == (0, 3, 0)
        assert (each.unfinished(range(3, 6)), each.first_unfinished(1), each.first_unfinished(4)) == (2, 2, 5)
        assert list(each.finished()) == [1, 4]
        assert [each.status(index) for index in (0, 1, 4, 99)] == [None, "failed", "ok", None]


def test_a_torn_last_line_is_dropped_and_its_row_is_done_again(tmp_path):
    appended(tmp_path, ok(0), ok(1))
    [name] = names(tmp_path)
    path = tmp_path / "ledger" / name
    path.write_bytes(path.read_bytes()[:-5])
    assert [reopened(tmp_path).status(index) for index in (0, 1)] == ["ok", None]
    appended(tmp_path, ok(1, "anew"))
    assert reopened(tmp_path).get([1])[1].answer == "anew"


def test_pages_that_a_loss_of_power_left_zero_are_dropped_and_their_rows_are_done_again(tmp_path):
    appended(tmp_path, ok(0), ok(1), ok(2))
    [path] = (tmp_path / "ledger").iterdir()
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:9] + bytes(len(second) - 9) + third)
    assert [reopened(tmp_path).status(index) for index in (0, 1, 2)] == ["ok", None, None]
    path.write_bytes(first + bytes(len(second) - 1) + b"\n" + third)
    again = reopened(tmp_path)
    assert [again.status(index) for index in (0, 1, 2)] == ["ok", None, "ok"]
    assert again.get([2])[2].seed == 2


def test_every_session_appends_to_a_file_of_its_own(tmp_path):
    for session in range(3):
        appended(tmp_path, ok(session))
    assert names(tmp_path) == ["00000-w.jsonl", "00001-w.jsonl", "00002-w.jsonl"]
    assert list(reopened(tmp_path).get(range(3))) == [0, 1, 2]


def test_several_writers_append_to_one_run_side_by_side(tmp_path):
    store = Store(tmp_path)
    ledger = Ledger(store)
    writers = [LedgerWriter(store, ledger.session, name) for name in ("a", "b")]
    for index in range(10):
        ledger.add(writers[index % 2].append([ok(index, f"by {index % 2}")]))
    for each in (ledger, reopened(tmp_path)):
        assert [row.answer for row in each.get(range(10)).values()].count("by 1") == 5
        assert each.count("ok") == 10
    appended(tmp_path, ok(3, "anew"))
    assert names(tmp_path) == ["00000-a.jsonl", "00000-b.jsonl", "00001-w.jsonl"]
    assert reopened(tmp_path).get([3])[3].answer == "anew"


def test_a_ledger_of_a_version_without_writers_names_is_gone_on_with(tmp_path):
    appended(tmp_path, ok(0), failed(1))
    (tmp_path / "ledger" / "00000-w.jsonl").rename(tmp_path / "ledger" / "00000.jsonl")
    assert appended(tmp_path, ok(1)).count("ok") == 2
    assert names(tmp_path) == ["00000.jsonl", "00001-w.jsonl"]
    assert reopened(tmp_path).count("ok") == 2


def test_a_ledger_that_another_process_is_handed_says_the_same(tmp_path):
    ledger = appended(tmp_path, ok(0), ok(2))
    ledger.forget(0, redraw=True)
    handed = pickle.loads(pickle.dumps(ledger))
    assert [handed.status(index) for index in range(3)] == [None, None, "ok"]
    assert (handed.attempt(0), handed.session, handed.get([2])) == (2, ledger.session, ledger.get([2]))


def test_a_session_that_finishes_nothing_leaves_no_file(tmp_path):
    Session(tmp_path).writer.close()
    assert not (tmp_path / "ledger").exists()


def test_a_later_line_for_a_row_replaces_the_earlier_one(tmp_path):
    session = Session(tmp_path)
    session.append(failed(0))
    session.ledger.forget(0)
    assert session.ledger.status(0) is None
    session.append(ok(0))
    again = reopened(tmp_path)
    assert (len(again), again.count("failed")) == (1, 0)
    assert again.get([0])[0].status == "ok"


def test_a_damaged_line_in_the_middle_is_refused_with_its_place(tmp_path):
    appended(tmp_path, ok(0), ok(1))
    path = tmp_path / "ledger" / "00000-w.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(OutputError, match=r"00000-w\.jsonl, line 1: not a ledger line.*remove that line, .*"):
        reopened(tmp_path)


def test_a_file_that_is_no_ledgers_is_refused_by_its_name(tmp_path):
    appended(tmp_path, ok(0))
    (tmp_path / "ledger" / "copy of 00000.jsonl").touch()
    with pytest.raises(OutputError, match=r"copy of 00000\.jsonl: not a ledger file"):
        reopened(tmp_path)


def test_rows_can_be_read_while_others_are_appended(tmp_path):
    session = Session(tmp_path)
    for index in range(50):
        session.append(ok(index))
        assert len(session.ledger.get(range(index + 1))) == index + 1


class TestAnIndex:
    """The ledger's, from which the next session begins."""

    def indexed(self, folder):
        session = Session(folder)
        session.append(*map(ok, range(5)))
        session.append(failed(5), ok(7))
        session.ledger.keep_index(after=1)
        return session

    def said(self, ledger):
        codes = [ledger.status(index) for index in range(ledger.end + 1)]
        counts = ledger.count("ok"), ledger.unfinished(range(9)), ledger.first_unfinished(), ledger.audio_seconds()
        return (
            codes,
            counts,
            list(ledger.finished()),
            ledger.get(range(9)),
            [block.tolist() for _, block in ledger.hashes()],
            len(ledger),
        )

    def unindexed(self, folder):
        (folder / "ledger.index").unlink()
        return self.said(reopened(folder))

    def test_says_what_the_lines_say(self, tmp_path):
        session = self.indexed(tmp_path)
        assert self.said(session.ledger) == self.said(reopened(tmp_path)) == self.unindexed(tmp_path)

    def test_is_followed_by_the_lines_that_came_after_it(self, tmp_path):
        session = self.indexed(tmp_path)
        session.append(ok(6), ok(5, "anew"))
        appended(tmp_path, ok(3, "anew"), ok(900))
        found = self.said(reopened(tmp_path))
        assert [found[3][index].answer for index in (3, 5)] == ["anew", "anew"]
        assert found == self.unindexed(tmp_path)

    def test_saves_the_reading_of_lines_that_it_has(self, tmp_path):
        self.indexed(tmp_path)
        [path] = (tmp_path / "ledger").iterdir()
        first, rest = path.read_bytes().split(b"\n", 1)
        path.write_bytes(b"?" * len(first) + b"\n" + rest)
        assert reopened(tmp_path).status(0) == "ok"

    def test_knows_nothing_of_rows_that_are_to_be_done_again(self, tmp_path):
        session = self.indexed(tmp_path)
        for index in (2, 5):
            session.ledger.forget(index, redraw=True)
        session.append(ok(8))
        session.ledger.keep_index(after=1)
        assert [session.ledger.status(index) for index in (2, 5)] == [None, None]
        assert session.ledger.attempt(2) == 2
        again = reopened(tmp_path)
        assert [again.status(index) for index in (2, 5)] == ["ok", "failed"]
        assert self.said(again) == self.unindexed(tmp_path)

    def test_can_be_followed_by_more_of_the_session_and_another_index(self, tmp_path):
        session = self.indexed(tmp_path)
        for index in range(10, 40):
            session.append(ok(index))
            session.ledger.keep_index(after=7)
        assert self.said(session.ledger) == self.said(reopened(tmp_path)) == self.unindexed(tmp_path)

    def test_knows_how_rows_ended_that_have_ended_otherwise_since(self, tmp_path):
        session = self.indexed(tmp_path)
        session.ledger.forget(5)
        session.append(ok(5))
        session.ledger.keep_index(after=1)
        assert list(reopened(tmp_path).ended_otherwise()) == [(5, "failed")]

    def test_is_not_written_for_a_few_lines(self, tmp_path):
        session = Session(tmp_path)
        session.append(ok(0))
        session.ledger.keep_index()
        assert not (tmp_path / "ledger.index").exists()

    def test_of_other_files_is_not_used(self, tmp_path):
        self.indexed(tmp_path)
        [path] = (tmp_path / "ledger").iterdir()
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
        assert reopened(tmp_path).status(0) is None
        assert self.said(reopened(tmp_path)) == self.unindexed(tmp_path)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: b"",
            lambda data: data[:100],
            lambda data: data[: len(data) // 2],
            lambda data: b"\xff" * len(data),
            lambda data: data.split(b"\n")[0] + b"\n" + b"\x07" * len(data),
            lambda data: b"[]\n" + data,
            lambda data: data.replace(b'"status"', b'"states"'),
            lambda data: data.replace(b"00000-w.jsonl", b"00009-w.jsonl"),
        ],
    )
    def test_that_is_damaged_is_not_used(self, tmp_path, damage):
        self.indexed(tmp_path)
        file = tmp_path / "ledger.index"
        file.write_bytes(damage(file.read_bytes()))
        assert self.said(reopened(tmp_path)) == self.unindexed(tmp_path)

    def test_is_handed_to_another_process(self, tmp_path):
        ledger = self.indexed(tmp_path).ledger
        assert self.said(pickle.loads(pickle.dumps(ledger))) == self.said(ledger)
