"""What the benchmarks ask."""

from __future__ import annotations

from itertools import islice
from typing import Final

from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.job.run_job import bundled_questions
from voicegen.records import Question

REPEATS: Final = 4  # how often the bundled questions are asked, so that a batch is filled more than once
NAIVE_EVERY: Final = 8  # the plain way takes minutes: one question in eight shows its rate


def questions_of(config: JobConfig) -> list[Question]:
    """Those of the user's file, or the bundled ones several times, up to the limit."""
    path = config.questions.path
    source = QuestionFile(path or bundled_questions(), text_column=config.questions.text_column)
    asked = [row for row in source.questions() if isinstance(row, Question)]
    return list(islice(asked * (1 if path else REPEATS), config.questions.limit))
