import tracemalloc

from tests.question_files import jsonl_file, text_file
from voicegen.dataset.overview import overview
from voicegen.dataset.questions import QuestionFile


def seen(path, limit=None, **settings):
    return overview(QuestionFile(path, **settings), limit)


def test_rows_that_cannot_be_read_are_counted_and_the_first_are_named(tmp_path):
    found = seen(
        text_file(tmp_path / "q.csv", "id,question\na,One?\nb,\nc,Three?\n" + "".join(f"{n},\n" for n in "defg"))
    )
    assert (found.rows, found.unreadable) == (7, 5)
    assert list(found.problems) == [f"row {row}: column 'question' is empty" for row in (2, 4, 5)]
    assert list(found.beginnings) == [0, 2]


def test_a_question_is_asked_again_where_it_is_the_same_as_for_splits(tmp_path):
    found = seen(
        text_file(tmp_path / "q.csv", "question\nWhat is one?\nAnd two?\nwhat  is ONE?\nWhat is one!\nAnd two?\n")
    )
    assert found.repeated == 3
    asked = ["row 3 asks what row 1 does: what is ONE?", "row 4 asks what row 3 does: What is one!"]
    assert list(found.repeats) == [*asked, "row 5 asks what row 2 does: And two?"]


def test_the_limit_holds_for_what_is_looked_at(tmp_path):
    found = seen(text_file(tmp_path / "q.csv", 'question\nA?\nA?\nA?\n""\n'), 2)
    assert (found.rows, found.repeated, found.unreadable) == (2, 1, 0)


def test_turns_after_one_that_cannot_be_read_fail_with_it_and_are_no_questions_of_their_own(tmp_path):
    rows = [("a", "Hi."), ("a", "Why?"), ("b", "Hello."), ("b", ""), ("b", "Why?"), (None, "Why?"), ("c", "Hi.")]
    path = jsonl_file(tmp_path / "q.jsonl", ({"talk": talk, "question": text} for talk, text in rows))
    found = seen(path, conversation_column="talk")
    assert (found.rows, found.conversations, found.unreadable, found.repeated) == (7, 3, 2, 1)
    assert list(found.beginnings) == [0, 2, 5, 6]
    assert list(found.repeats) == ["row 7 asks what row 1 does: Hi."]


def test_rows_to_try_are_spread_across_those_that_stand_on_their_own(tmp_path):
    found = seen(text_file(tmp_path / "q.csv", "question\n" + "".join(f"Q{n}?\n" for n in range(100))))
    assert sorted(found.spread(5)) == [10, 30, 50, 70, 90]
    assert len(found.spread(1000)) == 100
    assert found.spread(1) == {50}


def test_looking_takes_a_few_bytes_a_row(tmp_path):
    def held(rows):
        file = QuestionFile(
            text_file(tmp_path / f"{rows}.csv", "question\n" + "".join(f"Q{n}?\n" for n in range(rows)))
        )
        file.inspect()
        tracemalloc.start()
        overview(file)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    held(100)
    assert held(15_000) - held(5_000) < 60 * 10_000
