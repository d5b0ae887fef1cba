"""What an audio file says of itself in its own metadata: that it is synthetic, and what made it.

It is the same for the same row of the same run, and holds no time, no version and nothing of this machine. Only where
it is signed as well (`signing`) there is more of both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from voicegen import __version__
from voicegen.records import ModelInfo

if TYPE_CHECKING:
    from voicegen.audio.signing import Signer

DIGITAL_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for media that a trained model made, which C2PA and others use too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What made the files of a run, or of another task.

    Attributes:
        tts: the model that spoke.
        chat: the model that wrote what is spoken; None where a person may have, or nobody knows.
        run: the run's `config_hash`; None where there is no run.
        signer: what signs the files; None where nothing does.
    """

    tts: ModelInfo
    chat: ModelInfo | None = None
    run: str | None = None
    signer: Signer | None = None

    def claim(self, row: int | None = None, voice: str | None = None) -> dict[str, Any]:
        """The manifest of C2PA for a file, as its library takes it; `row` and `voice` as for `tags`."""
        agent = {"name": _name(self.tts), **({"version": self.tts.revision} if self.tts.revision else {})}
        by = f", voice {voice}" if voice else ""
        action = {
            "action": "c2pa.created",
            "digitalSourceType": DIGITAL_SOURCE_TYPE,
            "softwareAgent": agent,
            "description": f"Synthetic speech by {_name(self.tts)}{by}",
        }
        return {
            "claim_generator_info": [{"name": "voicegen", "version": __version__}],
            **({} if row is None else {"title": f"row {row}"}),
            "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
        }

    def tags(self, row: int | None = None, voice: str | None = None) -> Mapping[str, str]:
        """The tags of a file, by the names that libsndfile has for them: a RIFF's INFO and Vorbis comments alike.

        `comment` is JSON in ASCII, for programs; the others are for who looks at a list of files.

        Args:
            row: the row's index in its run, or the text's place.
            voice: the name of the voice; None for the model's only or nameless one.
        """
        facts = {
            "synthetic": True,
            "digital_source_type": DIGITAL_SOURCE_TYPE,
            "generator": "voicegen",
            "tts_model": _name(self.tts),
            "tts_revision": self.tts.revision,
            "voice": voice,
            "chat_model": _name(self.chat),
            "chat_revision": self.chat.revision if self.chat else None,
            "run": self.run,
            "row": row,
        }
        tags = {
            "title": None if row is None else f"row {row}",
            "artist": f"{voice or 'synthetic voice'} ({_name(self.tts)}, synthetic)",
            "album": None if self.run is None else f"voicegen run {self.run}",
            "genre": "Synthetic speech",
            "comment": json.dumps({name: fact for name, fact in facts.items() if fact is not None}),
        }
        return {name: tag for name, tag in tags.items() if tag is not None}


@cache
def _name(model: ModelInfo | None) -> str | None:
    """The model's id; of a folder its name alone, since the rest is about the machine."""
    if model is None:
        return None
    return PurePath(model.id).name if PurePath(model.id).is_absolute() else model.id
