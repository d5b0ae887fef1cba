import pytest

from voicegen.errors import OutputError
from voicegen.pipeline.ledger import Ledger
from voicegen.records import Clip, ManifestRow


def clip(index, seconds=2.0):
    return Clip(index, f"audio/{index:06d}.wav", 16_000, int(16_000 * seconds), "0" * 64, -3.0)


def ok(index, answer="an answer"):
    return ManifestRow(index, "ok", seed=index, answer=answer, clip=clip(index))


def failed(index):
    return ManifestRow(index, "failed", seed=index, error="chat: too long")


def reopened(ledger, folder):
    ledger.close()
    return Ledger(folder)


def test_rows_come_back_as_they_were_appended(tmp_path):
    ledger = Ledger(tmp_path)
    rows = [ok(3, 'tricky "quotes",\nlines, \u2028 and \ud800'), failed(0), ok(7)]
    ledger.append(rows)
    assert reopened(ledger, tmp_path).get(range(10)) == {row.index: row for row in rows}


def test_counts_end_and_audio_follow_the_rows(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([ok(4), failed(1)])
    for each in (ledger, reopened(ledger, tmp_path)):
        assert (len(each), each.count("ok"), each.count("failed"), each.end) == (2, 1, 1, 5)
        assert each.audio_seconds() == 2.0
        assert (each.count("ok", 4), each.unfinished(4), each.first_unfinished()) == (0, 3, 0)
        assert [each.status(index) for index in (0, 1, 4, 99)] == [None, "failed", "ok", None]


def test_a_torn_last_line_is_dropped_and_its_row_is_done_again(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([ok(0), ok(1)])
    ledger.close()
    path = tmp_path / "00000.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = Ledger(tmp_path)
    assert again.status(0) == "ok"
    assert again.status(1) is None
    again.append([ok(1, "anew")])
    assert reopened(again, tmp_path).get([1])[1].answer == "anew"


def test_every_session_appends_to_a_file_of_its_own(tmp_path):
    for session in range(3):
        ledger = Ledger(tmp_path)
        ledger.append([ok(session)])
        ledger.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.jsonl", "00001.jsonl", "00002.jsonl"]
    assert list(Ledger(tmp_path).get(range(3))) == [0, 1, 2]


def test_a_session_that_finishes_nothing_leaves_no_file(tmp_path):
    Ledger(tmp_path / "ledger").close()
    assert not (tmp_path / "ledger").exists()


def test_a_later_line_for_a_row_replaces_the_earlier_one(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([failed(0)])
    ledger.forget(0)
    assert ledger.status(0) is None
    ledger.append([ok(0)])
    again = reopened(ledger, tmp_path)
    assert (len(again), again.count("failed")) == (1, 0)
    assert again.get([0])[0].status == "ok"


def test_a_damaged_line_in_the_middle_is_refused_with_its_place(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append([ok(0), ok(1)])
    ledger.close()
    path = tmp_path / "00000.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(OutputError, match=r"00000\.jsonl, line 1: not a ledger line.*overwrite=true"):
        Ledger(tmp_path)


def test_rows_can_be_read_while_others_are_appended(tmp_path):
    ledger = Ledger(tmp_path)
    for index in range(50):
        ledger.append([ok(index)])
        assert len(ledger.get(range(index + 1))) == index + 1
