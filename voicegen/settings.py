"""What the settings of every backend share, and what a name or a path in them may be.

A field marked `NOT_IDENTITY` may differ between two commands that go on with the same run: where it runs and how
fast, not what comes out. One marked `identity_unless` came after the first version: runs from before it go on where it
does as they did. Defaults live in `conf/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from voicegen.audio.audio_format import AudioFormat
from voicegen.bounds import (
    Container,
    Effort,
    Language,
    NotNegative,
    Positive,
    Probability,
    SampleRate,
    Speed,
    StopStrings,
    Subtype,
    Temperature,
)
from voicegen.files import from_home, local_path
from voicegen.protocols import GenerationOptions
from voicegen.remote import AnyPath, RemotePath, any_path
from voicegen.text.wording import Cut

NOT_IDENTITY: dict[str, Any] = {"identity": False}


def identity_unless(former: Any) -> dict[str, Any]:
    """Marks a setting that came after the first version, which did as the value `former` does."""
    return {"identity unless": former}


def _model_name(value: Any) -> Any:
    return from_home(value) if isinstance(value, str) else value


def _local(value: Any) -> Any:
    return local_path(value) if isinstance(value, str | Path) else value


def _given(value: Any) -> Any:
    return any_path(value) if isinstance(value, str | Path | RemotePath) else value


def _givens(value: Any) -> Any:
    return tuple(map(_given, value)) if isinstance(value, list | tuple) else _given(value)


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):  # not shown: it may hold a password
        raise ValueError("the address of a server begins with http:// or https://, as http://127.0.0.1:8000/v1 does")
    return url


LocalPath = Annotated[Path, BeforeValidator(_local)]
GivenPath = Annotated[AnyPath, BeforeValidator(_given)]
GivenPaths = Annotated[AnyPath | tuple[AnyPath, ...], BeforeValidator(_givens)]  # one, or a list of them
ModelName = Annotated[str, BeforeValidator(_model_name)]  # a folder, or a model's name


class Settings(BaseModel):
    """A group of settings: no unknown names, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class AnsweringSettings(Settings):
    """What every chat backend is told."""

    kind: str
    num_answers: Positive

    @property
    def generation(self) -> dict[str, Any]:
        """Those that decide how an answer is generated, by the names that `GenerationOptions` has for them."""
        names = (field.name for field in fields(GenerationOptions))
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    @property
    def options(self) -> GenerationOptions:
        """How an answer is generated."""
        return GenerationOptions(**self.generation)

    @property
    def greedy(self) -> bool:
        """Whether every answer to the same question would be the same."""
        return getattr(self, "temperature", 0.0) == 0.0

    @model_validator(mode="after")
    def _several_answers_differ(self) -> AnsweringSettings:
        if self.num_answers > 1 and self.greedy:
            raise ValueError("num_answers over 1 needs a temperature over 0: greedy answers are all the same")
        return self


class GeneratingSettings(AnsweringSettings):
    """What a chat backend is told that generates."""

    model: ModelName
    system_prompt: str | None
    max_tokens: Positive
    temperature: Temperature
    top_p: Probability
    cut: Cut = Field(json_schema_extra=identity_unless("keep"))
    stop: StopStrings = Field(json_schema_extra=identity_unless(()))
    reasoning_effort: Effort | None
    reasoning_budget: NotNegative
    keep_reasoning: bool
    tools: tuple[str, ...]


class ServerSettings(Settings):
    """What every backend is told whose model is behind an OpenAI-compatible server."""

    model: str
    base_url: Annotated[str, AfterValidator(_web_address)] = Field(json_schema_extra=NOT_IDENTITY)
    api_key_env: str | None = Field(json_schema_extra=NOT_IDENTITY)
    concurrency: Positive = Field(json_schema_extra=NOT_IDENTITY)
    timeout: Annotated[float, Field(gt=0)] = Field(json_schema_extra=NOT_IDENTITY)
    retries: NotNegative = Field(json_schema_extra=NOT_IDENTITY)

    @property
    def where(self) -> dict[str, Any]:
        """The server, by the names that `voicegen.servers.endpoint.Endpoint` has for it."""
        return self.model_dump(include={"model", "base_url", "api_key_env", "timeout", "retries"})


class SpeakingSettings(Settings):
    """What every speech backend is told."""

    kind: str
    language: Language
    speed: Speed
    sample_rate: SampleRate | None
    format: Container = Field(json_schema_extra=identity_unless("wav"))
    subtype: Subtype
    max_chars: Annotated[int, Field(ge=20)]

    @property
    def audio(self) -> AudioFormat:
        """What the audio files are."""
        return AudioFormat(self.format, self.subtype)

    @model_validator(mode="after")
    def _format_holds_subtype(self) -> SpeakingSettings:
        _ = self.audio
        return self


class VoicePromptConfig(Settings):
    """A user's own voice: a recording and what it says."""

    audio: LocalPath
    transcript: str
    mode: Literal["match", "context"] = "match"
    language: Language = "en"
    consent: str | None = Field(default=None, exclude=True)  # what is said of a recording decides nothing: no identity


class CastConfig(Settings):
    """Which voice says what."""

    assign: Literal["fixed", "round_robin", "random"]
    names: tuple[str, ...]
    prompts: Annotated[Mapping[str, VoicePromptConfig], BeforeValidator(lambda prompts: prompts or {})]

    @property
    def speaking(self) -> tuple[str, ...]:
        """The voices that speak: those named, else the user's own; none for the model's default voice."""
        return self.names or tuple(self.prompts)


class VoiceConfig(CastConfig):
    """Which voice says the answers, and which the questions."""

    question: CastConfig = CastConfig(assign="fixed", names=(), prompts={})

    @property
    def all_speaking(self) -> tuple[str, ...]:
        """The voices that speak either."""
        return tuple(dict.fromkeys((*self.speaking, *self.question.speaking)))

    @property
    def all_prompts(self) -> Mapping[str, VoicePromptConfig]:
        """All voices of the user's own, which may be named for either."""
        return {**self.prompts, **self.question.prompts}

    @property
    def consents(self) -> dict[str, str | None]:
        """What is said of the consent to each of the user's own voices; None where nothing is."""
        return {name: prompt.consent for name, prompt in self.all_prompts.items()}

    @model_validator(mode="after")
    def _names_mean_one_voice(self) -> VoiceConfig:
        twice = [name for name, prompt in self.question.prompts.items() if self.prompts.get(name, prompt) != prompt]
        if twice:
            raise ValueError(f"prompts and question.prompts have two voices {twice[0]}: give one of them another name")
        return self
