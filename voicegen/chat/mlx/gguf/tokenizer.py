"""The tokenizer that a GGUF file describes, as the files that transformers reads.

Byte-pair encodings over bytes only (`tokenizer.ggml.model` = `gpt2`), with the ways of splitting text into words that
`tokenizer.ggml.pre` names. Source: the GGUF specification (ggml) and llama.cpp's list of pre-tokenizers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from voicegen.errors import ModelError

CONTROL, USER_DEFINED = 3, 4  # token types

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def write_tokenizer(metadata: Mapping[str, Any], folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json into `folder`.

    Raises:
        ModelError: The file uses a kind of tokenizer that this module does not know.
    """
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    tokenizer = build_tokenizer(metadata)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(_settings(metadata, tokens), indent=2), encoding="utf-8")


def build_tokenizer(metadata: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a GGUF's metadata, as `mx.load(..., return_metadata=True)` gives it."""
    kind = metadata.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise ModelError(
            f"this GGUF has a tokenizer of kind {kind!r}; only byte-pair encodings (gpt2) are read. "
            "Use a safetensors version of the model"
        )
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = _words(str(metadata.get("tokenizer.ggml.pre", "default")))
    tokenizer.decoder = decoders.ByteLevel()
    _add_special_tokens(tokenizer, tokens, metadata)
    if _number(metadata, "tokenizer.ggml.add_bos_token"):
        bos = _number(metadata, "tokenizer.ggml.bos_token_id") or 0
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A", pair=f"{tokens[bos]} $A $B", special_tokens=[(tokens[bos], bos)]
        )
    return tokenizer


def _words(pre: str) -> pre_tokenizers.PreTokenizer:
    """How text is cut into words before any merge."""
    if pre == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    if pre in ("gpt-2", "default"):
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    patterns = {"llama-bpe": _LLAMA3, "llama3": _LLAMA3, "qwen2": _QWEN2}
    if pre not in patterns:
        known = ", ".join(["smollm", "gpt-2", *patterns])
        raise ModelError(
            f"this GGUF splits text in the way {pre!r}; known are {known}. Use a safetensors version of the model"
        )
    cut = pre_tokenizers.Split(Regex(patterns[pre]), behavior="isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _add_special_tokens(tokenizer: Tokenizer, tokens: list[str], metadata: Mapping[str, Any]) -> None:
    types = metadata.get("tokenizer.ggml.token_type")
    kinds: list[int] = types.tolist() if types is not None else []
    special = [token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL]
    plain = [token for token, kind in zip(tokens, kinds, strict=False) if kind == USER_DEFINED]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in plain])


def _settings(metadata: Mapping[str, Any], tokens: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": _number(metadata, f"{metadata['general.architecture']}.context_length"),
    }
    names = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    for name, key in names.items():
        token = _number(metadata, f"tokenizer.ggml.{key}_token_id")
        if token is not None:
            settings[name] = tokens[token]
    if "tokenizer.chat_template" in metadata:
        settings["chat_template"] = metadata["tokenizer.chat_template"]
    return settings


def _number(metadata: Mapping[str, Any], key: str) -> int | None:
    value = metadata.get(key)
    return None if value is None else int(value.item() if hasattr(value, "item") else value)
