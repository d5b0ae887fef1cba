import pytest

from tests.chat_tokenizers import harmony_tokenizer, think_tokenizer
from voicegen.chat.mlx.rows import Row
from voicegen.chat.mlx.sampling import RowStream
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.records import Answer, Failure, Question


def row_of(template: ChatTemplate, reply: str) -> Row:
    row = Row(Question(0, "0", "Why?"), [], [], template.parser(), RowStream(0), budget=9)
    for token in template.encode(reply):
        row.feed(token)
    return row


@pytest.mark.parametrize(("cut", "why"), [(True, "raise chat.reasoning_budget"), (False, "ended its reply after")])
def test_a_reply_without_an_answer_says_whether_a_larger_budget_would_help(cut: bool, why: str) -> None:
    row = row_of(ChatTemplate(harmony_tokenizer()), "<|channel|>analysis<|message|>Hm")
    row.next_step(cut, can_call=False)
    record = row.outcome(cut)
    assert isinstance(record, Failure)
    assert why in record.error


@pytest.mark.parametrize(
    ("reply", "answer"), [("Hm.</think>Yes.", "Yes."), ("Yes.", "Yes."), ("<think>a</think>b", "b")]
)
def test_a_think_models_reply_is_read_whether_or_not_it_marks_its_beginning(reply: str, answer: str) -> None:
    row = row_of(ChatTemplate(think_tokenizer()), reply)
    row.next_step(cut=False, can_call=False)
    record = row.outcome(cut=False)
    assert isinstance(record, Answer)
    assert record.text == answer


def test_a_think_models_reply_that_was_cut_unmarked_is_no_answer() -> None:
    row = row_of(ChatTemplate(think_tokenizer()), "It may be")
    row.next_step(cut=True, can_call=False)
    assert isinstance(row.outcome(cut=True), Failure)
