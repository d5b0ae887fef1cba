"""A checkpoint on this machine, and where the parts are that go with it: tokenizer, codec, voices.

Marvis checkpoints follow mlx-audio's conventions: `text_tokenizer` in the config names the repository with the
tokenizer, which also has the voices of a checkpoint without any; sesame/csm-1b has those of a config that names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from voicegen.errors import ModelError
from voicegen.model_files import HUB_PATTERNS, ModelFiles, find_model
from voicegen.tts.marvis.config import MarvisConfig, read_config, read_object
from voicegen.tts.voices import Mode, PromptFiles, discover_prompts

DEFAULT_CODEC = "kyutai/mimi"
DEFAULT_VOICES = "sesame/csm-1b"
VOICE_FILES = ("prompts/*",)

_USUAL_VOICE = "conversational_a"  # what the published checkpoints are demonstrated with

_TRANSCRIPTS = MappingProxyType(
    {
        "conversational_a": (
            "like revising for an exam I'd have to try and like keep up the momentum because I'd start really early "
            "I'd be like okay I'm gonna start revising now and then like you're revising for ages and then I just "
            "like start losing steam I didn't do that for the exam we had recently to be fair that was a more of a "
            "last minute scenario but like yeah I'm trying to like yeah I noticed this yesterday that like Mondays I "
            "sort of start the day with this not like a panic but like a"
        ),
        "conversational_b": (
            "like a super Mario level. Like it's very like high detail. And like, once you get into the park, it just "
            "like, everything looks like a computer game and they have all these, like, you know, if, if there's like "
            "a, you know, like in a Mario game, they will have like a question block. And if you like, you know, "
            "punch it, a coin will come out. So like everyone, when they come into the park, they get like this "
            "little bracelet and then you can go punching question blocks around."
        ),
    }
)
"""What the two recordings of DEFAULT_VOICES say, which come without their texts (SesameAILabs/csm, Apache-2.0)."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's files, its config as it is written, and what that says."""

    files: ModelFiles
    fields: Mapping[str, Any]
    config: MarvisConfig

    @classmethod
    def find(cls, model: str | Path, revision: str | None = None, *, weights: bool = True) -> Checkpoint:
        """Finds a folder, or a repository on the hub, and reads its config; `weights` says whether to fetch those too.

        Raises:
            ModelError: it cannot be found, or is none of Marvis.
        """
        patterns = [name for name in (*HUB_PATTERNS, *VOICE_FILES) if weights or not name.endswith(".safetensors")]
        files = find_model(str(model), revision=revision, patterns=patterns)
        config = read_config(files.path)
        return cls(files, read_object(files.path / "config.json"), config)

    @property
    def folder(self) -> Path:
        """Where the model is."""
        return self.files.path

    @property
    def text_tokenizer(self) -> str | None:
        """Where the config says that the tokenizer is: another folder or repository; None for this one."""
        named = self.config.text_tokenizer
        if named is None or named == self.files.id:
            return None
        beside = self.folder / named
        return str(beside) if beside.is_dir() else named

    @property
    def codec(self) -> str | Path:
        """Where the codec is: in `mimi/`, beside the model or among its tensors; else DEFAULT_CODEC."""
        from voicegen.tts.marvis.codec_files import brings_codec

        own = self.folder / "mimi"
        return own if own.is_dir() else self.folder if brings_codec(self.folder) else DEFAULT_CODEC

    def voices(self) -> dict[str, PromptFiles]:
        """The voices that it brings, or else those of `voice_sources`, by name; used as its config asks."""
        found = discover_prompts(self.folder)
        for source in () if found else self.voice_sources:
            found = found or _voices_of(source)
        mode: Mode = "match" if self.config.voice_match else "context"
        return {name: replace(files, mode=mode) for name, files in found.items()}

    def unasked(self, voices: Mapping[str, PromptFiles]) -> str | None:
        """Which of its voices speaks a text that names none; None where the model is to choose."""
        whole = [name for name, files in voices.items() if not files.missing]
        if not self.config.use_default_voice_prompt:
            return None
        return _USUAL_VOICE if _USUAL_VOICE in whole else next(iter(whole), None)

    @property
    def voice_sources(self) -> tuple[str, ...]:
        """Where a checkpoint without voices has them from."""
        if not self.config.use_default_voice_prompt:
            return ()
        return (self.text_tokenizer, DEFAULT_VOICES) if self.text_tokenizer else (DEFAULT_VOICES,)


def _voices_of(source: str) -> dict[str, PromptFiles]:
    """The voices of a folder or repository; none where it cannot be had."""
    try:
        found = discover_prompts(find_model(source, patterns=VOICE_FILES).path)
    except ModelError:
        return {}
    said = _TRANSCRIPTS if source == DEFAULT_VOICES else {}
    return {name: replace(files, transcript=said.get(name, files.transcript)) for name, files in found.items()}
