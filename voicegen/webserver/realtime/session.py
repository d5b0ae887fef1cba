"""How a conversation is had: what a client may set of it, and how that is told back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from voicegen.bounds import Positive, Speed
from voicegen.webserver.engine import RATE
from voicegen.webserver.refusals import Refusal

PCM: Final[Mapping[str, Any]] = MappingProxyType({"type": "audio/pcm", "rate": RATE})

_EAGERNESS: Final[Mapping[str, int]] = MappingProxyType({"low": 1200, "medium": 700, "auto": 700, "high": 400})
"""Milliseconds of quiet that stand for what another server makes of what is said."""


class Given(BaseModel):
    """What a client says: no unknown names."""

    model_config = ConfigDict(extra="forbid")


class ServerVad(Given):
    """Turns are told by the voice: they end with `silence_duration_ms` of quiet."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=2000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=100, le=5000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: None = None


def _as_server_vad(given: Any) -> Any:
    """What is asked to be told by meaning is told by the voice, as `session.updated` then says."""
    if isinstance(given, dict) and given.get("type") == "semantic_vad":
        rest = {name: value for name, value in given.items() if name not in ("type", "eagerness")}
        return {**rest, "silence_duration_ms": _EAGERNESS.get(str(given.get("eagerness") or "auto"), 700)}
    return given


TurnDetection = Annotated[ServerVad | None, BeforeValidator(_as_server_vad)]


class _Format(Given):
    type: Literal["audio/pcm"]
    rate: Literal[24000] = RATE


class _Voice(Given):
    id: str


class _Input(Given):
    format: _Format | None = None
    turn_detection: TurnDetection = None
    transcription: Any = None  # what is said is always written down, by the server's recognizer
    noise_reduction: Any = None


class _Output(Given):
    format: _Format | None = None
    voice: str | _Voice | None = None
    speed: Speed = 1.0


class _Audio(Given):
    input: _Input | None = None
    output: _Output | None = None


class SessionGiven(Given):
    """What `session.update` and `response.create` may say; what would change an answer and can't be had is refused."""

    type: Literal["realtime"] = "realtime"
    instructions: str | None = None
    output_modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1)] | None = None
    max_output_tokens: Positive | Literal["inf"] | None = None
    audio: _Audio | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: Any = None
    prompt: None = None
    model: Any = None
    include: Any = None
    metadata: Any = None
    tracing: Any = None
    truncation: Any = None
    conversation: Literal["auto"] | None = None
    input: None = None


@dataclass(frozen=True, slots=True)
class Session:
    """How a conversation is had.

    Attributes:
        instructions: at its top; None for none.
        speaks: whether answers are spoken as well as written.
        max_tokens: of an answer.
        vad: how turns are told; None where the client says itself where they end.
        voice: that speaks; None for the model's default.
        speed: times the voice's own pace.
    """

    instructions: str | None
    max_tokens: int
    vad: ServerVad | None
    voice: str | None = None
    speaks: bool = True
    speed: float = 1.0

    def updated(
        self, given: SessionGiven, most_tokens: int, voice_named: Callable[[str | None], str | None]
    ) -> Session:
        """This session with what a client says of it.

        Args:
            given: what it says.
            most_tokens: what `inf` stands for.
            voice_named: gives the voice that a client means.
        """
        changes: dict[str, Any] = {}
        if given.instructions is not None:
            changes["instructions"] = given.instructions or None
        if given.output_modalities is not None:
            changes["speaks"] = "audio" in given.output_modalities
        if given.max_output_tokens is not None:
            asked = given.max_output_tokens
            changes["max_tokens"] = most_tokens if asked == "inf" else min(asked, most_tokens)
        audio = given.audio or _Audio()
        if audio.input is not None and "turn_detection" in audio.input.model_fields_set:
            changes["vad"] = audio.input.turn_detection
        if audio.output is not None:
            said = audio.output.model_fields_set
            if "speed" in said:
                changes["speed"] = audio.output.speed
            if "voice" in said:
                voice = audio.output.voice
                changes["voice"] = voice_named(voice.id if isinstance(voice, _Voice) else voice)
        return replace(self, **changes)

    def told(self, identifier: str, model: str) -> dict[str, Any]:
        """The session as clients read it."""
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": identifier,
            "model": model,
            "instructions": self.instructions or "",
            "output_modalities": ["audio"] if self.speaks else ["text"],
            "max_output_tokens": self.max_tokens,
            "audio": {
                "input": {
                    "format": dict(PCM),
                    "transcription": {"model": "whisper-1"},
                    "noise_reduction": None,
                    "turn_detection": self.vad.model_dump() if self.vad else None,
                },
                "output": {"format": dict(PCM), "voice": self.voice or "default", "speed": self.speed},
            },
            "tools": [],
            "tool_choice": "auto",
        }


def too_long(what: str, text: str, most: int) -> Refusal:
    """What is told of a text that is longer than the server takes."""
    return Refusal(f"{what} has {len(text)} characters, and {most} is the most: send less")
