from voicegen.chat.ready import ReadyAnswers
from voicegen.records import Answer, Failure, Question


def answered(*answers: str) -> list[Answer | Failure]:
    questions = [Question(index, str(index), "Well?", answer=answer) for index, answer in enumerate(answers)]
    return list(ReadyAnswers("reply").answer(questions))


def test_the_reasoning_and_the_markers_of_a_ready_answer_are_no_part_of_it() -> None:
    harmony = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Five.<|return|>"
    for record, text in zip(
        answered("<think>hm</think>It is four.<|im_end|>", harmony, "hm</think>It is six."),
        ("It is four.", "Five.", "It is six."),
        strict=True,
    ):
        assert isinstance(record, Answer)
        assert (record.text, record.reasoning) == (text, "hm")


def test_other_tags_and_headings_of_a_reasoning_are_no_part_of_a_ready_answer_either() -> None:
    texts = (
        "<scratchpad>hm</scratchpad>Four.",
        "&lt;think&gt;hm&lt;/think&gt;Four.",
        "**Thinking:** hm\n\n**Answer:** Four.",
    )
    assert [record.text for record in answered(*texts) if isinstance(record, Answer)] == ["Four."] * 3


def test_a_ready_answer_without_markers_is_taken_as_it_is() -> None:
    (record,) = answered("# Well\n\nIf a < b, say <name>.")
    assert isinstance(record, Answer)
    assert (record.text, record.reasoning) == ("# Well\n\nIf a < b, say <name>.", None)


def test_a_ready_answer_that_is_only_reasoning_is_a_failure_that_says_so() -> None:
    for text in ("<think>hm</think>", "<think>hm", "<|channel|>analysis<|message|>hm"):
        (record,) = answered(text)
        assert record == Failure(0, "chat", "the text is only reasoning: give what is to be said, too")
    (record,) = answered("<|im_end|>")
    assert isinstance(record, Failure)
