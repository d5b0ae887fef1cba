"""Whisper through faster-whisper: what is said in a stretch of speech, and how likely given words are in it.

Knows nothing of takes and rules. The words of a text are forced on the decoder, which then says how likely each was
and when it was said (Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022; times by
dynamic time warping of the cross-attention, as in openai/whisper's `timing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.quality.recognizers.files import RecognizerFiles
from voicegen.records import ModelInfo

RATE: Final = 16_000  # Hz, of all that is listened to
LONGEST: Final = 29.0  # seconds of speech that one window holds, a moment of silence after it included

_HOP: Final = 160  # samples of a frame of features
_WINDOWS: Final = (1200, 1600, 2000, 3000)
"""Frames that speech is filled up to with silence: the encoder costs by the frame, and Whisper repeats itself where
there is little silence after the speech. Words are as often right with 12 s as with 30 s."""
_SILENCE: Final = 400  # frames after the speech, at the least, in any window but the largest
_MOST: Final = 224  # tokens in a window, that Whisper was made for
_TOKENS: Final = 7.0  # a second: nobody says more
_CIRCLE: Final = 4  # tokens
_LEAST: Final = 4  # frames that words can be looked for in
_FRAME: Final = 0.02  # seconds of the encoder's

Device = Literal["auto", "cpu", "cuda"]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was forced on the decoder.

    Attributes:
        text: as written.
        start: seconds from the window's beginning.
        end: likewise.
        logprob: the natural logarithm of its tokens' joint probability, after the words before it.
    """

    text: str
    start: float
    end: float
    logprob: float


class Windows:
    """Stretches of speech that the encoder has heard: what words are looked for in."""

    def __init__(self, encoded: Any, frames: list[int]) -> None:
        self.encoded = encoded
        self.frames = frames


class Whisper:
    """A recognizer for one language."""

    def __init__(self, model: Any, info: ModelInfo, language: str) -> None:
        self.info = info
        self._model = model.model
        self._features = model.feature_extractor
        self._tokenizer = model.hf_tokenizer
        if self._model.is_multilingual:
            self._start = self._ids("<|startoftranscript|>", f"<|{language}|>", "<|transcribe|>")
        elif language == "en":
            self._start = self._ids("<|startoftranscript|>")
        else:
            raise ModelError(f"recognizer {info.id} knows English alone, not {language!r}: take one of all languages")
        self._prompt = [*self._start, *self._ids("<|notimestamps|>")]

    @classmethod
    def load(cls, files: RecognizerFiles, language: str, device: Device = "auto", threads: int = 1) -> Self:
        """Loads it: in int8 on the CPU, in float16 on a GPU.

        Raises:
            ModelError: the files are damaged, or do not know the language.
        """
        import ctranslate2
        from faster_whisper import WhisperModel

        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        contents = files.read()
        try:
            model = WhisperModel(
                files.info.id,
                device=device,
                compute_type="int8" if device == "cpu" else "float16",
                cpu_threads=threads,
                files=contents,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"recognizer {files.info.id} cannot be loaded: {str(error).splitlines()[0]}") from error
        return cls(model, files.info, language)

    def encode(self, stretches: Sequence[Samples]) -> Windows:
        """Hears stretches of at most `LONGEST` seconds at `RATE` Hz."""
        import ctranslate2

        frames = [max(_LEAST, len(samples) // _HOP) for samples in stretches]
        size = next(size for size in _WINDOWS if max(frames) + _SILENCE <= size or size == _WINDOWS[-1])
        features = np.stack([self._featured(samples, size) for samples in stretches])
        return Windows(self._model.encode(ctranslate2.StorageView.from_array(features)), frames)

    def transcribe(self, windows: Windows) -> list[str]:
        """What is said in each; what comes to no end goes round in a circle, and is written again without."""
        most = min(_MOST, 16 + round(_TOKENS * max(windows.frames) * _HOP / RATE))
        first = self._written(windows, most)
        if max(map(len, first)) < most:
            return [self._decoded(ids) for ids in first]
        other = self._written(windows, most, no_repeat_ngram_size=_CIRCLE)
        return [self._decoded(min(ids, key=len)) for ids in zip(first, other, strict=True)]

    def _written(self, windows: Windows, most: int, **how: Any) -> list[list[int]]:
        """Tokens, `most` in each at the most."""
        prompts = [self._prompt] * len(windows.frames)
        # CTranslate2 writes half as many as that, as Whisper leaves the other half for what was said before.
        results = self._model.generate(windows.encoded, prompts, beam_size=1, max_length=2 * most, **how)
        return [result.sequences_ids[0] for result in results]

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids)).strip()

    def force(self, windows: Windows, texts: Sequence[Sequence[str]]) -> list[list[Word]]:
        """How likely the words of each text are in its window, and when they are said."""
        tokens = [[self._tokenizer.encode(f" {word}", add_special_tokens=False).ids for word in text] for text in texts]
        aligned = self._model.align(
            windows.encoded,
            self._start,
            [[token for word in text for token in word] for text in tokens],
            windows.frames,
        )
        return [_words(*each) for each in zip(texts, tokens, aligned, strict=True)]

    def _featured(self, samples: Samples, frames: int) -> Samples:
        """Log-mel features (mels, frames) of speech and the silence after it."""
        filled = np.zeros(frames * _HOP, np.float32)
        filled[: len(samples)] = samples[: len(filled)]
        return np.ascontiguousarray(self._features(filled, padding=0)[:, :frames])

    def _ids(self, *tokens: str) -> list[int]:
        ids = [self._tokenizer.token_to_id(token) for token in tokens]
        if None in ids:
            raise ModelError(f"recognizer {self.info.id} does not know {tokens[ids.index(None)]}")
        return ids


def _words(text: Sequence[str], tokens: list[list[int]], aligned: Any) -> list[Word]:
    if not text:
        return []
    places, times = (np.array(column) for column in zip(*aligned.alignments, strict=True))
    jumps = np.pad(np.diff(places), (1, 0), constant_values=1).astype(bool)
    begins = np.append(times[jumps], times[-1]) * _FRAME  # of each token, and the end
    logs = np.log(np.maximum(aligned.text_token_probs, 1e-10))
    words, at = [], 0
    for word, ids in zip(text, tokens, strict=True):
        end = at + len(ids)
        begun, over = (float(begins[min(place, len(begins) - 1)]) for place in (at, end))
        words.append(Word(word, round(begun, 2), round(over, 2), round(float(logs[at:end].sum()), 3)))
        at = end
    return words
