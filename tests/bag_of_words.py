"""A sentence model for tests that need none: a text's vector counts its words, so that texts with the same are near."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from voicegen.model_files import find_model
from voicegen.records import ModelInfo


class BagOfWords:
    """What `index_folder` and `VectorDB` need of a sentence model; keeps what it embedded."""

    info = ModelInfo("bag of words", "sentence", "1")
    width = 384

    def __init__(self) -> None:
        folder = find_model("all-minilm-l6-v2").path.parent
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str], kind: str) -> np.ndarray:
        self.embedded += texts
        vectors = np.full((len(texts), self.width), 1e-3, np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                vector[zlib.crc32(word.encode()) % self.width] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
