"""What a chat is told beside the job's settings: how it speaks, and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from voicegen.config import unknown_key
from voicegen.errors import ConfigError

PREFIX = "voicechat."


class VoiceChatSettings(BaseModel):
    """Settings of a chat, as overrides `voicechat.KEY=VALUE`.

    Attributes:
        stream: show and speak an answer while it is written.
        play: play the answers.
        device: of the sound card, its number or a part of its name; None for the system's default.
        save_audio: write a WAV of each answer.
        record: the folder of a dataset that the chat becomes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: bool = False
    play: bool = False
    device: str | None = None
    save_audio: bool = True
    record: Path | None = None

    @field_validator("device", "record", mode="before")
    @classmethod
    def _null(cls, value: object) -> object:
        return None if value == "null" else value

    @property
    def speaks(self) -> bool:
        """Whether answers are spoken at all."""
        return self.save_audio or self.play or self.record is not None


def take_settings(words: Sequence[str], flags: Mapping[str, object]) -> tuple[VoiceChatSettings, list[str]]:
    """Takes the overrides of a chat out of a command line.

    Args:
        words: of the command line.
        flags: settings that were given as flags; they win.

    Returns:
        The settings, and the other words.

    Raises:
        ConfigError: there is no such setting, or it cannot have that value.
    """
    ours = [word.removeprefix(PREFIX).partition("=") for word in words if word.startswith(PREFIX)]
    given: dict[str, object] = {key: value for key, _, value in ours}
    try:
        settings = VoiceChatSettings.model_validate(given | dict(flags))
    except ValidationError as error:
        first = error.errors()[0]
        key = PREFIX + ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise ConfigError(unknown_key(key, [PREFIX + name for name in VoiceChatSettings.model_fields])) from None
        raise ConfigError(f"{key}={first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
    return settings, [word for word in words if not word.startswith(PREFIX)]
