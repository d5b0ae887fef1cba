"""What a dataset's audio files are: the one place that decides their ending, their encoding and what is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, get_args

from voicegen.bounds import Container, Subtype

CONTAINERS: Final[tuple[Container, ...]] = get_args(Container)
SUBTYPES: Final[tuple[Subtype, ...]] = get_args(Subtype)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A container and the format of the samples in it, as soundfile names the latter.

    Raises:
        ValueError: there is no such container or subtype, or the one cannot hold the other; says what to set.
    """

    container: Container = "wav"
    subtype: Subtype = "PCM_16"

    def __post_init__(self) -> None:
        for name, value, known in (("format", self.container, CONTAINERS), ("subtype", self.subtype, SUBTYPES)):
            if value not in known:
                raise ValueError(f"unknown audio {name} {value!r}; use one of {', '.join(known)}")
        if self.container == "flac" and self.subtype == "FLOAT":
            raise ValueError("FLAC holds whole numbers: set subtype to PCM_16 or PCM_24, or format to wav")

    @classmethod
    def of_name(cls, name: str | PurePath, subtype: Subtype = "PCM_16") -> AudioFormat:
        """That of a file that is to be called so: FLAC where its name ends so, else WAV.

        Raises:
            ValueError: as the class.
        """
        return cls("flac" if PurePath(name).suffix.lower() == ".flac" else "wav", subtype)

    @property
    def suffix(self) -> str:
        """What the names of its files end with, the dot included."""
        return f".{self.container}"


WAV: Final = AudioFormat()
"""What a run's audio is unless it is told otherwise."""


def is_audio(name: str) -> bool:
    """Whether a file of this name is audio of any format that a run may have."""
    return PurePath(name).suffix.lower() in {f".{container}" for container in CONTAINERS}
