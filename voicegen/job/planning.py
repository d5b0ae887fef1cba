"""From a job's settings and input to what its rows are, and what they say of one another."""

from __future__ import annotations

from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations
from voicegen.dataset.splits import Shares
from voicegen.errors import ConfigError
from voicegen.pipeline.plan import Plan


def relations_of(config: JobConfig, questions: QuestionFile) -> QuestionRelations:
    """Which questions are alike, and which part of the dataset each is in; nothing is read before it is asked for."""
    return QuestionRelations(questions, Shares(config.split.validation, config.split.test), config.split.near)


def plan_of(config: JobConfig, relations: QuestionRelations) -> Plan:
    """What the rows of a job are."""
    test_voices = config.split.test_voices
    return Plan(
        seed=config.seed,
        total_rows=relations.questions.inspect().rows,
        voices=config.voice.speaking,
        assign=config.voice.assign,
        answers_per_question=config.answers_per_question,
        audio=config.tts.audio,
        test_voices=test_voices,
        in_test=relations.splits.in_test if test_voices else b"",
    )


def naming_of(config: JobConfig) -> Plan:
    """How questions become rows; voices and parts of the dataset are not looked for."""
    return Plan(config.seed, total_rows=0, answers_per_question=config.answers_per_question)


def check_voices_of_test(config: JobConfig) -> None:
    """Refuses voices of test that do not speak, or that leave none for the other rows.

    Raises:
        ConfigError: names them.
    """
    test_voices, speaking = config.split.test_voices, config.voice.speaking
    if unknown := [name for name in test_voices if name not in speaking]:
        raise ConfigError(f"split.test_voices: {unknown[0]} is not among the voices that speak: add it to voice.names")
    if test_voices and not set(speaking).difference(test_voices):
        raise ConfigError("split.test_voices leaves no voice for train: add another to voice.names")
