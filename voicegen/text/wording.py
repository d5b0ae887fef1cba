"""How the texts of a run are put in words: the language, and what is wanted of code and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from voicegen.text.languages import family

Reading = Literal["read", "skip"]


@dataclass(frozen=True, slots=True)
class Wording:
    """What decides the spoken form of a text.

    Attributes:
        language: a code such as `en` or `zh-CN`.
        code: whether code inside a sentence is to be read, or left out.
        url: the same of addresses.
    """

    language: str = "en"
    code: Reading = "read"
    url: Reading = "read"

    @property
    def family(self) -> str:
        """The language without its country."""
        return family(self.language)

    def wants(self, kind: str) -> bool:
        """Whether a sentence is to be said with what it holds of `kind`, or not at all."""
        return {"code": self.code, "url": self.url}.get(kind) == "read"


IN_ENGLISH: Final = Wording()
