"""The composition root: from a job's settings to the models that do it.

Nothing is imported of a backend that the settings do not name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from voicegen.chat.backends import CHAT
from voicegen.config import JobConfig, RetrievalConfig
from voicegen.errors import MissingDependency, ModelError
from voicegen.protocols import AnswerModel, ChatModel, SpeechModel
from voicegen.quality.checks import checks_on
from voicegen.sharing.chat import ChatInOneBatch, ChatSideBySide, SharedChat
from voicegen.tts.backends import SPEECH

if TYPE_CHECKING:
    from voicegen.audio.signing import Signer
    from voicegen.retrieval.answering import Find
    from voicegen.retrieval.vdb import VectorDB


def look(config: JobConfig, *, speaks: bool = True) -> None:
    """Refuses what can be seen to be missing before any model is loaded: a package, a model, a tool, a voice.

    Raises:
        ConfigError: no installed package offers a tool, or the certificate cannot sign.
        InputError: a voice's recording cannot be read.
        MissingDependency: a package is not installed; says the command that installs it.
        ModelError: a model or a voice cannot be found; names both models where both are missing.
    """
    signer(config)
    looks: list[Callable[[], object]] = []
    if config.asks:
        looks.append(lambda: CHAT[config.chat.kind].look(config.chat))
    if config.retrieval is not None:
        looks.append(documents(config.retrieval).look)
    if speaks:
        looks.append(lambda: SPEECH[config.tts.kind].look(config.tts, config.voice))
        looks += [partial(check.look, its) for check, its in checks_on(config.quality.checks)]
    missing = []
    for look_at in looks:
        try:
            look_at()
        except (MissingDependency, ModelError) as error:
            missing.append(error)
    if len(missing) > 1:
        raise ModelError("; ".join(map(str, missing)))
    if missing:
        raise missing[0]


def answer_model(config: JobConfig) -> AnswerModel | None:
    """The chat model that the settings name; ready answers where the input has them; None where nobody is asked.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: the model cannot be found or loaded.
    """
    if config.speak == "question":
        return None
    if config.questions.answer_column is not None:
        from voicegen.chat.ready import ReadyAnswers

        return ReadyAnswers(config.questions.answer_column)
    model = CHAT[config.chat.kind].answer_model(config.chat)
    if config.retrieval is None:
        return model
    from voicegen.retrieval.answering import AnswerModelWithPassages

    return AnswerModelWithPassages(model, finder(config.retrieval))


def documents(settings: RetrievalConfig) -> VectorDB:
    """The index that the settings name.

    Raises:
        InputError: there is none, or it is damaged.
    """
    from voicegen.retrieval.vdb import VectorDB

    return VectorDB(settings.path, settings.model)


def finder(settings: RetrievalConfig) -> Find:
    """What finds passages in the index that the settings name, its model loaded.

    Raises:
        InputError: there is no such index, it is damaged, or it was made with another model.
        MissingDependency: its model's package is not installed.
        ModelError: its model cannot be found or loaded.
    """
    found = documents(settings)
    _ = found.model
    return partial(found.find, k=settings.k)


def documents_identity(settings: RetrievalConfig | None) -> dict[str, str]:
    """What a run writes down of the index that the settings name: what it holds, and the model that made it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if settings is None:
        return {}
    index = documents(settings).index
    made_with = f"{index.making.model} ({index.making.revision})"
    return {"retrieval.index": index.identity, "retrieval.made_with": made_with}


def chat_model(config: JobConfig) -> ChatModel:
    """The chat model that the settings name, for one conversation.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: it cannot be found or loaded.
    """
    return CHAT[config.chat.kind].chat_model(config.chat)


def shared_chat(config: JobConfig) -> SharedChat:
    """The chat model that the settings name, for many conversations and questions at once.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: it cannot be found or loaded; told by what it gives, where it lives on a thread of its own.
    """
    backend, settings = CHAT[config.chat.kind], config.chat
    if (batch := backend.batch) is not None:
        return ChatInOneBatch(lambda: batch(settings))
    return ChatSideBySide(backend.chat_model(settings), lambda: backend.answer_model(settings))


def speech_model(config: JobConfig) -> SpeechModel:
    """The speech model that the settings name, at the rate and speed they name, for texts of any length.

    Raises:
        MissingDependency: its package is not installed; says the command that installs it.
        ModelError: the model cannot be found or loaded, or has no such voice.
    """
    from voicegen.tts.adjusted import AdjustedSpeech
    from voicegen.tts.long_text import LongTextSpeech

    model = SPEECH[config.tts.kind].speech_model(config.tts, config.voice)
    if (check := model.traits.check_voices) is not None:
        check(config.voice.all_speaking)
    return AdjustedSpeech.around(LongTextSpeech(model, config.tts.max_chars), config.tts.sample_rate, config.tts.speed)


def signer(config: JobConfig) -> Signer | None:
    """What signs the audio files; None where the settings name no certificate.

    Raises:
        ConfigError: the certificate or its key cannot be used; says why.
        MissingDependency: C2PA's library is not installed.
    """
    certificate, key = config.c2pa.certificate, config.c2pa.key
    if certificate is None or key is None:
        return None
    from voicegen.audio.signing import Signer

    return Signer(certificate, key)
