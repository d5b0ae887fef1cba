import pytest

from tests.chat_tokenizers import harmony_tokenizer, think_tokenizer
from voicegen.chat.conversation.turn import Next
from voicegen.chat.mlx.forcing import forcing
from voicegen.chat.mlx.rows import Row
from voicegen.chat.mlx.turns import Turns
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.protocols import GenerationOptions
from voicegen.records import Answer, Failure, Question

QUESTION = Question(0, "0", "Why?")


def held():
    return [], [1, 2, 3]


def after(reply, cut=False, tokenizer=think_tokenizer, reasoning_budget=0, row=None):
    """What becomes of a row to which the model says `reply`."""
    template = ChatTemplate(tokenizer())
    turns = Turns(template, template.begins, 100_000, GenerationOptions(), reasoning_budget=reasoning_budget)
    running = turns.running(row or turns.begin(QUESTION))
    for token in template.encode(reply):
        running.feed(token)
    return turns.after(running, cut, held)


@pytest.mark.parametrize(("cut", "why"), [(True, "raise max_tokens"), (False, "ended its reply without an answer")])
def test_a_reply_without_an_answer_says_whether_a_larger_budget_would_help(cut, why):
    record = after("<|channel|>analysis<|message|>Hm", cut, harmony_tokenizer)
    assert isinstance(record, Failure)
    assert why in record.error


@pytest.mark.parametrize(
    ("reply", "answer"), [("Hm.</think>Yes.", "Yes."), ("Yes.", "Yes."), ("<think>a</think>b", "b")]
)
def test_a_think_models_reply_is_read_whether_or_not_it_marks_its_beginning(reply, answer):
    record = after(reply)
    assert isinstance(record, Answer)
    assert record.text == answer


def test_a_think_models_reply_that_was_cut_unmarked_is_no_answer():
    assert isinstance(after("It may be", cut=True), Failure)


@pytest.mark.parametrize(
    ("tokenizer", "thought"),
    [(harmony_tokenizer, "<|channel|>analysis<|message|>Hm"), (think_tokenizer, "<think>Hm"), (think_tokenizer, "Hm")],
)
def test_a_reply_cut_in_its_reasoning_goes_on_to_an_answer_with_the_reasoning_kept(tokenizer, thought):
    row = after(thought, True, tokenizer, reasoning_budget=9)
    assert isinstance(row, Row)
    assert (row.turn.next, row.budget, row.cached) == (Next.FORCE_ANSWER, 9, (1, 2, 3))
    for _ in range(2):  # a row is data: it can be begun again
        record = after("Yes.", tokenizer=tokenizer, reasoning_budget=9, row=row)
        assert (record.text, record.reasoning) == ("Yes.", "Hm")
        assert record.prompt_tokens == len(ChatTemplate(tokenizer()).render(row.turn.messages))
    assert isinstance(after("", True, tokenizer, reasoning_budget=9, row=row), Failure)


@pytest.mark.parametrize(("room", "budget"), [(100, 9), (4, 4), (0, None)])
def test_an_answer_is_forced_within_the_context(room, budget):
    template = ChatTemplate(harmony_tokenizer())
    parser = template.parser()
    for token in template.encode("<|channel|>analysis<|message|>Hm"):
        parser.feed(token)
    parser.finish(cut=True)
    forced = forcing(parser, reasoning_budget=9, room=len(parser.force_answer_tokens()) + room)
    assert (forced.budget if forced else None) == budget
