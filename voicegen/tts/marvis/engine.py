"""`Marvis`: text in, speech out, many at a time. Puts together the checkpoint, the slots and the codec.

engine = Marvis.load("Marvis-AI/marvis-tts-100m-v0.2")
for speech in engine.speak([SpeechRequest("Hello."), SpeechRequest("Goodbye.", seed=1)]): ...
"""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.protocols import SpeechStream
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.tts.marvis.checkpoint import DEFAULT_CODEC, Checkpoint
from voicegen.tts.marvis.config import MarvisConfig, unknown_fields
from voicegen.tts.marvis.decoding import BATCH, BatchDecoder, Decoding, Resampler, check_codebooks
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frame_runner import Loader, Runners
from voicegen.tts.marvis.orders import MAX_FRAMES, OrderMaker, SpeechRequest
from voicegen.tts.marvis.scheduler import Counts, Order, Scheduler, Take
from voicegen.tts.marvis.streams import Streams
from voicegen.tts.marvis.tokenizer import TextTokenizer
from voicegen.tts.speaking import taken_out

if TYPE_CHECKING:
    from voicegen.tts.marvis.codec import Codec
    from voicegen.tts.voices import VoicePrompt

logger = logging.getLogger(__name__)


STREAM_SLOTS = 8
"""Streams that are made at once, unless more are asked for; others wait for a slot."""


class Marvis:
    """A loaded model. It may be used from one thread at a time; streams from any number.

    Attributes:
        tokenizer: reads the text.
        orders: makes requests into what `run` takes.
    """

    def __init__(
        self,
        runners: Runners,
        tokenizer: TextTokenizer,
        *,
        info: ModelInfo,
        codec: str | Path | Codec = DEFAULT_CODEC,
        slots: int | None = None,
        stream_slots: int = STREAM_SLOTS,
    ) -> None:
        """Puts a loaded model to work; `Marvis.load` is the usual way.

        Args:
            runners: The model on its device.
            tokenizer: For the text.
            info: What manifests say of the model.
            codec: A loaded codec, or where to load it from when it is first needed.
            slots: Takes at a time; as many as the memory holds if None.
            stream_slots: Streams that are made at once, besides; others wait.
        """
        self.runners = runners
        self.info = info
        self.slots = _checked_slots(slots) or runners.most_slots()
        self.counts = Counts()
        self.tokenizer = tokenizer
        self._codec = codec
        if not isinstance(codec, str | Path):
            check_codebooks(codec, runners.codebooks)
        self.orders = OrderMaker(runners.config, tokenizer, self._encode_voice, runners.read_prefix)
        self._streams: Streams | None = None
        self._stream_slots = stream_slots
        self._opening = threading.Lock()
        self._silence: NDArray[np.bool_] | None = None
        self._decoder: BatchDecoder | None = None

    @classmethod
    def load(
        cls,
        path_or_repo: str | Path,
        device: str = "auto",
        dtype: str = "auto",
        codec: str | Path | Codec | None = None,
        revision: str | None = None,
        *,
        slots: int | Literal["auto"] | None = None,
        codebooks: int | None = None,
        exact: bool = True,
    ) -> Marvis:
        """Loads a checkpoint of any format from a folder or the hub.

        Args:
            path_or_repo: A folder, or `org/repository` on the hub.
            device: `auto` (Metal through MLX on Apple silicon, else CUDA, else the CPU), `metal`, `mlx` (MLX on CUDA or
                the CPU), or a torch device.
            dtype: `auto` (bfloat16 on CUDA and Metal, float16 on M1 and M2, else float32), `float32`, `bfloat16` or
                `float16`.
            codec: A folder, repository or loaded codec; by default the checkpoint's own, else kyutai/mimi.
            revision: Branch, tag or commit on the hub.
            slots: Takes at a time; as many as the memory holds if `auto` or None.
            codebooks: Codebooks to generate (8, 16, 24 or 32); all by default.
            exact: Whether a take's bits are the same in any company on the CPU.

        Raises:
            ModelError: The checkpoint cannot be found or is not whole, the device is not there, or a number cannot be.
        """
        slots = _checked_slots(None if slots == "auto" else slots)
        load = _loader(device, dtype, exact=exact)
        found = Checkpoint.find(path_or_repo, revision)
        config = found.config
        codebooks = _checked_codebooks(codebooks, config)
        if unknown := unknown_fields(found.fields):
            logger.warning(
                "%s: its config.json has %s, of which nothing is known here", found.files.id, ", ".join(unknown)
            )
        tokenizer = TextTokenizer.load(
            found.folder,
            found.text_tokenizer,
            config.text_vocab,
            speaker_prefix_space=config.speaker_prefix_space,
        )
        runners = load(found.folder, config, codebooks)
        return cls(
            runners,
            tokenizer,
            info=ModelInfo(found.files.id, "marvis", found.files.revision, found.files.licence, runners.precision),
            codec=codec or found.codec,
            slots=slots,
        )

    @property
    def codec(self) -> Codec:
        """The codec, loaded when first asked for."""
        if isinstance(self._codec, str | Path):
            codec = self.runners.load_codec(self._codec)
            check_codebooks(codec, self.runners.codebooks)
            self._codec = codec
        return self._codec

    @property
    def sample_rate(self) -> int:
        """Of the speech, in Hz."""
        return int(self.codec.sample_rate)

    def check(self, request: SpeechRequest) -> None:
        """Makes the voice of a request ready, and refuses the request if it cannot be spoken.

        Raises:
            ModelError: The text cannot be spoken, the voice not used, or the two leave no room in the model's context.
        """
        self.orders.order(request, MAX_FRAMES)

    def fits(self, request: SpeechRequest, max_frames: int = MAX_FRAMES) -> bool:
        """Whether text and voice leave room in the model's context for what the text may need."""
        return self.orders.fits(request, max_frames)

    def generate_codes(
        self,
        requests: Sequence[SpeechRequest],
        temperature: float = 0.9,
        top_k: int = 50,
        max_frames: int = MAX_FRAMES,
    ) -> list[NDArray[np.int64]]:
        """Codes (K, T) of each request, in order; temperature 0 is greedy.

        Raises:
            ModelError: A request cannot be spoken (before any work is done), or its take failed.
        """
        takes = self.generate_takes(requests, temperature, top_k, max_frames)
        for index, take in enumerate(takes):
            if take.error:
                raise ModelError(f"request {index}: {take.error}")
        return [take.codes for take in takes]

    def generate_takes(
        self,
        requests: Sequence[SpeechRequest],
        temperature: float = 0.9,
        top_k: int = 50,
        max_frames: int = MAX_FRAMES,
    ) -> list[Take]:
        """Takes in the order of the requests: codes with their finish reason, or the error of the one that failed.

        Raises:
            ModelError: A request cannot be spoken; it is named, before any work is done.
        """
        orders = [self._order_at(index, request, max_frames) for index, request in enumerate(requests)]
        places = {id(order): index for index, order in enumerate(orders)}
        takes = [take for take in self.run(iter(orders), Sampling(temperature, top_k)) if take]
        return sorted(takes, key=lambda take: places[id(take.order)])

    def speak(
        self,
        requests: Iterable[SpeechRequest | None],
        temperature: float = 0.9,
        top_k: int = 50,
        max_frames: int = MAX_FRAMES,
        resampler: Resampler | None = None,
    ) -> Iterator[Speech | Failure]:
        """Speaks requests, pulling them as slots come free; one record a request, in completion order.

        Args:
            requests: Of any number. None says that nothing is ready and the work in hand should go on.
            temperature: Of the sampling; 0 is greedy.
            top_k: Codes that are drawn among; 0 for all.
            max_frames: 80 ms each, at most for a take.
            resampler: As `resampler` gives it: takes have its rate.
        """
        self._know_silence()
        failures: list[Failure] = []
        orders = self._orders_of(requests, max_frames, failures)
        together = max(1, min(BATCH, self.slots // 4)) if self.runners.decodes_together else 1
        ahead = self.runners.works_ahead
        with Decoding(self.codec, self._batch_decoder(), resampler, threaded=ahead, together=together) as decoding:
            for take in self.run(orders, Sampling(temperature, top_k)):
                yield from taken_out(failures)
                if take is None:
                    yield from decoding.flush()
                else:
                    yield from decoding.add(take)
            yield from taken_out(failures)
            yield from decoding.flush()

    def stream(
        self,
        request: SpeechRequest,
        temperature: float = 0.9,
        top_k: int = 50,
        max_frames: int = MAX_FRAMES,
    ) -> SpeechStream:
        """Yields float32 mono pieces of one utterance as it is made; they join to the whole waveform.

        Returns the finish reason of the take. Streams may be open at once, in one thread or several: they share slots
        apart from those of `speak`.

        Raises:
            ModelError: The request cannot be spoken, the model failed on it, or streams that are open draw otherwise.
        """
        order = self.orders.order(request, max_frames)
        with self.runners.generating():
            return (yield from self._open_streams().speech(order, Sampling(temperature, top_k)))

    def _open_streams(self) -> Streams:
        with self._opening:
            if self._streams is None:
                slots = min(self._stream_slots, self.slots)
                decoders = self.runners.stream_decoders(self.codec, slots)
                self._streams = Streams(self.runners.made(slots), self._know_silence(), self.codec, decoders)
            return self._streams

    def _order_at(self, index: int, request: SpeechRequest, max_frames: int) -> Order:
        try:
            return self.orders.order(request, max_frames)
        except ModelError as error:
            raise ModelError(f"request {index}: {error}") from None

    def _orders_of(
        self, requests: Iterable[SpeechRequest | None], max_frames: int, failures: list[Failure]
    ) -> Iterator[Order | None]:
        """Orders of the requests that can be spoken; the others become failures, and give way like None."""
        index = -1
        for request in requests:
            if request is None:
                yield None
                continue
            index += 1
            utterance = request.utterance or Utterance(index=index, text=request.text, seed=request.seed)
            try:
                order = self.orders.order(replace(request, utterance=utterance), max_frames)
            except ModelError as error:
                failures.append(Failure(utterance.index, "tts", str(error), utterance.part))
                yield None
            else:
                yield order

    def run(self, orders: Iterator[Order | None], sampling: Sampling) -> Iterator[Take | None]:
        """Runs orders; when memory runs out, halves the slots and goes on with what was unfinished."""
        while True:
            scheduler = None
            try:
                scheduler = Scheduler(self.runners.runner(self.slots, sampling), self._silence)
                self.counts = scheduler.counts
                with self.runners.generating():
                    yield from scheduler.run(orders)
                return
            except Exception as error:
                if not self.runners.is_out_of_memory(error):
                    raise
                unfinished: list[Any] = scheduler.unfinished() if scheduler else []
                del scheduler
                self._halve()
                orders = chain(unfinished, orders)

    def _halve(self) -> None:
        self._streams = None  # those that are open go on with what they have
        self.runners.clear()
        if self.slots == 1:
            raise ModelError(f"out of memory on {self.runners.device} with a single slot: use a device with more")
        self.slots //= 2
        logger.warning("out of memory on %s: going on with %d slots", self.runners.device, self.slots)

    def resampler(self, rate: int) -> Resampler | None:
        """What gives takes a rate in Hz that is not the codec's, many at a time; None where soxr does it sooner."""
        return None if rate == self.sample_rate else self.runners.resampler(self.sample_rate, rate)

    def _batch_decoder(self) -> BatchDecoder | None:
        """What decodes batches faster than the codec, where there is something; made once."""
        if self._decoder is None:
            self._decoder = self.runners.batch_decoder(self.codec)
        return self._decoder

    def _encode_voice(self, voice: VoicePrompt) -> NDArray[np.int64]:
        return self.codec.encode(voice.audio, voice.sampling_rate)

    def _know_silence(self) -> NDArray[np.bool_]:
        """Which codes of codebook 0 the codec gives for silence (V,)."""
        if self._silence is None:
            codes = self.codec.encode(np.zeros(2 * self.sample_rate, np.float32), self.sample_rate)
            self._silence = np.zeros(self.runners.config.audio_vocab, np.bool_)
            self._silence[codes[0]] = True
        return self._silence


def _loader(device: str, dtype: str, *, exact: bool) -> Loader:
    """What loads a model: through MLX on Apple's GPU and where it is asked for, else in torch.

    Raises:
        ModelError: There is no such device here.
    """
    if is_mlx(device):
        from voicegen.tts.marvis.mlx.runners import loader

        return loader(device, dtype)
    from voicegen.tts.marvis.runners import loader as torch_loader

    return torch_loader(device, dtype, exact=exact)


def is_mlx(device: str) -> bool:
    """Whether the device of this name is computed on through MLX, as Apple silicon is where nothing is asked for."""
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return device in ("metal", "mlx") or (device == "auto" and apple)


def _checked_slots(slots: int | None) -> int | None:
    if slots is not None and (not isinstance(slots, int) or slots < 1):
        raise ModelError(f"slots is {slots!r}; it is auto, or a number of takes made at a time, at least 1")
    return slots


def _checked_codebooks(codebooks: int | None, config: MarvisConfig) -> int:
    if codebooks is None:
        return config.codebooks
    if not 2 <= codebooks <= config.codebooks:
        raise ModelError(f"codebooks is {codebooks}; this model has {config.codebooks}, and 2 are the least")
    return codebooks
