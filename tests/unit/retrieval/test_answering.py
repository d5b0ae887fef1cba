from collections.abc import Iterable

from voicegen.chat.echo import EchoAnswerModel
from voicegen.records import Answer, Passage, Question
from voicegen.retrieval.answering import AT_ONCE, AnswerModelWithPassages


class Finder:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, questions):
        self.asked.append(list(questions))
        return [[Passage(f"{question}#1", question, "a.md", 0.5)] for question in questions]


def questions(count: int) -> list[Question]:
    return [Question(index, str(index), f"question {index}") for index in range(count)]


def answered(model, source: Iterable[Question | None]) -> list[Answer]:
    return list(model.answer(iter(source)))


def test_questions_are_looked_up_together_and_answered_in_order():
    find = Finder()
    answers = answered(AnswerModelWithPassages(EchoAnswerModel(), find), questions(AT_ONCE + 3))
    assert [answer.question.index for answer in answers] == list(range(AT_ONCE + 3))
    assert [answer.question.passages[0].id for answer in answers[:2]] == ["question 0#1", "question 1#1"]
    assert [len(asked) for asked in find.asked] == [AT_ONCE, 3]


def test_nothing_that_is_in_hand_waits_where_the_source_has_nothing_ready():
    find = Finder()
    seen: list[Question | None] = []

    class Pulling(EchoAnswerModel):
        def answer(self, source):
            for question in source:
                seen.append(question)
                if question is not None:
                    yield Answer(question, question.text)

    one, two, three = questions(3)
    model = AnswerModelWithPassages(Pulling(), find)
    answered(model, [None, one, None, two, three])
    assert [None if question is None else question.index for question in seen] == [None, 0, None, 1, 2]
    assert [len(asked) for asked in find.asked] == [1, 2]


def test_a_task_of_ours_and_a_question_without_words_get_no_passages():
    find = Finder()
    task = Question(1, "1", "Rewrite this.", instructions="Rewrite.")
    answers = answered(AnswerModelWithPassages(EchoAnswerModel(), find), [task, Question(2, "2", "  "), *questions(1)])
    assert [len(answer.question.passages) for answer in answers] == [0, 0, 1]
    assert find.asked == [["question 0"]]
