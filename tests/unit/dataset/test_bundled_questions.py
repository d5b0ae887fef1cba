"""The questions that the default run answers."""

from pathlib import Path

from voicegen.dataset.questions import QuestionFile
from voicegen.records import Question

BUNDLED = QuestionFile(Path(__file__).parents[3] / "data/questions.csv")


def test_there_are_24_different_questions_with_ids_of_their_own():
    questions = [record for record in BUNDLED.questions() if isinstance(record, Question)]
    assert BUNDLED.inspect().rows == len(questions) == 24
    assert len({question.text for question in questions}) == 24
    assert not any(question.id.isdecimal() for question in questions)


def test_some_are_hard_to_say_aloud():
    categories = {value for batch in BUNDLED.batches() for value in batch.column("category").to_pylist()}
    assert categories >= {"numbers", "dates", "money", "abbreviations", "poem", "list"}
    texts = " ".join(record.text for record in BUNDLED.questions() if isinstance(record, Question))
    assert all(mark in texts for mark in ("$", "a.m.", "Dr.", "29", "NASA"))
