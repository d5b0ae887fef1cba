"""From a job's settings and input to what its rows are, and what they say of one another."""

from __future__ import annotations

from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations
from voicegen.dataset.splits import Shares
from voicegen.errors import ConfigError
from voicegen.pipeline.plan import Cast, Plan
from voicegen.settings import CastConfig


def relations_of(config: JobConfig, questions: QuestionFile) -> QuestionRelations:
    """Which questions are alike, and which part of the dataset each is in; nothing is read before it is asked for."""
    return QuestionRelations(questions, Shares(config.split.validation, config.split.test), config.split.near)


def plan_of(config: JobConfig, relations: QuestionRelations) -> Plan:
    """What the rows of a job are."""
    return Plan(
        seed=config.seed,
        total_rows=relations.questions.inspect().rows,
        cast=_cast(config, config.voice),
        askers=_cast(config, config.voice.question),
        answers_per_question=config.answers_per_question,
        audio=config.tts.audio,
        speak=config.speak,
        in_test=relations.splits.in_test if config.split.test_voices else b"",
    )


def _cast(config: JobConfig, voices: CastConfig) -> Cast:
    return Cast(voices.speaking, voices.assign, config.split.test_voices)


def naming_of(config: JobConfig) -> Plan:
    """How questions become rows; voices and parts of the dataset are not looked for."""
    return Plan(config.seed, total_rows=0, answers_per_question=config.answers_per_question)


def check_voices_of_test(config: JobConfig) -> None:
    """Refuses voices of test that do not speak, or that leave none for the other rows.

    Raises:
        ConfigError: names them.
    """
    test_voices, casts = config.split.test_voices, config.casts
    if unknown := [name for name in test_voices if not any(name in voices.speaking for voices in casts.values())]:
        key = next(iter(casts))
        raise ConfigError(f"split.test_voices: {unknown[0]} is not among the voices that speak: add it to {key}.names")
    for key, voices in casts.items():
        if voices.speaking and not set(voices.speaking).difference(test_voices):
            raise ConfigError(f"split.test_voices leaves no voice for train: add another to {key}.names")
