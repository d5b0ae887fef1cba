"""The types of a job's settings. What Hydra composed is validated here, once; defaults live in `conf/`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from voicegen.backend import Backends
from voicegen.bounds import NotNegative, Positive, Shards, what_it_may_be
from voicegen.chat.backends import CHAT
from voicegen.errors import ConfigError
from voicegen.pipeline.shards import Packing
from voicegen.quality.listener import QualityConfig
from voicegen.records import Speak
from voicegen.remote import RemotePath
from voicegen.settings import (
    NOT_IDENTITY,
    AnsweringSettings,
    CastConfig,
    GivenPath,
    GivenPaths,
    LocalPath,
    ModelName,
    Settings,
    SpeakingSettings,
    VoiceConfig,
    identity_unless,
)
from voicegen.store.objects import run_place
from voicegen.text.lexicon import read_lexicon
from voicegen.text.wording import Cut, Foreign, Reading, Rewrite, Wording
from voicegen.tts.backends import SPEECH


class QuestionsConfig(Settings):
    """Where the questions are and which column is what."""

    path: GivenPaths | None = Field(json_schema_extra=NOT_IDENTITY)  # the hash of what is there is, instead
    format: Literal["csv", "tsv", "parquet", "jsonl", "json"] | None
    text_column: str
    id_column: str | None
    answer_column: str | None
    conversation_column: str | None
    turn_column: str | None
    messages_column: str | None = Field(json_schema_extra=identity_unless(None))
    history: Literal["answers", "given"] = Field(json_schema_extra=identity_unless("answers"))
    limit: NotNegative | None = Field(json_schema_extra=NOT_IDENTITY)
    grow: bool = Field(json_schema_extra=NOT_IDENTITY)


class VoiceChatConfig(Settings):
    """How a chat speaks and what it keeps."""

    stream: bool
    play: bool
    device: str | None
    save_audio: bool
    record: LocalPath | None
    mcp_servers: tuple[str, ...]

    @property
    def speaks(self) -> bool:
        """Whether answers are spoken at all."""
        return self.save_audio or self.play or self.record is not None


class ServeConfig(Settings):
    """Who may use a server, and how much."""

    host: str
    port: Annotated[int, Field(ge=0, le=65_535)]
    token_env: str
    origins: tuple[str, ...]
    max_clients: Positive
    max_text: Positive
    max_audio: Annotated[float, Field(gt=0, le=29)]
    keep: Annotated[float, Field(ge=0)]
    recognizer: ModelName | None


class McpConfig(Settings):
    """How an MCP server serves, and what it keeps."""

    transport: Literal["stdio", "http"]
    host: str
    port: Annotated[int, Field(ge=0, le=65_535)]
    token_env: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    docs: LocalPath | None
    audio: Literal["files", "resource", "inline"]
    inline_seconds: Annotated[float, Field(ge=0)]
    long_text: Positive
    requests: Positive
    sessions: Positive
    session_minutes: Annotated[float, Field(gt=0)]
    jobs: Positive


class TextConfig(Settings):
    """What the spoken form is to do with what is no plain words."""

    code: Reading = Field(json_schema_extra=identity_unless("read"))
    url: Reading = Field(json_schema_extra=identity_unless("read"))
    foreign: Foreign = Field(json_schema_extra=identity_unless("reject"))
    rewrite: Rewrite | None = Field(json_schema_extra=identity_unless(None))
    pronounce: LocalPath | None = Field(json_schema_extra=NOT_IDENTITY)  # what is in the file is, instead


Share = Annotated[float, Field(ge=0, le=1)]


class SplitConfig(Settings):
    """Which rows are for validation and for test; what is left is train."""

    validation: Share
    test: Share
    near: bool
    test_voices: tuple[str, ...]

    @model_validator(mode="after")
    def _can_be(self) -> SplitConfig:
        if self.validation + self.test > 1:
            raise ValueError(
                "validation and test are more than all rows together: give shares that add up to 1 or less"
            )
        if self.test_voices and not self.test:
            raise ValueError("test_voices are for rows of test: set split.test to its share, as 0.1")
        return self

    @property
    def record(self) -> dict[str, Any] | None:
        """What a run writes down of it; None where nothing is split off."""
        return self.model_dump(include={"validation", "test", "near"}) if self.validation or self.test else None


class ShardConfig(Settings):
    """Which part of the input a command is for: others do the rest, each in a folder of its own."""

    index: NotNegative
    count: Positive

    @model_validator(mode="after")
    def _can_be(self) -> ShardConfig:
        if self.index >= self.count:
            raise ValueError(f"index={self.index} of count={self.count}: the first shard is 0 and the last count - 1")
        return self

    def within(self, total: int) -> range:
        """Its part of `total`: together the shards are all of it, in order, and as long as one another but for one."""
        first, end = (total * place // self.count for place in (self.index, self.index + 1))
        return range(first, end)


class AudioConfig(Settings):
    """In what the clips of a run lie: that changes no clip, and a run may go on with another."""

    container: Literal["wav", Shards]
    shard_mb: Annotated[float, Field(gt=0, le=1000)]  # which is held in memory
    shard_minutes: Annotated[float, Field(gt=0)]

    @property
    def packing(self) -> Packing | None:
        """How clips are packed; None: each is a file."""
        if self.container == "wav":
            return None
        return Packing(self.container, self.shard_mb * 1e6, self.shard_minutes * 60)


class C2paConfig(Settings):
    """Whose certificate signs the audio files, if any."""

    certificate: LocalPath | None = None
    key: LocalPath | None = None

    @model_validator(mode="after")
    def _are_both(self) -> C2paConfig:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both, or neither")
        return self


class ExecutorConfig(Settings):
    """How the stages run."""

    queue_size: Positive = Field(json_schema_extra=NOT_IDENTITY)
    row_timeout_seconds: Annotated[float, Field(gt=0)] = Field(json_schema_extra=NOT_IDENTITY)
    max_row_crashes: Positive = Field(json_schema_extra=NOT_IDENTITY)


class LocalExecutorConfig(ExecutorConfig):
    """The stages side by side in this process, or in several of this machine."""

    kind: Literal["local"]
    workers: Positive | None = Field(json_schema_extra=NOT_IDENTITY)


class RayExecutorConfig(ExecutorConfig):
    """Workers on Ray."""

    kind: Literal["ray"]
    address: str | None = Field(json_schema_extra=NOT_IDENTITY)
    workers: Positive = Field(json_schema_extra=NOT_IDENTITY)
    cpus: Annotated[float, Field(ge=0)] = Field(json_schema_extra=NOT_IDENTITY)
    gpus: Annotated[float, Field(ge=0)] = Field(json_schema_extra=NOT_IDENTITY)


class RetrievalConfig(Settings):
    """The documents whose passages go before each question."""

    kind: Literal["vectordb"]
    path: LocalPath = Field(json_schema_extra=NOT_IDENTITY)  # what the index is made of is, instead
    k: Positive
    model: ModelName | None = Field(json_schema_extra=NOT_IDENTITY)


if TYPE_CHECKING:
    ChatConfig = AnsweringSettings
    SpeechConfig = SpeakingSettings
else:  # of the backend that `kind` names
    ChatConfig = CHAT.settings
    SpeechConfig = SPEECH.settings


_TABLES: Mapping[str, Backends[Any]] = MappingProxyType({"chat": CHAT, "tts": SPEECH})


def _one_folder(name: str) -> str:
    if not name.strip() or name in (".", "..") or any(sign in name for sign in "/\\\0"):
        raise ValueError(f"{name!r} cannot name a run's folder: for a place elsewhere give output_dir=...")
    return name


class JobConfig(Settings):
    """Everything a command is told."""

    name: Annotated[str, AfterValidator(_one_folder)] = Field(json_schema_extra=NOT_IDENTITY)
    output_dir: Annotated[GivenPath, AfterValidator(run_place)] = Field(json_schema_extra=NOT_IDENTITY)
    seed: int
    speak: Speak = Field(json_schema_extra=identity_unless("answer"))
    overwrite: bool = Field(json_schema_extra=NOT_IDENTITY)
    retry_failed: bool = Field(json_schema_extra=NOT_IDENTITY)
    questions: QuestionsConfig
    chat: ChatConfig
    tts: SpeechConfig
    text: TextConfig
    retrieval: RetrievalConfig | None = Field(default=None, json_schema_extra=identity_unless(None))
    voice: VoiceConfig
    quality: QualityConfig
    split: SplitConfig
    shard: ShardConfig = Field(json_schema_extra=NOT_IDENTITY)
    audio: AudioConfig = Field(json_schema_extra=NOT_IDENTITY)
    c2pa: C2paConfig = Field(default=C2paConfig(), json_schema_extra=NOT_IDENTITY)  # that files are signed is in it
    executor: LocalExecutorConfig | RayExecutorConfig = Field(discriminator="kind", json_schema_extra=NOT_IDENTITY)
    voicechat: VoiceChatConfig | None = Field(default=None, json_schema_extra=NOT_IDENTITY)  # of a chat alone
    serve: ServeConfig | None = Field(default=None, json_schema_extra=NOT_IDENTITY)  # of a server alone
    mcp: McpConfig | None = Field(default=None, json_schema_extra=NOT_IDENTITY)  # of an MCP server alone

    @property
    def folder(self) -> Path:
        """`output_dir`, for what is made in a folder of this machine.

        Raises:
            ConfigError: it is a URL.
        """
        if isinstance(self.output_dir, RemotePath):
            raise ConfigError(f"output_dir: {self.output_dir} is a URL: give a folder of this machine")
        return self.output_dir

    @property
    def asks(self) -> bool:
        """Whether a chat model answers: not where answers are ready, nor where questions alone are spoken."""
        return self.speak != "question" and self.questions.answer_column is None

    @property
    def answers_per_question(self) -> int:
        """Rows made of one question; a ready answer is one, and so is a question alone."""
        return self.chat.num_answers if self.asks else 1

    @property
    def casts(self) -> Mapping[str, CastConfig]:
        """The voices of what is spoken, by the setting that has them."""
        both = {"voice": self.voice, "voice.question": self.voice.question}
        spoken = {"answer": ("voice",), "question": ("voice.question",), "both": ("voice", "voice.question")}
        return {key: both[key] for key in spoken[self.speak]}

    @property
    def wording(self) -> Wording:
        """How an answer is put in words.

        Raises:
            InputError: the lexicon cannot be read.
        """
        settings = self.text
        lexicon = None if settings.pronounce is None else read_lexicon(settings.pronounce)
        cut: Cut = getattr(self.chat, "cut", "keep")
        return Wording(
            *(self.tts.language, settings.code, settings.url, settings.foreign, cut, settings.rewrite, lexicon)
        )

    def identity(self) -> dict[str, Any]:
        """The settings that decide what comes out, as a flat mapping of dotted keys to JSON values.

        Raises:
            InputError: the lexicon cannot be read.
        """
        flat = dict(_identity_items(self, ""))
        if not self.asks:  # the chat stage is skipped
            flat = {key: value for key, value in flat.items() if not key.startswith("chat.")}
        if self.speak == "answer":
            flat = {key: value for key, value in flat.items() if not key.startswith("voice.question.")}
        if not self.split.test_voices:  # then it decides a column, and nothing of what is made
            flat = {key: value for key, value in flat.items() if not key.startswith("split.")}
        if self.c2pa.certificate is not None:  # whose it is may change, as certificates end
            flat["c2pa.signed"] = True
        if (lexicon := self.wording.pronounce) is not None:
            flat["text.pronounce"] = lexicon.sha256
        return flat


def _identity_items(settings: BaseModel, prefix: str) -> Iterable[tuple[str, Any]]:
    for key, field in type(settings).model_fields.items():
        mark = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        value = getattr(settings, key)
        if mark.get("identity") is False or ("identity unless" in mark and value == mark["identity unless"]):
            continue
        if isinstance(value, BaseModel):
            yield from _identity_items(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", settings.model_dump(mode="json", include={key})[key]


def validate(composed: Mapping[str, Any]) -> JobConfig:
    """Checks composed settings and returns them typed.

    Raises:
        ConfigError: the first setting that cannot be, by its dotted key, with what it may be.
    """
    try:
        return JobConfig.model_validate(composed)
    except ValidationError as error:
        raise ConfigError(_explain(error, composed)) from None


def _explain(error: ValidationError, composed: Mapping[str, Any]) -> str:
    problems = error.errors()
    first = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    key = _key(first["loc"], composed)
    if first["type"] == "extra_forbidden":  # first of all: a name that is misspelled is missing as well
        missing = [".".join(map(str, one["loc"])) for one in problems if one["type"] == "missing"]
        return unknown_key(key, [*missing, *dotted_keys(composed)])
    if first["type"].startswith("union_tag"):
        kinds = first.get("ctx", {}).get("expected_tags", "").replace("'", "")
        return f"{key}.kind must be one of {kinds}"
    if first["type"] == "value_error":
        return f"{key}: {first['ctx']['error']}" if "ctx" in first else f"{key}: {first['msg']}"
    if first["type"] == "missing":
        return f"{key} is missing: give it as {key}=..." + ("" if is_named_by_user(key) else f", and leave out ~{key}")
    given = first["input"]
    if first["type"] == "tuple_type":
        return f"{key}={given!r}: give a list, '{key}=[{str(given).strip('[]')}]'"
    if first["type"] in ("model_type", "dict_type"):
        return f"{key}={given!r}: give settings by name, '{key}={{NAME: VALUE}}'"
    return f"{key}={'null' if given is None else repr(given)}: " + what_it_may_be(
        [one for one in problems if _key(one["loc"], composed) == key]
    )


def _key(place: Sequence[str | int], composed: Mapping[str, Any]) -> str:
    """The dotted key of a setting from pydantic's path to it, which holds members of unions as well."""
    parts = list(place)
    if len(parts) > 1 and parts[0] in ("chat", "tts", "executor"):  # chat, mlx, max_tokens
        del parts[1]
    path: list[str] = []
    value: Any = composed
    for part in parts:
        if not isinstance(value, Mapping | list):  # tts, slots, constrained-int
            break
        path.append(str(part))
        value = value.get(part) if isinstance(value, Mapping) else None
    return ".".join(path)


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """One line for a setting that does not exist: the key, and the kinds that have it or the nearest valid one."""
    if _kinds_with(key):
        return f"there is no setting {key} here: it belongs to {kind_of(key)}"
    valid = [name for name in valid if name != key]
    if (other := _near_of_another_kind(key, valid)) is not None:
        return f"there is no setting {key}: did you mean {other}? It belongs to {kind_of(other)}"
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.6)
    if not near:
        leaf = key.rsplit(".", 1)[-1]
        by_leaf = {name.rsplit(".", 1)[-1]: name for name in valid}
        near = [by_leaf[match] for match in difflib.get_close_matches(leaf, list(by_leaf), n=1, cutoff=0.6)]
    hint = f"did you mean {near[0]}?" if near else "see python -m voicegen run --cfg job for all keys"
    return f"there is no setting {key}: {hint}"


def _near_of_another_kind(key: str, valid: Sequence[str]) -> str | None:
    """The setting that a key is nearest to, where only another kind of chat or speech model than the chosen has it."""
    group, _, _ = key.partition(".")
    others = {f"{group}.{name}" for backend in _TABLES.get(group, ()) for name in backend.settings.model_fields}
    near = difflib.get_close_matches(key, [*valid, *sorted(others.difference(valid))], n=1, cutoff=0.8)
    return near[0] if near and near[0] not in valid else None


def settings_called(name: str) -> list[str]:
    """The dotted keys that a user may mean by a name: that key itself, else those that end with it."""
    keys = [*dict.fromkeys(_keys(JobConfig, ""))]
    return [name] if name in keys else [key for key in keys if key.rpartition(".")[2] == name]


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for member in _members(field.annotation):
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield from _keys(member, f"{prefix}{name}.")


def kind_of(key: str) -> str:
    """The kinds of chat or speech model that a setting belongs to, as `chat.kind=openai or mlx`."""
    return f"{key.partition('.')[0]}.kind={' or '.join(_kinds_with(key))}"


def _kinds_with(key: str) -> list[str]:
    """The kinds of chat or speech model that have a setting of this name."""
    group, _, name = key.partition(".")
    return [backend.kind for backend in _TABLES.get(group, ()) if name in backend.settings.model_fields]


def is_text(key: str) -> bool:
    """Whether the setting of this dotted key is text or a path, and never a number."""
    types = _types(key)
    return bool({str, Path} & types) and not {int, float, bool} & types


def may_be_list(key: str) -> bool:
    """Whether the setting of this dotted key may be a list."""
    return any(get_origin(kind) is tuple for kind in _types(key))


def is_named_by_user(key: str) -> bool:
    """Whether this dotted key lies below a mapping whose names are the user's own, such as `voice.prompts`."""
    parts = key.split(".")
    above = (".".join(parts[:end]) for end in range(1, len(parts)))
    return any(get_origin(kind) is Mapping for setting in above for kind in _types(setting))


def is_path(key: str) -> bool:
    """Whether the setting of this dotted key is a path."""
    return Path in _types(key)


def _types(key: str) -> set[Any]:
    """What the setting of this dotted key may be."""
    types: list[Any] = [JobConfig]
    for part in key.split("."):
        models = [kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)]
        inside = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        inside += [get_args(kind)[1] for kind in types if get_origin(kind) is Mapping]
        types = [member for annotation in inside for member in _members(annotation)]
    return set(types)


def _members(annotation: Any) -> list[Any]:
    """The types that a union, with or without `Annotated`, is made of; a mapping or a tuple stays whole."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation] if isinstance(annotation, type) or get_origin(annotation) in (Mapping, tuple) else []


def dotted_keys(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """All keys of nested settings, dotted, groups included."""
    keys: list[str] = []
    for key, value in settings.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys.extend(dotted_keys(value, f"{prefix}{key}."))
    return keys
