import random
from collections import Counter, defaultdict

import pytest

from tests.finished_rows import FinishedRows, failed_row, spoken_row
from tests.question_files import jsonl_file
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations, RowRelations
from voicegen.dataset.splits import Shares

TENTHS = Shares(validation=0.1, test=0.1)


def marks(tmp_path, rows, shares=TENTHS, **options):
    conversation = "conversation" if any("conversation" in row for row in rows) else None
    path = jsonl_file(tmp_path / f"{len(rows)}.jsonl", rows)
    return QuestionRelations(QuestionFile(path, conversation_column=conversation), shares, **options)


def asked(*texts):
    return [{"question": text} for text in texts]


def many():
    """A thousand questions of made-up words, of which no two are near each other."""
    draw = random.Random(11)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(2000)]
    return [f"{' '.join(draw.choices(words, k=draw.randint(7, 12)))}?" for _ in range(1000)]


def splits(question_marks, count):
    return question_marks.splits.names(range(count))


def test_without_shares_all_rows_are_train(tmp_path):
    rows = asked("Why?", "Who?", "Why?")
    assert splits(marks(tmp_path, rows, Shares()), 3) == ["train"] * 3


def test_shares_are_met_as_nearly_as_chance_allows(tmp_path):
    counts = Counter(splits(marks(tmp_path, asked(*many()), Shares(0.2, 0.1)), 1000))
    assert counts["validation"] == pytest.approx(200, abs=40)
    assert counts["test"] == pytest.approx(100, abs=30)
    assert counts["train"] + counts["validation"] + counts["test"] == 1000


def test_a_question_is_in_the_same_part_in_every_file_and_always_will_be(tmp_path):
    texts = many()[::37]
    forwards = splits(marks(tmp_path, asked(*texts), near=False), len(texts))
    backwards = splits(marks(tmp_path, asked(*reversed(texts)), near=False), len(texts))
    assert forwards == backwards[::-1]
    known = ["Why is the sky blue?", "Who wrote Hamlet?", "What is honey?", "How deep is the sea?", "Who was Ada?"]
    assert splits(marks(tmp_path, asked(*known), Shares(0.3, 0.3)), 5) == [
        "train",
        "train",
        "test",
        "test",
        "validation",
    ]


def test_no_same_or_nearly_same_questions_are_in_different_parts(tmp_path):
    texts = many()
    again = [text.upper().rstrip("?.") for text in texts[:300]] + [f"{text[:-1]}s?" for text in texts[300:600]]
    found = splits(marks(tmp_path, asked(*texts, *again), Shares(0.3, 0.3)), 1600)
    pairs = [(found[at], found[1000 + at]) for at in range(600)]
    assert all(one == other for one, other in pairs if one and other)
    assert sum(None in pair for pair in pairs) < 5
    assert {one for one, _ in pairs} >= {"train", "validation", "test"}


def test_rows_added_at_the_end_change_no_part(tmp_path):
    texts = [*many(), *(text.replace("a", "e") for text in many())]
    whole = splits(marks(tmp_path, asked(*texts), Shares(0.3, 0.3)), 2000)
    for size in (1, 500, 1003):
        assert splits(marks(tmp_path, asked(*texts[:size]), Shares(0.3, 0.3)), size) == whole[:size]


def test_the_turns_of_a_conversation_stay_together(tmp_path):
    rows = [{"question": text, "conversation": f"c{number // 4}"} for number, text in enumerate(many()[::10][:100])]
    found = splits(marks(tmp_path, rows, Shares(0.3, 0.3)), 100)
    talks = defaultdict(set)
    for number, split in enumerate(found):
        talks[number // 4].add(split)
    assert all(len(parts - {None}) == 1 for parts in talks.values())
    assert set(found) >= {"train", "validation", "test"}


def test_a_row_that_is_like_rows_of_two_parts_is_in_none(tmp_path):
    texts = ["Why is the sky blue?", "How deep is the sea?"]
    one, other = splits(marks(tmp_path, asked(*texts), APART), 2)
    assert one != other
    rows = [
        {"question": texts[0], "conversation": "a"},
        {"question": texts[1], "conversation": "b"},
        {"question": texts[0], "conversation": "b"},
        {"question": "And who has been down there?", "conversation": "b"},
    ]
    assert splits(marks(tmp_path, rows, APART), 4) == [one, other, None, other]


APART = Shares(0.3, 0.3)


def test_near_duplicates_may_be_let_apart_and_the_same_never(tmp_path):
    sums = [f"What do you get if you add the number {number} to four?" for number in range(200)]
    together = set(splits(marks(tmp_path, asked(*sums), Shares(0.3, 0.3)), 200))
    apart = splits(marks(tmp_path, asked(*sums, *sums), Shares(0.3, 0.3), near=False), 400)
    assert len(together) == 1
    assert set(apart) == {"train", "validation", "test"}
    assert apart[:200] == apart[200:]


def test_rows_say_which_earlier_question_and_answer_they_repeat(tmp_path):
    rows = asked("Why is the sky blue?", "Who wrote Hamlet?", "why is the sky BLUE", "Who wrote Hamlets?!")
    answers = ["Because of Rayleigh scattering.", "Shakespeare.", "Because of Rayleigh scattering", "shakespeare"]
    of_rows = RowRelations(marks(tmp_path, rows))
    of_rows.read(FinishedRows(spoken_row(at, answer=answer) for at, answer in enumerate(answers)))
    columns = {name: list(map(plain_value, values)) for name, values in of_rows.columns(range(4)).items()}
    assert columns["question_duplicate_of"] == [None, None, 0, 1]
    assert columns["question_similarity"][:3] == [None, None, 1.0]
    assert 0.7 < columns["question_similarity"][3] < 1
    assert columns["answer_duplicate_of"] == [None, None, 0, 1]
    assert columns["answer_similarity"] == [None, None, 1.0, 1.0]


def plain_value(value):
    return value.as_py() if hasattr(value, "as_py") else value


def test_of_several_answers_a_question_the_first_row_of_the_first_question_is_named(tmp_path):
    of_rows = RowRelations(marks(tmp_path, asked("Who?", "Why?", "who")), answers_per_question=2)
    of_rows.read(FinishedRows([]))
    columns = of_rows.columns(range(6))
    assert columns["question_duplicate_of"].to_pylist() == [None, None, None, None, 0, 0]
    assert columns["split"][4:] == [columns["split"][0]] * 2


def test_answers_that_come_later_are_marked_at_the_next_write(tmp_path):
    of_rows = RowRelations(marks(tmp_path, asked("Who?", "Why?", "When?")))
    rows = [spoken_row(at, answer="The same.") for at in (2, 0)]
    of_rows.read(FinishedRows(rows[:1]))
    assert of_rows.columns([2])["answer_duplicate_of"].to_pylist() == [None]
    of_rows.read(FinishedRows([*rows, failed_row(1)]))
    assert of_rows.columns([0, 1, 2])["answer_duplicate_of"].to_pylist() == [None, None, 0]


def test_rows_without_a_question_repeat_nothing(tmp_path):
    rows = [{"question": "Who?"}, {"question": None}, {"question": None}]
    of_rows = RowRelations(marks(tmp_path, rows))
    of_rows.read(FinishedRows([]))
    assert of_rows.columns(range(3))["question_duplicate_of"].to_pylist() == [None] * 3
