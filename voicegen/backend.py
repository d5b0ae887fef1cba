"""A backend is one row: its `SPEC` says what it is called, what it is told, what makes its models and what that needs.

Each backend's module exports its `SPEC`, which loads none of the packages that the backend runs on;
`voicegen.chat.backends` and `voicegen.tts.backends` list them, and everything that must know which backends there are
(the settings, the commands, `doctor`, the Python client, `ChatSession`) asks those tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Generic, Self, TypeVar, Union, get_args

from pydantic import Field

from voicegen.errors import MissingDependency
from voicegen.protocols import AnswerModel, ChatBatch, ChatModel, SpeechModel
from voicegen.settings import AnsweringSettings, Settings, SpeakingSettings, VoiceConfig

S = TypeVar("S", bound=Settings)
A = TypeVar("A", bound=AnsweringSettings)
V = TypeVar("V", bound=SpeakingSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(Generic[S]):
    """What is known of a backend before any of its packages is imported.

    Attributes:
        settings: their type; its `kind` is the backend's name and that of its file in `conf/`.
        owns: whether a name that is given for a model is one of this backend's models.
        settings_of: the settings that such a name stands for.
        models: names or repositories that it is mostly used with, for `doctor` to look for.
        needs: modules that must be importable.
        install: the command that installs them.
    """

    settings: type[S]
    owns: Callable[[str], bool]
    settings_of: Callable[[str], Mapping[str, str]] = lambda name: {"model": name}
    models: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    install: str = ""

    @property
    def kind(self) -> str:
        """What the settings call it."""
        return str(get_args(self.settings.model_fields["kind"].annotation)[0])

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that it needs and that are not installed."""
        return tuple(module for module in self.needs if not _is_installed(module))

    def ready(self) -> Self:
        """Itself.

        Raises:
            MissingDependency: a package that it needs is not installed; says the command that installs it.
        """
        if self.missing:
            raise MissingDependency(f"kind={self.kind} needs {', '.join(self.missing)}: install it with {self.install}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatBackend(Backend[A]):
    """A backend that answers.

    Attributes:
        look: refuses what can be seen to fail before anything is loaded; finds the files, and fetches those that are
            not here.
        answer_model: what answers many questions at a time.
        chat_model: what continues one conversation.
        batch: what does both at once, in one batch; None where `chat_model` continues any number of conversations.
        open: what continues one conversation, by a model's name alone.
    """

    look: Callable[[A], None] = lambda _settings: None
    answer_model: Callable[[A], AnswerModel]
    chat_model: Callable[[A], ChatModel]
    batch: Callable[[A], ChatBatch] | None = None
    open: Callable[[str], ChatModel]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that a model has: its name, the code of its own language where that is known, and where it comes from."""

    name: str
    language: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechBackend(Backend[V]):
    """A backend that speaks.

    Attributes:
        look: as a `ChatBackend`'s; the voices that the job will use as well.
        voices: those that a model has and those of one's own; nothing is loaded. None where it cannot be told.
        speech_model: what speaks.
        open: the same by a model's name alone, on a device where it has a choice, with voice prompts where it copies
            voices.
        examine: what there is to say of a model of that name, part by part, for `doctor`; None where nothing is.
    """

    look: Callable[[V, VoiceConfig], None] = lambda _settings, _voices: None
    voices: Callable[[V, VoiceConfig], Sequence[Voice] | None] = lambda _settings, _voices: ()
    speech_model: Callable[[V, VoiceConfig], SpeechModel]
    open: Callable[[str, str, Mapping[str, Any]], SpeechModel]
    examine: Callable[[str], Iterator[tuple[str, str]]] | None = None


B = TypeVar("B", bound=Backend[Any])


class Backends(Generic[B]):
    """The backends of one sort, by kind and by the names of their models.

    `rows` are asked in their order which of them owns a name: those that know their own names first, the one that
    takes any name last.
    """

    def __init__(self, *rows: B) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[B]:
        return iter(self._rows)

    def __getitem__(self, kind: str) -> B:
        """The backend of that kind, ready to make models.

        Raises:
            MissingDependency: a package that it needs is not installed.
        """
        return next(row for row in self._rows if row.kind == kind).ready()

    def owner(self, name: str) -> B:
        """The backend whose model `name` is."""
        return next(row for row in self._rows if row.owns(name))

    @property
    def usual(self) -> B:
        """The one that takes any name."""
        return self._rows[-1]

    @property
    def settings(self) -> Any:
        """The type of the settings of any of them, told apart by `kind`."""
        return Annotated[Union[tuple(row.settings for row in self._rows)], Field(discriminator="kind")]  # noqa: UP007


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that the module would be in
        return False
