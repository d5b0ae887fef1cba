"""Text to tokens, as the checkpoint was trained: `[speaker]text` between the tokenizer's begin and end tokens.

The tokenizer is the one that the config's `text_tokenizer` names, as mlx-audio has it; else the one in the
checkpoint's folder; else the one that has as many tokens as the model: SmolLM2's, wrapped in `<|im_start|>` and
`<|im_end|>`, or Llama 3.2's.
"""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path
from typing import Any

from voicegen.errors import ModelError
from voicegen.model_files import find_model
from voicegen.tts.marvis.config import read_object

logger = logging.getLogger(__name__)

SMOLLM2, LLAMA = "HuggingFaceTB/SmolLM2-135M-Instruct", "meta-llama/Llama-3.2-1B"
TOKENIZERS = {49_152: SMOLLM2, 128_256: LLAMA}
"""By `text_vocab_size`, what CSM's descendants were trained with."""

DEFAULT_WRAP = ("<|im_start|>", "<|im_end|>")
FILES = ("tokenizer.json", "tokenizer_config.json")


class TextTokenizer:
    """Encodes what a speaker says."""

    def __init__(self, tokenizer: Any, begin: int | None, end: int | None, speaker_form: str = "[{}]") -> None:
        """`tokenizer` is a `tokenizers.Tokenizer`; `begin` and `end` are put where it does not put them itself."""
        self._tokenizer = tokenizer
        self._begin = begin
        self._end = end
        self._speaker_form = speaker_form

    @classmethod
    def load(
        cls,
        folder: Path,
        text_tokenizer: str | None = None,
        text_vocab: int = 49_152,
        *,
        speaker_prefix_space: bool = False,
    ) -> TextTokenizer:
        """Finds and reads the tokenizer of a checkpoint whose model knows `text_vocab` tokens.

        Where the one that `text_tokenizer` names cannot be had, a warning says that the folder's own stands in for it.

        Raises:
            ModelError: There is none here or on the hub, or it cannot be read.
        """
        found, wrap = _find(folder, text_tokenizer, text_vocab)
        return cls._read(found, wrap, "[{}] " if speaker_prefix_space else "[{}]")

    @classmethod
    def _read(cls, folder: Path, wrap: tuple[str, str] | None, speaker_form: str) -> TextTokenizer:
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise ModelError(f"{path} cannot be read as a tokenizer ({error}): download it again") from None
        if wrap:
            return cls(tokenizer, tokenizer.token_to_id(wrap[0]), tokenizer.token_to_id(wrap[1]), speaker_form)
        return cls(tokenizer, *_missing_wrap(tokenizer, folder), speaker_form)

    def encode(self, text: str, speaker: int = 0) -> list[int]:
        """Token ids of `[speaker]text`."""
        ids = list(self._tokenizer.encode(f"{self._speaker_form.format(speaker)}{text}").ids)
        before = [] if self._begin is None else [self._begin]
        after = [] if self._end is None else [self._end]
        return before + ids + after


def _find(folder: Path, text_tokenizer: str | None, text_vocab: int) -> tuple[Path, tuple[str, str] | None]:
    """The tokenizer's folder, and the tokens to wrap a text in where they are known beforehand."""
    own = (folder / FILES[0]).is_file()
    if own and text_tokenizer is None:
        return folder, None
    name = text_tokenizer or TOKENIZERS.get(text_vocab)
    if name is None:
        raise ModelError(
            f"{folder} has no tokenizer.json, and no known tokenizer has the {text_vocab} tokens of its model: "
            "put the tokenizer.json that it was trained with there"
        )
    try:
        return _named(name), DEFAULT_WRAP if text_tokenizer is None and name == SMOLLM2 else None
    except ModelError as error:
        if own:
            logger.warning("the tokenizer in %s stands in for %s, which its config names: %s", folder, name, error)
            return folder, None
        raise ModelError(
            f"{folder} has no tokenizer.json, and {name} cannot be had ({error}): put a tokenizer.json there"
        ) from None


def _named(name: str) -> Path:
    found = find_model(name, patterns=FILES).path
    if not (found / FILES[0]).is_file():
        raise ModelError(f"{name} has no tokenizer.json")
    return found


def _missing_wrap(tokenizer: Any, folder: Path) -> tuple[int | None, int | None]:
    """The end token, where a tokenizer writes only its begin token (Llama's does so; CSM was trained on both)."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        return None, None
    settings = read_object(path)
    begin, end = (_token_id(tokenizer, settings.get(key)) for key in ("bos_token", "eos_token"))
    ids = tokenizer.encode("[0]a").ids
    begun = begin is not None and ids[:1] == [begin]
    return None, end if begun and end not in (None, begin) and ids[-1] != end else None


def _token_id(tokenizer: Any, token: Any) -> int | None:
    content = token.get("content") if isinstance(token, dict) else token
    return tokenizer.token_to_id(content) if isinstance(content, str) else None


def speakable(text: str) -> str:
    """The text with its white space made single spaces.

    Raises:
        ModelError: It is no string, is empty, holds control characters, or nothing that could be said.
    """
    if not isinstance(text, str):
        raise ModelError(f"the text to speak is {text!r}, not a string")
    clean = " ".join(text.split())
    if not clean:
        raise ModelError("the text to speak is empty")
    for character in clean:
        if unicodedata.category(character) in ("Cc", "Cs", "Cn"):
            raise ModelError(f"the text to speak holds the control character U+{ord(character):04X}: {clean[:40]!r}")
    if not any(character.isalnum() for character in clean):
        raise ModelError(f"the text to speak holds no letter and no digit: {clean[:40]!r}")
    return clean


def spoken_length(text: str) -> int:
    """Letters that a text takes the time of: a wide character counts as three, a digit or a symbol as a word."""
    return sum(_letters(character) for character in text if not character.isspace())


def _letters(character: str) -> int:
    if unicodedata.category(character)[0] in "NS" or character in "%&@#*/":
        return 6  # "seven", and its part of "hundred" and "thousand"; "equals", "percent"
    return 3 if unicodedata.east_asian_width(character) in "WF" else 1  # Chinese, Japanese, Korean
