"""How the texts of a run are put in words: the language, and what is wanted of code and addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from voicegen.text.english.names import names
from voicegen.text.languages import family
from voicegen.text.lexicon import Lexicon
from voicegen.text.other_languages import knows_numbers

Reading = Literal["read", "skip"]
Foreign = Literal["reject", "romanize"]
Cut = Literal["sentence", "keep", "reject"]
Rewrite = Literal["chat"]


@dataclass(frozen=True, slots=True)
class Wording:
    """What decides the spoken form of a text.

    Attributes:
        language: a code such as `en` or `zh-CN`.
        code: whether code inside a sentence is to be read, or left out.
        url: the same of addresses.
        cut: what is said of an answer that ran into the most tokens it may have: its whole sentences, all, or nothing.
        foreign: whether words in a script that the language does not have are refused, or written in Latin letters.
        rewrite: who writes an answer anew for speech before it is put in words; None: nobody.
        pronounce: what the user has respelled when all is in words.
        respelled: what is respelled then; of English also names of the field, where the user has them not.
    """

    language: str = "en"
    code: Reading = "read"
    url: Reading = "read"
    foreign: Foreign = "reject"
    cut: Cut = "sentence"
    rewrite: Rewrite | None = None
    pronounce: Lexicon | None = None
    respelled: Lexicon | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ours = names() if self.family == "en" else None
        respelled = self.pronounce.over(ours) if self.pronounce and ours else self.pronounce or ours
        object.__setattr__(self, "respelled", respelled)

    @property
    def family(self) -> str:
        """The language without its country."""
        return family(self.language)

    @property
    def remark(self) -> str | None:
        """What is to be known of the language before anything is spoken."""
        if self.family == "en" or knows_numbers(self.language):
            return None
        return f"numbers are left to the voice, as their words are not known in {self.language}"

    def wants(self, kind: str) -> bool:
        """Whether a sentence is to be said with what it holds of `kind`, or not at all."""
        return kind in ("foreign", "maths") or {"code": self.code, "url": self.url}.get(kind) == "read"


IN_ENGLISH: Final = Wording()
