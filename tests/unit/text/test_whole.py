import pytest

from voicegen.text.whole import whole_sentences


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("It rains. It pours. The old", "It rains. It pours."),
        ("It rains. It pours.", "It rains. It pours."),
        ("It rains", ""),
        ("He asked Dr. Lee what", ""),
        ("It is late. He asked Dr.", "It is late."),
        ("It is cheap. It costs $3.", "It is cheap."),
        ('She said "Go." Then she', 'She said "Go."'),
        ("今天下雨。明天", "今天下雨。"),
        ("Two steps:\n\n1. Take the lid\n2. Put it", "Two steps:\n\n1. Take the lid"),
        ("It is easy. Two steps:\n\n1. Take the", "It is easy."),
        ("It is easy.\n\n## Steps\n\nTake", "It is easy."),
        ("It is easy.\n\n```py\nx = 1", "It is easy."),
        ("It is easy.\n\n```py\nx = 1\n```\n\nNow", "It is easy.\n\n```py\nx = 1\n```"),
        ("Call it so. Write `a. b", "Call it so."),
        ("| A | B |\n|---|---|\n| 1 | 2 |\n| 3", "| A | B |\n|---|---|\n| 1 | 2 |"),
        ("- One\n- Two\n- Th", "- One\n- Two"),
        ("", ""),
    ],
)
def test_a_cut_answer_ends_at_its_last_whole_sentence_or_item(cut: str, whole: str) -> None:
    assert whole_sentences(cut) == whole
