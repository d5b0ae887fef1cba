"""One model, many callers: who shares it sees an `AnswerModel` or `SpeechModel` like any other.

    speech = SharedSpeechModel(lambda: build.speech_model(config))
    caller = Caller()
    takes = best_takes(speech.of(caller), ...)

The model lives on a thread of its own from its making on (MLX ties its streams to a thread), and there it is given what
all callers have for it, in turn, so that what meets is one batch. Nobody waits until another's work is done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, Generic, TypeVar, cast

from voicegen.errors import ModelError
from voicegen.protocols import AnswerModel, SpeechModel, Traits
from voicegen.records import Answer, Failure, ModelInfo, Question, Speech, Utterance

M = TypeVar("M")
Asked = TypeVar("Asked", Question, Utterance)
Made = TypeVar("Made", Answer | Failure, Speech | Failure)

AT_ONCE: Final = 32
"""What of one caller a model has in hand, at the most: less than a batch, so that others find room in it."""

_POLL: Final = 0.05  # seconds between looks at a source that has nothing ready


class Withdrawn(KeyboardInterrupt):
    """The caller wants nothing more. It ends a run as Ctrl-C does: what is finished is safe."""


class Caller:
    """Somebody who shares models, and may withdraw from all of them at once."""

    def __init__(self) -> None:
        self._withdrawn = threading.Event()
        self._wake: set[Callable[[], None]] = set()

    @property
    def has_withdrawn(self) -> bool:
        """Whether `withdraw` was called."""
        return self._withdrawn.is_set()

    def withdraw(self) -> None:
        """Ends what the caller waits for by `Withdrawn`; what a model has in hand of it is finished for nobody."""
        self._withdrawn.set()
        for wake in tuple(self._wake):
            wake()

    def wake_by(self, wake: Callable[[], None]) -> None:
        """Has `wake` called when the caller withdraws."""
        self._wake.add(wake)


@dataclass(eq=False, slots=True)
class _Lane(Generic[Asked, Made]):
    """What one call of a model has for it, and what has come of it."""

    caller: Caller
    queued: deque[Asked] = field(default_factory=deque)
    made: deque[Made] = field(default_factory=deque)
    error: BaseException | None = None


class _Sharing(Generic[M, Asked, Made]):
    """A model on its thread, and the lanes that lead to it."""

    def __init__(
        self,
        make: Callable[[], M],
        work: Callable[[M, Iterator[Asked | None]], Iterator[Made]],
        name: str,
        at_once: int,
    ) -> None:
        self._make = make
        self._work: Callable[[M, Iterator[Asked | None]], Iterator[Made]] = work
        self._at_once = at_once
        self._changed = threading.Condition()
        self._lanes: deque[_Lane[Asked, Made]] = deque()  # those with something queued; the next one's turn is first
        self._in_hand: dict[int, tuple[_Lane[Asked, Made], int]] = {}  # by our number: whose it is, and its own index
        self._numbers = count()
        self._closed = False
        self._model: M | None = None
        self._unmade: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=f"voicegen-shared-{name}", daemon=True)
        self._thread.start()

    @property
    def model(self) -> M:
        """The model, once it is made; to be looked at, and worked with on its own thread alone.

        Raises:
            VoicegenError: it cannot be made.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._model is not None or self._unmade is not None or self._closed)
        if self._unmade is not None:
            raise self._unmade
        if self._model is None:
            raise Withdrawn
        return self._model

    def records(self, caller: Caller, source: Iterator[Asked | None]) -> Iterator[Made]:
        """What comes of a caller's items, in completion order; pulled on the caller's thread.

        Raises:
            Withdrawn: the caller has withdrawn, or the model is closed.
            VoicegenError: the model cannot be made, or fails whatever it is given.
        """
        _ = self.model
        lane: _Lane[Asked, Made] = _Lane(caller)
        caller.wake_by(self._wake)
        waiting, is_open = 0, True
        try:
            while is_open or waiting:
                while is_open and waiting < self._at_once:
                    try:
                        item = next(source)
                    except StopIteration:
                        is_open = False
                        break
                    if item is not None:
                        self._put(lane, item)
                        waiting += 1
                    elif waiting:
                        break
                if waiting:
                    for made in self._taken(lane, _POLL if is_open and waiting < self._at_once else None):
                        waiting -= 1
                        yield made
        finally:
            with self._changed:
                lane.queued.clear()

    def close(self) -> None:
        """Ends the thread once what it has in hand is done; whoever waits for more has `Withdrawn`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _put(self, lane: _Lane[Asked, Made], item: Asked) -> None:
        with self._changed:
            lane.queued.append(item)
            if lane not in self._lanes:
                self._lanes.append(lane)
            self._changed.notify_all()

    def _taken(self, lane: _Lane[Asked, Made], timeout: float | None) -> list[Made]:
        """All that is there, after a wait for the first of it."""

        def is_over() -> bool:
            return bool(lane.made or lane.error or self._closed or lane.caller.has_withdrawn)

        with self._changed:
            self._changed.wait_for(is_over, timeout)
            if lane.caller.has_withdrawn or (self._closed and not lane.made):
                raise Withdrawn
            if lane.error is not None:
                raise lane.error
            made = list(lane.made)
            lane.made.clear()
        return made

    def _live(self) -> None:
        """The thread: makes the model and works until it is closed."""
        try:
            model = self._make()
        except BaseException as error:  # raised where the model is asked for
            self._unmade = error
            self._wake()
            return
        with self._changed:
            self._model = model
            self._changed.notify_all()
        while self._has_work():
            try:
                for made in self._work(model, self._source()):
                    self._deliver(made)
                self._fail(ModelError("the model gave no record of this"))  # of what is in hand: nothing, by protocol
            except BaseException as error:  # raised where its records are waited for; others may have better luck
                self._fail(error)

    def _has_work(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._lanes) or self._closed)
            return not self._closed

    def _source(self) -> Iterator[Asked | None]:
        """What the model pulls; ends when nothing is queued and nothing in hand, and the model is at rest."""
        while True:
            item = self._next()
            if item is None and not self._in_hand:
                return
            yield item

    def _next(self) -> Asked | None:
        """The next item of the lane whose turn it is, under a number of ours."""
        with self._changed:
            while self._lanes and not self._closed:
                lane = self._lanes.popleft()
                if not lane.queued or lane.caller.has_withdrawn:
                    continue
                item = lane.queued.popleft()
                if lane.queued:
                    self._lanes.append(lane)
                number = next(self._numbers)
                self._in_hand[number] = lane, item.index
                return replace(item, index=number)
        return None

    def _deliver(self, made: Made) -> None:
        with self._changed:
            lane, index = self._in_hand.pop(_index_of(made))
            lane.made.append(cast(Made, _at(made, index)))
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        """Ends the lanes whose items were in hand."""
        with self._changed:
            for lane, _ in self._in_hand.values():
                lane.error = error
            self._in_hand.clear()
            self._changed.notify_all()


def _index_of(made: Answer | Speech | Failure) -> int:
    if isinstance(made, Failure):
        return made.index
    return (made.question if isinstance(made, Answer) else made.utterance).index


def _at(made: Any, index: int) -> Any:
    """The record of the item under the index that its caller knows it by."""
    if isinstance(made, Failure):
        return replace(made, index=index)
    if isinstance(made, Answer):
        return replace(made, question=replace(made.question, index=index))
    return replace(made, utterance=replace(made.utterance, index=index))


class SharedAnswerModel:
    """An `AnswerModel` that many share.

    Args:
        make: makes the model, on the thread that it will work on; begun at once.
        at_once: questions of one caller in the model's hands, at the most.
    """

    def __init__(self, make: Callable[[], AnswerModel], at_once: int = AT_ONCE) -> None:
        self._sharing: _Sharing[AnswerModel, Question, Answer | Failure] = _Sharing(
            make, lambda model, source: model.answer(source), "chat", at_once
        )

    def of(self, caller: Caller) -> AnswerModel:
        """The model as this caller has it.

        Raises:
            VoicegenError: the model cannot be made.
        """
        return _Answers(self._sharing, caller, self._sharing.model.info)

    def close(self) -> None:
        """Lets go of the model when what it has in hand is done."""
        self._sharing.close()


class SharedSpeechModel:
    """A `SpeechModel` that many share.

    Args:
        make: makes the model, on the thread that it will work on; begun at once.
        at_once: utterances of one caller in the model's hands, at the most.
    """

    def __init__(self, make: Callable[[], SpeechModel], at_once: int = AT_ONCE) -> None:
        self._sharing: _Sharing[SpeechModel, Utterance, Speech | Failure] = _Sharing(
            make, lambda model, source: model.speak(source), "tts", at_once
        )

    def of(self, caller: Caller) -> SpeechModel:
        """The model as this caller has it.

        Raises:
            VoicegenError: the model cannot be made.
        """
        return _Voices(self._sharing, caller, self._sharing.model)

    def close(self) -> None:
        """Lets go of the model when what it has in hand is done."""
        self._sharing.close()


class _Answers:
    def __init__(
        self, sharing: _Sharing[AnswerModel, Question, Answer | Failure], caller: Caller, info: ModelInfo
    ) -> None:
        self.info = info
        self._sharing = sharing
        self._caller = caller

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """As an `AnswerModel`."""
        return self._sharing.records(self._caller, iter(questions))


class _Voices:
    def __init__(
        self, sharing: _Sharing[SpeechModel, Utterance, Speech | Failure], caller: Caller, model: SpeechModel
    ) -> None:
        self.info = model.info
        self.sample_rate = model.sample_rate
        self._traits = replace(model.traits, at_speed=None, fits=None, stream=None)  # what goes past the thread
        self._sharing = sharing
        self._caller = caller

    @property
    def traits(self) -> Traits:
        """What the model can do, but for what would go past its thread."""
        return self._traits

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """As a `SpeechModel`."""
        return self._sharing.records(self._caller, iter(utterances))
