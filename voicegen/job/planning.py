"""From a job's settings and input to what its rows are, and what they say of one another."""

from __future__ import annotations

from itertools import islice

from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relations import QuestionRelations
from voicegen.dataset.splits import Shares
from voicegen.errors import ConfigError
from voicegen.pipeline.plan import Asked, Cast, Plan
from voicegen.quality.listener import first_rows
from voicegen.settings import CastConfig


def relations_of(config: JobConfig, questions: QuestionFile) -> QuestionRelations:
    """Which questions are alike, and which part of the dataset each is in; nothing is read before it is asked for."""
    return QuestionRelations(questions, Shares(config.split.validation, config.split.test), config.split.near)


def asked_of(config: JobConfig, questions: QuestionFile, plan: Plan) -> Asked:
    """The questions that a command is for: its part of the input, and those by whose rows that of a shard is judged.

    The latter are the first ones of each voice, with the turns before them: so each shard judges as the whole run does.
    """
    part = part_of(config, questions)
    if config.shard.count == 1:
        return Asked(part)
    answers, total = plan.answers_per_question, _limited(config, questions)
    first = plan.first_rows(first_rows(config.quality), questions.inspect().rows * answers)
    places = {index // answers for index in first}
    besides = _with_turns_before(questions, {place for place in places if place < total})
    return Asked(part, besides.difference(part))


def _with_turns_before(questions: QuestionFile, places: set[int]) -> frozenset[int]:
    if questions.inspect().names.conversation is None:
        return frozenset(places)
    found: set[int] = set()
    talk, first = None, 0
    for row in islice(questions.questions(), max(places, default=-1) + 1):
        if row.conversation_id is None or row.conversation_id != talk:
            talk, first = row.conversation_id, row.index
        if row.index in places:
            found.update(range(first, row.index + 1))
    return frozenset(found)


def part_of(config: JobConfig, questions: QuestionFile) -> range:
    """The places of the questions in a command's part of the input: of the first `questions.limit`, those of its shard.

    A border of a shard that lies within a conversation moves to the end of it.
    """
    total = _limited(config, questions)
    within = config.shard.within(total)
    return range(*(_not_within_a_conversation(questions, border, total) for border in (within.start, within.stop)))


def _limited(config: JobConfig, questions: QuestionFile) -> int:
    total, limit = questions.inspect().rows, config.questions.limit
    return total if limit is None else min(limit, total)


def rows_of(part: range, answers_per_question: int) -> range:
    """The rows made of questions at these places."""
    return range(part.start * answers_per_question, part.stop * answers_per_question)


def _not_within_a_conversation(questions: QuestionFile, border: int, total: int) -> int:
    if border in (0, total) or questions.inspect().names.conversation is None:
        return border
    rows = islice(questions.questions(border - 1), total - border + 1)
    before = next(rows).conversation_id
    return next((row.index for row in rows if before is None or row.conversation_id != before), total)


def plan_of(config: JobConfig, questions: QuestionFile, relations: QuestionRelations) -> Plan:
    """What the rows of a job are."""
    return Plan(
        seed=config.seed,
        total_rows=questions.inspect().rows,
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
