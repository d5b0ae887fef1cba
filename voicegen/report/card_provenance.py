"""The part of a dataset card that says where the speech comes from: marks, models, voices, licences and consent.

docs/provenance.md says the same at length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from voicegen.report.card_facts import MadeBy
from voicegen.report.markdown import bare, some, table

_UNKNOWN: Final = "not known"

_MARKS: Final = """\
Each audio file says in its own metadata that it is synthetic, and by which models, voice, run and row; the columns
`chat_model`, `tts_model`, `voice`, `chat_licence`, `tts_licence`, `voice_licence` and `voice_consent` say it by row.
"""

_LICENCE: Final = """\
No licence is declared for this dataset (`license: unknown` above): that is for its owner to do, within the licences of
these models, of the questions and of the voices.
"""

_LAW: Final = """\
Article 50 of the EU's AI Act (Regulation (EU) 2024/1689) asks for machine-readable marks in synthetic audio from
2 August 2026 on. These are metadata, which a program that converts a file may drop; nothing is hidden in the samples
and nothing is said aloud, so who publishes the audio says that it is synthetic. This is no legal advice.
"""


def provenance(made_by: Sequence[MadeBy], record: Mapping[str, Any]) -> Iterator[str]:
    """The lines below the part's heading.

    Args:
        made_by: all that made a row with audio.
        record: of the run, as run.json has it; empty where it is not known.
    """
    yield _MARKS
    yield from table(["what", "name", "licence", "consent"], list(_sources(made_by, record)))
    yield _LICENCE
    yield _LAW


def _sources(made_by: Sequence[MadeBy], record: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    own: Mapping[str, Any] = record.get("provenance", {}).get("voices", {})
    for model, licence in _unique((by.chat_model, by.chat_licence) for by in made_by):
        yield ["chat model", bare(model) or _UNKNOWN, bare(licence) or _UNKNOWN, ""]
    for model, licence in _unique((by.tts_model, by.tts_licence) for by in made_by):
        yield ["TTS model", bare(model) or _UNKNOWN, bare(licence) or _UNKNOWN, ""]
    recorded = {by.voice: by.voice_consent for by in made_by if by.voice_consent is not None}
    recorded = {**{name: of.get("consent") for name, of in own.items()}, **recorded}
    for licence in {by.tts_licence: None for by in made_by}:
        found = _unique((by.voice,) for by in made_by if by.tts_licence == licence and by.voice not in recorded)
        voices = [bare(voice or "its only one") for (voice,) in found]
        if voices:
            yield ["voices of the TTS model", some(voices), bare(licence) or _UNKNOWN, ""]
    for (voice,) in _unique((by.voice,) for by in made_by if by.voice in recorded):
        yield ["a recording's voice", bare(voice), "", bare(recorded[voice]) or "none was noted"]


def _unique(values: Iterator[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    return sorted(set(values), key=str)
