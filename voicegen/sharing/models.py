"""Shared models that answer or speak, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from voicegen.protocols import AnswerModel, SpeechModel, Traits
from voicegen.records import Answer, Failure, ModelInfo, Question, Speech, Utterance
from voicegen.sharing.caller import Caller
from voicegen.sharing.lanes import AT_ONCE, Lanes


class SharedAnswerModel:
    """An `AnswerModel` that many share.

    Args:
        make: makes the model, on the thread that it will work on; begun at once.
        at_once: questions of one caller in the model's hands, at the most.
    """

    def __init__(self, make: Callable[[], AnswerModel], at_once: int = AT_ONCE) -> None:
        self._lanes = Lanes(make, "chat", lambda model, source, _is_wanted: model.answer(source), at_once)

    def of(self, caller: Caller) -> AnswerModel:
        """The model as this caller has it.

        Raises:
            VoicegenError: the model cannot be made.
        """
        return CallersAnswers(self._lanes, caller)

    def close(self) -> None:
        """Lets go of the model after the step under way."""
        self._lanes.close()


class SharedSpeechModel:
    """A `SpeechModel` that many share.

    Args:
        make: makes the model, on the thread that it will work on; begun at once.
    """

    def __init__(self, make: Callable[[], SpeechModel]) -> None:
        self._lanes = Lanes(make, "tts", lambda model, source, _is_wanted: model.speak(source))

    def of(self, caller: Caller) -> SpeechModel:
        """The model as this caller has it.

        Raises:
            VoicegenError: the model cannot be made.
        """
        return _CallersVoices(self._lanes, caller)

    def close(self) -> None:
        """Lets go of the model after the step under way."""
        self._lanes.close()


class CallersAnswers:
    """A shared model as one caller has it: an `AnswerModel`."""

    def __init__(self, lanes: Lanes[Any], caller: Caller) -> None:
        self.info: ModelInfo = lanes.model.info
        self._lanes = lanes
        self._caller = caller

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """As an `AnswerModel`."""
        return self._lanes.records(self._caller, iter(questions))


class _CallersVoices:
    def __init__(self, lanes: Lanes[SpeechModel], caller: Caller) -> None:
        model = lanes.model
        self.info = model.info
        self.sample_rate = model.sample_rate
        self._traits = replace(model.traits, at_speed=None, fits=None, stream=None)  # what goes past the thread
        self._lanes = lanes
        self._caller = caller

    @property
    def traits(self) -> Traits:
        """What the model can do, but for what would go past its thread."""
        return self._traits

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """As a `SpeechModel`."""
        return self._lanes.records(self._caller, iter(utterances))
