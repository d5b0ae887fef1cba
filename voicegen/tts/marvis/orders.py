"""What the engine is asked to say, made into orders: a prompt of text and voice, and the frames a take may have."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.records import Utterance
from voicegen.tts.marvis.config import MarvisConfig
from voicegen.tts.marvis.drawing import seed_words
from voicegen.tts.marvis.prompts import Prefix, Prompt
from voicegen.tts.marvis.scheduler import Order
from voicegen.tts.marvis.tokenizer import TextTokenizer, speakable, spoken_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from voicegen.tts.voices import VoicePrompt

Key = TypeVar("Key")
Value = TypeVar("Value")

FRAME_RATE = 12.5  # Hz, Mimi's
MAX_FRAMES = 1125  # 90 s
VOICES_KEPT = 64

_WRAPPING = 16  # positions of a segment beside its text and audio: [speaker], begin and end tokens, the EOS frame


@dataclass(frozen=True, eq=False, slots=True)
class SpeechRequest:
    """A text to speak, and how.

    `voice` is a reference to sound like (None: whatever voice the model falls into), `speaker` the number written
    before the text, `seed` what the sampling depends on besides the text. `max_frames` cuts the take (80 ms a frame).
    `utterance` is the record that `Speech` hands back; one is made if there is none.
    """

    text: str
    voice: VoicePrompt | None = None
    speaker: int = 0
    seed: int = 0
    max_frames: int | None = None
    utterance: Utterance | None = None


def frames_needed(text: str) -> int:
    """The most frames that a text should need, spoken slowly: 10 characters a second, and a second of silence."""
    return math.ceil(FRAME_RATE * (1.0 + spoken_length(text) / 10.0))


def frames_allowed(text: str) -> int:
    """The frames after which a take of a text is cut: 5 characters a second, and three seconds."""
    return math.ceil(FRAME_RATE * (3.0 + spoken_length(text) / 5.0))


class OrderMaker:
    """Makes orders of requests; a voice is encoded once, and in context mode read once, for all that it says."""

    def __init__(
        self,
        config: MarvisConfig,
        tokenizer: TextTokenizer,
        encode: Callable[[VoicePrompt], NDArray[np.int64]],
        read_prefix: Callable[[Prompt], Prefix],
    ) -> None:
        """`encode` gives a voice's codes (K, T), `read_prefix` reads what many takes begin with."""
        self._config = config
        self._read_prefix = read_prefix
        self._tokenizer = tokenizer
        self._encode = encode
        self._codes: OrderedDict[int, tuple[VoicePrompt, NDArray[np.int64]]] = OrderedDict()
        self._prefixes: OrderedDict[tuple[int, int], tuple[VoicePrompt, Prefix]] = OrderedDict()

    def order(self, request: SpeechRequest, max_frames: int) -> Order:
        """The order of a request.

        Raises:
            ModelError: The text cannot be spoken, the voice not used, or the two leave no room in the model's context.
        """
        text = speakable(request.text)
        if request.speaker < 0:
            raise ModelError(f"speaker is {request.speaker}; it is a number from 0")
        prompt = self._prompt(text, request)
        asked = _asked(request, max_frames)
        if asked < 1:
            raise ModelError(f"max_frames is {asked}; a take has at least 1 frame")
        limit = min(asked, frames_allowed(text))
        needed = min(limit, frames_needed(text))
        room = self._config.backbone.context - prompt.length
        if room < needed:
            raise ModelError(
                f"text and voice prompt take {prompt.length} of the model's {room + prompt.length} positions and leave"
                f" {max(room, 0)} for speech that may need {needed}: shorten the voice prompt, or split the text"
                " (tts.max_chars)"
            )
        return Order(prompt, seed_words(request.seed), min(limit, room), needed, request)

    def fits(self, request: SpeechRequest, max_frames: int = MAX_FRAMES) -> bool:
        """Whether text and voice leave room in the model's context; true where `order` refuses either for itself."""
        context = self._config.backbone.context
        needed = min(frames_needed(request.text), _asked(request, max_frames))
        try:
            if self._at_most(request) + needed <= context:
                return True
            return self._prompt(speakable(request.text), request).length + needed <= context
        except ModelError:
            return True

    def _at_most(self, request: SpeechRequest) -> int:
        """Positions that a prompt cannot exceed, without tokenizing it: a token is a byte of text or more."""
        positions = len(request.text.encode(errors="replace")) + _WRAPPING
        if request.voice is None:
            return positions
        transcript = request.voice.transcript.encode(errors="replace")
        return positions + len(transcript) + _WRAPPING + self._voice_codes(request.voice).shape[1]

    def _prompt(self, text: str, request: SpeechRequest) -> Prompt:
        voice = request.voice
        if voice is None:
            return self._text(text, request.speaker)
        transcript = speakable(voice.transcript)
        if voice.mode == "match":
            # The model goes on speaking: one segment whose text is longer than its audio, so no EOS frame.
            return self._text(f"{transcript} {text}", request.speaker) + Prompt.audio(self._voice_codes(voice))
        said = self._text(text, request.speaker)
        return Prompt(said.tokens, said.is_audio, self._prefix(voice, transcript, request.speaker))

    def _text(self, text: str, speaker: int) -> Prompt:
        ids = self._tokenizer.encode(text, speaker)
        if max(ids) >= self._config.text_vocab:
            raise ModelError(f"the tokenizer gives id {max(ids)}, the model knows {self._config.text_vocab}")
        return Prompt.text(ids, self._config.codebooks)

    def _voice_codes(self, voice: VoicePrompt) -> NDArray[np.int64]:
        known = self._codes.get(id(voice))
        if known is None:
            books = self._config.codebooks
            codes = np.asarray(self._encode(voice), np.int64)
            if len(codes) < books:
                raise ModelError(
                    f"the codec gives {len(codes)} codebooks, the model needs {books} of a voice: choose another codec "
                    "with tts.codec=..."
                )
            known = (voice, codes[:books])
            _keep(self._codes, id(voice), known)
        return known[1]

    def _prefix(self, voice: VoicePrompt, transcript: str, speaker: int) -> Prefix:
        """The cache of what the voice said before: text, audio and EOS frame."""
        known = self._prefixes.get((id(voice), speaker))
        if known is None:
            codes = self._voice_codes(voice)
            end = np.full((len(codes), 1), self._config.eos_code, np.int64)
            segment = self._text(transcript, speaker) + Prompt.audio(np.concatenate([codes, end], axis=1))
            if segment.length >= self._config.backbone.context:
                raise ModelError(f"the voice prompt alone takes {segment.length} positions: shorten it")
            known = (voice, self._read_prefix(segment))
            _keep(self._prefixes, (id(voice), speaker), known)
        return known[1]


def _asked(request: SpeechRequest, max_frames: int) -> int:
    return max_frames if request.max_frames is None else min(request.max_frames, max_frames)


def _keep(cache: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    cache[key] = value
    while len(cache) > VOICES_KEPT:
        cache.popitem(last=False)
