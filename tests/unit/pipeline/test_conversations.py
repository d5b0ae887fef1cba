import tracemalloc
from dataclasses import replace

from tests.question_parts import in_parts
from voicegen.pipeline.conversations import QuestionFeed
from voicegen.records import Answer, Failure, Message, Question, Role


def turn(index, conversation, text=None):
    return Question(index, str(index), text or f"question {index}", conversation_id=conversation, turn=None)


class Asking:
    """Pulls from a feed as a model would, and answers what it is told to."""

    def __init__(self, rows, done=()):
        self.done = dict(done)
        self.failures = []
        self.feed = QuestionFeed(
            in_parts(rows),
            is_done=lambda index: index in self.done,
            earlier_answer=lambda index: self.done[index],
            on_failure=lambda question, failure: self.failures.append(failure),
        )
        self.source = self.feed.questions()

    def pull(self):
        return next(self.source, "end")

    def answer(self, question):
        self.feed.finished(Answer(question, f"answer {question.index}"))

    def fail(self, question):
        self.feed.finished(Failure(question.index, "chat", "no"))


def test_questions_without_a_conversation_go_in_order_without_waiting():
    asking = Asking([turn(index, None) for index in range(3)])
    assert [asking.pull().index for _ in range(3)] == [0, 1, 2]
    assert asking.pull() is None  # the model has all three in hand


def test_a_turn_waits_for_the_answer_before_it_and_gets_the_history():
    asking = Asking([turn(0, "a"), turn(1, "a"), turn(2, "b")])
    first, other = asking.pull(), asking.pull()
    assert (first.index, other.index) == (0, 2)
    assert asking.pull() is None
    asking.answer(first)
    second = asking.pull()
    assert second.index == 1
    assert [(message.role, message.content) for message in second.history] == [
        (Role.USER, "question 0"),
        (Role.ASSISTANT, "answer 0"),
    ]


def test_the_feed_ends_when_everything_is_answered():
    asking = Asking([turn(0, "a"), turn(1, "a")])
    asking.answer(asking.pull())
    asking.answer(asking.pull())
    assert asking.pull() == "end"


def test_a_failed_turn_fails_the_turns_after_it_and_nobody_else():
    asking = Asking([turn(0, "a"), turn(1, "a"), turn(2, "a"), turn(3, "b")])
    asking.fail(asking.pull())
    last = asking.pull()
    assert last.index == 3
    asking.answer(last)
    assert asking.pull() == "end"
    assert [(failure.index, failure.error) for failure in asking.failures] == [
        (1, "an earlier turn of conversation a failed"),
        (2, "an earlier turn of conversation a failed"),
    ]


def test_a_resumed_conversation_goes_on_from_the_answers_of_the_earlier_session():
    asking = Asking([turn(0, "a"), turn(1, "a"), turn(2, "a")], done={0: "said before", 1: "and this"})
    question = asking.pull()
    assert question.index == 2
    assert [message.content for message in question.history] == ["question 0", "said before", "question 1", "and this"]


def test_a_turn_that_cannot_be_asked_fails_the_turns_after_it_but_none_before_it():
    rows = [turn(0, "a"), Failure(1, "input", "empty", conversation_id="a"), turn(2, "a")]
    asking = Asking(rows)
    asking.answer(asking.pull())
    assert asking.pull() == "end"
    assert [(failure.index, failure.error) for failure in asking.failures] == [
        (1, "empty"),
        (2, "an earlier turn of conversation a failed"),
    ]


def test_a_turn_that_failed_in_an_earlier_session_fails_the_rest():
    asking = Asking([turn(0, "a"), turn(1, "a")], done={0: None})
    assert asking.pull() == "end"
    assert [failure.index for failure in asking.failures] == [1]


def test_finished_rows_and_failures_are_told_once():
    asking = Asking([Failure(0, "input", "empty"), Failure(1, "input", "empty"), turn(2, None)], done={0: None})
    assert asking.pull().index == 2
    assert [failure.index for failure in asking.failures] == [1]


def test_finished_conversations_are_forgotten():
    long = 100_000  # characters
    asking = Asking(replace(turn(index, f"c{index // 2}"), text=f"{index:{long}d}") for index in range(200))
    tracemalloc.start()
    try:
        for _ in range(200):
            asking.answer(asking.pull())
        assert asking.pull() == "end"
        assert tracemalloc.get_traced_memory()[1] < 20 * long
    finally:
        tracemalloc.stop()


def test_a_long_conversation_is_not_read_into_memory_at_once():
    read = []

    def rows():
        for index in range(50_000):
            read.append(index)
            yield turn(index, "endless")

    asking = Asking(rows())
    asking.pull()
    assert asking.pull() is None
    assert len(read) <= 10_001


def test_a_turn_that_brings_its_history_along_is_asked_after_that_whatever_became_of_the_turn_before():
    given = (Message(Role.USER, "first"), Message(Role.ASSISTANT, "given"))
    asking = Asking([turn(0, "a"), replace(turn(1, "a"), history=given), turn(2, "b")])
    first, other = asking.pull(), asking.pull()
    assert (first.index, first.history, other.index) == (0, (), 2)
    asking.fail(first)
    second = asking.pull()
    assert (second.index, second.history, asking.failures) == (1, given, [])
