"""Replies written by hand in the harmony format, as a model's tokens spell them after `<|start|>assistant`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Transcript:
    name: str
    text: str
    answer: str
    judged: bool = True  # False: openai-harmony refuses it or reads it otherwise, as `harmony.toml` says
    calls: int = 0


def harmony_transcripts() -> list[Transcript]:
    entries = tomllib.loads(Path(__file__).with_name("harmony.toml").read_text(encoding="utf-8"))
    return [Transcript(name, **entry) for name, entry in entries.items()]
