"""Settings that each are good and together are not."""

from __future__ import annotations

from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.job.planning import check_voices_of_test
from voicegen.remote import RemotePath


def refuse_what_does_not_go_together(config: JobConfig) -> None:
    """Refuses settings that exclude each other.

    Raises:
        ConfigError: names them.
    """
    check_voices_of_test(config)
    _refuse_voices_that_say_nothing(config)
    _refuse_memory_of_one_process(config)
    if config.retrieval is not None and not config.asks:
        raise ConfigError("retrieval is for questions that a chat model answers, and here none is asked: leave it out")
    if config.text.rewrite is None:
        return
    if config.speak == "question":
        raise ConfigError("text.rewrite=chat is for answers, and speak=question has none: set text.rewrite=null")
    if config.questions.answer_column is not None:
        raise ConfigError(
            "text.rewrite=chat needs the chat model, which questions.answer_column leaves out: "
            "set text.rewrite=null, or leave the column out"
        )
    if config.wording.family != "en":
        raise ConfigError(
            f"text.rewrite=chat is for English: in {config.tts.language} a rewrite that changes a number cannot be "
            "told from one that does not; set text.rewrite=null"
        )


def _refuse_memory_of_one_process(config: JobConfig) -> None:
    """Refuses `memory://` where workers are to read and write there."""
    if config.executor.workers is None:
        return
    paths = config.questions.path
    read = [("questions.path", path) for path in (paths if isinstance(paths, list | tuple) else [paths])]
    for setting, place in [("output_dir", config.output_dir), *read]:
        if isinstance(place, RemotePath) and place.protocol == "memory":
            raise ConfigError(
                f"{setting}={place}: what is in memory is one process's, and executor.workers="
                f"{config.executor.workers} are processes of their own: give a folder, s3:// or gs://"
            )


def _refuse_voices_that_say_nothing(config: JobConfig) -> None:
    askers = config.voice.question
    if config.speak == "answer" and askers.speaking:
        raise ConfigError("voice.question says questions: set speak=both or speak=question, or leave it out")
    if config.speak == "both" and askers.prompts and not config.voice.speaking:
        raise ConfigError(
            "voice.question.prompts leaves the answers without a voice, and the model would take the first of them: "
            "name one in voice.names or voice.prompts"
        )
